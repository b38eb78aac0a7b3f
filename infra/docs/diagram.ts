// A stage as a flowchart (Mermaid), read from its templates.
//
//   boxes     functions, Firehose, state machines, Athena, and jobs: those together that the same one starts
//   cylinders the stream, and what of the buckets programs hand things on by
//   arrows    who starts whom, by event sources, schedules and state machines; who writes where or only reads there, by the policies of
//             roles; and what alarms look at, by the dimensions of their metrics

import type { Deployed } from '../test/deployed.ts'
import { listOf, type Statement } from '../test/policy.ts'

// biome-ignore lint/suspicious/noExplicitAny: templates have a shape for each of their types.
type Properties = Readonly<Record<string, any>>

const FOLDERS = [
  { node: 'Landing', path: /^landing\/landing\//, text: 'S3<br>landing objects' },
  { node: 'Oversize', path: /^landing\/oversize\//, text: 'S3<br>oversize items' },
  { node: 'OnFailure', path: /^landing\/(errors|aws\/lambda)\//, text: 'S3<br>on failure' },
  { node: 'Exports', path: /^landing\/exports\//, text: 'S3<br>exports' },
  { node: 'Table', path: /^tables\/(?!_lastwrite\/)/, text: 'Iceberg table<br>S3 and Glue' },
] as const

export function diagramOf(stage: Deployed): string {
  const nodes = new Map<string, string>()
  const arrows = new Set<string>()
  const all = (type: string): [string, Properties][] => Object.entries(stage.ofType(type))
  const point = (from: string, to: string, label = '') =>
    arrows.add(`${from} ${label === '' ? '-->' : `-- ${label} -->`} ${to}`)

  for (const [, { EventSourceArn, FunctionName }] of all('AWS::Lambda::EventSourceMapping')) {
    nodes.set('Stream', `[("DynamoDB stream<br>${EventSourceArn.split('/')[1]}")]`)
    point('Stream', shortOf(FunctionName))
  }
  for (const [id, fn] of all('AWS::Lambda::Function')) {
    nodes.set(shortOf(id), '["Lambda<br>forwarder"]')
    handOn(shortOf(id), rightsOf(fn.Role))
  }
  for (const [id, { ExtendedS3DestinationConfiguration: to }] of all('AWS::KinesisFirehose::DeliveryStream')) {
    nodes.set(shortOf(id), '["Firehose"]')
    handOn(shortOf(id), rightsOf(to.RoleARN))
  }
  const inBatch = addJobs()
  for (const [, { PolicyDocument }] of all('AWS::IAM::ManagedPolicy')) {
    if (!targets(PolicyDocument.Statement, 'athena:StartQueryExecution').length) continue
    nodes.set('Athena', '["Athena"]')
    handOn('Athena', PolicyDocument.Statement)
  }
  addAlarms()
  return [
    'flowchart LR',
    ...[...nodes].filter(([id]) => !inBatch.includes(id)).map(([id, text]) => `  ${id}${text}`),
    '  subgraph Batch["Batch on Fargate"]',
    ...inBatch.map((id) => `    ${id}${nodes.get(id)}`),
    '  end',
    ...[...arrows].map((arrow) => `  ${arrow}`),
  ].join('\n')

  /** The arrows of a program to streams and folders that it writes to, and from those that it only reads. */
  function handOn(program: string, statements: readonly Statement[]): void {
    for (const arn of targets(statements, 'firehose:PutRecordBatch')) point(program, shortOf(arn.split('/')[1]!))
    const written = foldersOf(targets(statements, 's3:PutObject'))
    const read = foldersOf(targets(statements, 's3:GetObject')).filter((folder) => !written.includes(folder))
    for (const { node, text } of [...written, ...read]) nodes.set(node, `[("${text}")]`)
    for (const { node } of written) point(program, node)
    for (const { node } of read) point(node, program)
  }

  /** By who starts them. Gives their nodes. */
  function addJobs(): string[] {
    const schedules = all('AWS::Scheduler::Schedule')
    const machines = all('AWS::StepFunctions::StateMachine')
    const groups = Map.groupBy(all('AWS::Batch::JobDefinition'), ([job]) => {
      if (schedules.some(([, { Target }]) => starts(Target.Input, job))) return 'Schedule'
      return shortOf(machines.find(([, { DefinitionString }]) => starts(DefinitionString, job))?.[0] ?? 'ByHand')
    })
    for (const [id, { RoleArn }] of machines) {
      nodes.set(shortOf(id), '["Step Functions<br>after a deployment"]')
      handOn(shortOf(id), rightsOf(RoleArn))
    }
    return [...groups].map(([starter, jobs]) => {
      const group = `${starter}Jobs`
      nodes.set(group, `["${jobs.map(([, { ContainerProperties }]) => ContainerProperties.Command[0]).join(', ')}"]`)
      for (const [job, { ContainerProperties }] of jobs) {
        const own = schedules.filter(([, { Target }]) => starts(Target.Input, job))
        for (const [, { ScheduleExpression }] of own) {
          nodes.set('Schedule', '["EventBridge Scheduler"]')
          point('Schedule', group, `"${ContainerProperties.Command[0]}: ${ScheduleExpression}"`)
        }
        handOn(group, rightsOf(ContainerProperties.JobRoleArn))
      }
      if (nodes.has(starter) && starter !== 'Schedule') point(starter, group)
      return group
    })
  }

  function addAlarms(): void {
    const alarms = all('AWS::CloudWatch::Alarm')
    const topic = String(alarms[0]![1].AlarmActions?.[0] ?? '')
      .split(':')
      .at(-1)
    nodes.set('Alarms', `{{"${alarms.length} alarms<br>SNS ${topic}"}}`)
    for (const [, { Dimensions }] of alarms) {
      for (const { Name, Value } of Dimensions) arrows.add(`${subjectOf(Name, Value)} -.-> Alarms`)
    }
  }

  function subjectOf(dimension: string, value: string): string {
    switch (dimension) {
      case 'FunctionName':
      case 'DeliveryStreamName':
        return shortOf(value)
      case 'EventSourceMappingUUID':
        return shortOf(all('AWS::Lambda::EventSourceMapping').find(([id]) => id === value)![1].FunctionName)
      // Rules look at the ends of jobs, and merges tell of the table.
      case 'RuleName':
      case 'Table':
        return 'Batch'
    }
    throw new Error(`an alarm looks at a ${dimension}: say what that is in the diagram`)
  }

  function rightsOf(roleArn: string): Statement[] {
    const role = roleArn.split('/').at(-1)
    return all('AWS::IAM::Policy').flatMap(([, { Roles, PolicyDocument }]) =>
      Roles.includes(role) ? PolicyDocument.Statement : [],
    )
  }
}

/** What a statement of these actions allows it on. */
function targets(statements: readonly Statement[], action: string): string[] {
  return statements
    .filter(({ Action, Effect }) => Effect === 'Allow' && listOf(Action).includes(action))
    .flatMap(({ Resource }) => listOf(Resource))
}

function foldersOf(arns: readonly string[]): (typeof FOLDERS)[number][] {
  const paths = arns.map((arn) => arn.replace('arn:aws:s3:::', ''))
  return FOLDERS.filter(({ path }) => paths.some((each) => path.test(each)))
}

const starts = (definition: string, job: string) => definition.includes(`:job-definition/${job}"`)

/** Without the construct that all are in, and the eight digits that the CDK adds. */
function shortOf(id: string): string {
  return id.replace(/^Table/, '').replace(/[0-9A-F]{8}$/, '')
}
