// A stage's templates as CloudFormation would fill them in: every reference becomes a name or an ARN.

import type { Template } from 'aws-cdk-lib/assertions'

interface Resource {
  readonly Type: string
  readonly Properties: Readonly<Record<string, unknown>>
}

interface TemplateJson {
  readonly Resources: Readonly<Record<string, Resource>>
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: string } }>>
}

export interface Deployed {
  /** All of a type, their references filled in, by logical id. */
  ofType(type: string): Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export const ACCOUNT = '123456789012'
export const REGION = 'eu-west-1'

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::AccountId': ACCOUNT,
  'AWS::Region': REGION,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackId': `arn:aws:cloudformation:${REGION}:${ACCOUNT}:stack/test/1`,
}

/** What `Ref` gives for resources whose reference is an ARN, and `Arn` for all. */
const ARNS: Readonly<Record<string, string>> = {
  'AWS::Batch::ComputeEnvironment': `arn:aws:batch:${REGION}:${ACCOUNT}:compute-environment/`,
  'AWS::Batch::JobDefinition': `arn:aws:batch:${REGION}:${ACCOUNT}:job-definition/`,
  'AWS::Batch::JobQueue': `arn:aws:batch:${REGION}:${ACCOUNT}:job-queue/`,
  'AWS::EMRServerless::Application': `arn:aws:emr-serverless:${REGION}:${ACCOUNT}:/applications/`,
  'AWS::IAM::ManagedPolicy': `arn:aws:iam::${ACCOUNT}:policy/`,
  'AWS::IAM::Role': `arn:aws:iam::${ACCOUNT}:role/`,
  'AWS::KMS::Key': `arn:aws:kms:${REGION}:${ACCOUNT}:key/`,
  'AWS::KinesisFirehose::DeliveryStream': `arn:aws:firehose:${REGION}:${ACCOUNT}:deliverystream/`,
  'AWS::Lambda::Function': `arn:aws:lambda:${REGION}:${ACCOUNT}:function:`,
  'AWS::Logs::LogGroup': `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:`,
  'AWS::S3::Bucket': 'arn:aws:s3:::',
  'AWS::StepFunctions::StateMachine': `arn:aws:states:${REGION}:${ACCOUNT}:stateMachine:`,
}
const REFERRED_BY_ARN = ['AWS::Batch::JobDefinition', 'AWS::IAM::ManagedPolicy', 'AWS::StepFunctions::StateMachine']

/**
 * @param stage templates that import each other's exports
 * @param bucketNames by the end of a bucket's construct id, `Landing` or `Tables`
 */
export function deployed(
  stage: Readonly<Record<string, Pick<Template, 'toJSON'>>>,
  bucketNames: Readonly<Record<string, string>>,
): Deployed {
  const templates = Object.values(stage).map((template) => template.toJSON() as TemplateJson)
  const resources = Object.assign({}, ...templates.map(({ Resources }) => Resources)) as Record<string, Resource>
  const exported = new Map(
    templates.flatMap(({ Outputs = {} }) =>
      Object.values(Outputs).flatMap(({ Value, Export }) =>
        Export === undefined ? [] : [[Export.Name, Value] as const],
      ),
    ),
  )

  function nameOf(id: string): string {
    const { Type, Properties } = resources[id]!
    if (Type === 'AWS::S3::Bucket') return bucketNames[/^Storage(Landing|Tables)/.exec(id)![1]!]!
    if (Type === 'AWS::Glue::Database') return (Properties.DatabaseInput as { Name: string }).Name
    // EMR names an application by lower-case letters and digits.
    return Type === 'AWS::EMRServerless::Application' ? id.toLowerCase() : id
  }

  function fill(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(fill)
    if (typeof value !== 'object' || value === null) return value
    const [[name, argument] = []] = Object.entries(value)
    switch (name) {
      case 'Ref':
        return referred(argument)
      case 'Fn::GetAtt':
        return attribute(argument)
      case 'Fn::ImportValue':
        return fill(exported.get(argument))
      case 'Fn::Join':
        return (fill(argument[1]) as unknown[]).join(argument[0])
      case 'Fn::GetAZs':
        return [`${REGION}a`, `${REGION}b`]
      case 'Fn::Select':
        return (fill(argument[1]) as unknown[])[argument[0]]
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)]))
  }

  function referred(id: string): string {
    if (PSEUDO[id] !== undefined) return PSEUDO[id]
    return REFERRED_BY_ARN.includes(resources[id]!.Type) ? arnOf(id) : nameOf(id)
  }

  function attribute([id, name]: [string, string]): string {
    return /Arn$/.test(name) ? arnOf(id) : `${nameOf(id)}.${name}`
  }

  function arnOf(id: string): string {
    const { Type } = resources[id]!
    if (ARNS[Type] === undefined) throw new Error(`${Type}: say what its ARNs look like`)
    return ARNS[Type] + nameOf(id)
  }

  return {
    ofType: (type) =>
      Object.fromEntries(
        Object.entries(resources)
          .filter(([, { Type }]) => Type === type)
          .map(([id, { Properties }]) => [id, fill(Properties) as Record<string, unknown>]),
      ),
  }
}
