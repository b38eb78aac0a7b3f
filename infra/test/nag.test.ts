import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import { AwsSolutionsChecks } from 'cdk-nag'
import { expect, it } from 'vitest'
import { addStage } from '../lib/stage.ts'
import { FLEET, IMAGE, STAGE, unbundledApp } from './synthesized.ts'

/** What the rules of AwsSolutions find and we leave as it is, with the reason. Findings name constructs. */
const LEFT: readonly { readonly finding: RegExp; readonly where: RegExp; readonly why: string }[] = [
  {
    finding: /^AwsSolutions-S1$/,
    where: /Storage\/(Landing|Tables)\/Resource$/,
    why: 'a log of each request costs more than the requests; an account that wants one has CloudTrail, which tells identities as well',
  },
  {
    finding: /^AwsSolutions-VPC7$/,
    where: /Network\/Resource$/,
    why: 'nothing listens in the network, and what leaves it is our own; whoever wants flow logs gives a network of theirs',
  },
  {
    finding:
      /\[Resource::<Storage(Landing|Tables)\w+\.Arn>\/(landing|errors|oversize|exports|athena-results)?(_lastwrite)?\/?orders\/((probe|staging|data)\/)?\*\]$/,
    where: /./,
    why: 'objects are named by whoever writes them: a right holds below a prefix of one table',
  },
  {
    finding: /\[Resource::<StorageLanding\w+\.Arn>\/aws\/lambda\/(<\w+EventSource\w+>\/)?\*\]$/,
    where: /(ChangeCapture|ReplayRole)/,
    why: 'Lambda names what it sets aside, by an event source that is made after the role',
  },
  {
    finding: /\/orders\/(data|staging)\/\*\/_temporary\*\]$/,
    where: /Spark\/Role/,
    why: 'the committer of Spark takes its own unfinished files away, below folders that a job names, and nothing else',
  },
  {
    finding: /\[Resource::<\w+SparkApplication\w+\.Arn>\/jobruns\/\*\]$/,
    where: /MergeJob\/MergeRole/,
    why: 'runs of jobs get their names when they are started',
  },
  {
    finding: /\[Resource::arn:aws:dynamodb:[^*]*:table\/orders\/(stream|export)\/\*\]$/,
    where: /(ChangeCapture|Bootstrap)/,
    why: 'streams and exports of one table, which get their names when they are made',
  },
  {
    finding: /\[Resource::\*\]$/,
    where: /(MergeJob\/(Merge|Plan)Role|Bootstrap\/Role)/,
    why: 'batch:ListJobs, DescribeJobs and TerminateJob, X-Ray and log deliveries know no resources',
  },
]

it('the stacks, with all that they can have, keep the rules of AwsSolutions, or say here why not', () => {
  const app = unbundledApp()
  for (const [name, option] of Object.entries({ fleet: { fleet: FLEET }, spark: { emrServerless: { vcpusMax: 100 } } }))
    addStage(app, name, { ...STAGE, ...option }, ContainerImage.fromRegistry(IMAGE))
  const { violations } = new AwsSolutionsChecks(app).validate({ appConstruct: app, templatePaths: [] } as never)
  const found = violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map((resource) => ({ ruleName, path: (resource as { constructPath?: string }).constructPath! })),
  )
  const left = ({ finding, where }: (typeof LEFT)[number]) =>
    found.filter(({ ruleName, path }) => finding.test(ruleName) && where.test(path))
  expect(found.filter((one) => !LEFT.some((rule) => left(rule).includes(one)))).toEqual([])
  expect(LEFT.filter((rule) => left(rule).length === 0)).toEqual([])
})
