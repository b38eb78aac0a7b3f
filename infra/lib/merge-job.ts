// The worker in AWS Batch: a queue, one job definition for each set of rights, and what starts them.
//
// Where a job ends badly its exit code decides: the rules come from the worker itself. The worker stops by itself at a soft deadline, as
// a job that Batch ends at its timeout is never retried.

import { ATTEMPTS, EVALUATE_ON_EXIT, type ExitRule } from '@lastwrite/batch-worker/evaluate-on-exit'
import { InputError } from '@lastwrite/merge-core'
import { Aws, Duration, RemovalPolicy, Size, Stack } from 'aws-cdk-lib'
import {
  Action,
  EcsFargateContainerDefinition,
  EcsJobDefinition,
  FargateComputeEnvironment,
  JobQueue,
  Reason,
  RetryStrategy,
} from 'aws-cdk-lib/aws-batch'
import { Metric } from 'aws-cdk-lib/aws-cloudwatch'
import { type IVpc, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2'
import { type ContainerImage, CpuArchitecture, LogDriver } from 'aws-cdk-lib/aws-ecs'
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler'
import { Universal } from 'aws-cdk-lib/aws-scheduler-targets'
import { Construct } from 'constructs'
import { type PlaceName, urlOf } from './places.ts'
import { allow, grant, RIGHTS, type Scope } from './rights.ts'
import { type EmrServerlessOptions, SparkJobs } from './spark-jobs.ts'

export interface MergeJobProps {
  /** JSON text of the table's definition. */
  readonly definition: string
  readonly scope: Scope
  /** Of packages/batch-worker/Dockerfile, for arm64. */
  readonly image: ContainerImage
  /** Public subnets alone are needed, with a route to the internet and best with S3's gateway endpoint. */
  readonly vpc: IVpc
  /** Between two merges. */
  readonly every: Duration
  /** Of a merge; 1, 2, 4, 8 or 16, with what Fargate has for them. Default: 2 */
  readonly vcpus?: number
  /** Default: 4 GiB */
  readonly memory?: Size
  /** Default: true. A job that Spot takes back is started again, and what it had not committed is done again. */
  readonly spot?: boolean
  /** For a table too large for one worker: a plan is scheduled instead of a merge, and submits what there is to do. Default: none */
  readonly fleet?: Fleet
  /** Spark for partitions that take more memory or time than a worker has. Default: none */
  readonly emrServerless?: EmrServerlessOptions
}

export interface Fleet {
  /** How many workers share a commit, at most: 2 to 10,000. */
  readonly shards: number
  /** Of a worker that merges a shard. Default: as of the others, which must hold all changes of a commit */
  readonly memory?: Size
}

export type JobName = 'init' | 'merge' | 'maintain' | 'backfill' | 'replay'
export type FleetJobName = 'plan' | 'shard' | 'commit'

/** The worker ends by itself before its job is ended. */
const DEADLINE = { merge: Duration.minutes(50), long: Duration.hours(11) }
const TO_STOP = Duration.minutes(5)
/** Of an array job of Batch. */
const ARRAY_SIZE_MAX = 10_000
const DAILY = ScheduleExpression.cron({ hour: '3', minute: '40' })

export class MergeJob extends Construct {
  readonly queue: JobQueue
  readonly jobs: Readonly<Record<JobName, EcsJobDefinition>>
  readonly fleet: Readonly<Record<FleetJobName, EcsJobDefinition>> | undefined
  readonly every: Duration
  /** `glue:database.table` */
  readonly table: string
  readonly #props: MergeJobProps
  readonly #executionRole: Role
  readonly #logGroup: LogGroup

  constructor(scope: Construct, id: string, props: MergeJobProps) {
    super(scope, id)
    this.#props = props
    const { every, fleet, spot = true, vpc } = props
    const { entry } = props.scope
    this.every = every
    this.table = `glue:${entry.database}.${entry.table}`
    this.#logGroup = new LogGroup(this, 'Logs', {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.#executionRole = this.taskRole('ExecutionRole')
    this.queue = new JobQueue(this, 'Queue', {
      computeEnvironments: [
        {
          order: 1,
          computeEnvironment: new FargateComputeEnvironment(this, 'Fargate', {
            vpc,
            vpcSubnets: { subnetType: SubnetType.PUBLIC },
            securityGroups: [
              new SecurityGroup(this, 'NothingComesIn', { vpc, description: 'Workers ask and are not asked' }),
            ],
            spot,
            maxvCpus: (4 + (fleet?.shards ?? 0)) * this.vcpus,
          }),
        },
      ],
    })
    const landing = ['landing'] as const
    if (fleet !== undefined && props.emrServerless !== undefined)
      throw new InputError(`${this.table}: a fleet gives nothing to Spark; choose fleet or emrServerless`)
    const spark = props.emrServerless && new SparkJobs(this, 'Spark', { ...props.emrServerless, scope: props.scope })
    this.jobs = {
      init: this.job('init', ['init', this.table, '--state', this.url('state')], DEADLINE.merge, {
        LASTWRITE_DEFINITION: props.definition,
      }),
      merge: this.job('merge', ['merge', this.table, '--skip-if-running'], DEADLINE.merge, {
        ...this.prefixes(landing),
        ...spark?.environment,
      }),
      maintain: this.job('maintain', ['maintain', this.table], DEADLINE.long, this.prefixes(landing)),
      backfill: this.job(
        'backfill',
        ['backfill', this.table, '--export', 'Ref::export', '--stream', 'Ref::stream'],
        DEADLINE.long,
      ),
      replay: this.job('replay', ['replay', this.table], DEADLINE.merge, {
        ...this.prefixes(landing),
        LASTWRITE_ERRORS: `${this.url('errors')},${this.url('onFailure')}`,
      }),
    }
    spark?.grantRun(this.jobs.merge.container.jobRole!)
    this.mayListJobs(this.jobs.merge)
    this.fleet = fleet && this.fleetJobs(fleet)
    const rate = ScheduleExpression.rate(every)
    if (this.fleet === undefined) this.schedule('merge', this.jobs.merge, rate)
    else this.schedule('plan', this.fleet.plan, rate)
    this.schedule('maintain', this.jobs.maintain, DAILY)
  }

  get vcpus(): number {
    return this.#props.vcpus ?? 2
  }

  /** What merges tell of the table in CloudWatch. */
  metric(metricName: 'OldestUnmergedAge' | 'LinesQuarantined', statistic: string): Metric {
    const dimensionsMap = { Table: (JSON.parse(this.#props.definition) as { table: string }).table }
    return new Metric({ namespace: 'lastwrite', metricName, dimensionsMap, statistic })
  }

  private fleetJobs({ shards, memory }: Fleet): Record<FleetJobName, EcsJobDefinition> {
    if (!Number.isInteger(shards) || shards < 2 || shards > ARRAY_SIZE_MAX)
      throw new InputError(
        `${this.table}: fleet.shards is ${shards}, but an array job has 2 to ${ARRAY_SIZE_MAX} children`,
      )
    const shard = this.job('shard', ['merge', '--shard', 'Ref::plan', '--no-commit'], DEADLINE.merge, {}, memory)
    const commit = this.job('commit', ['commit', 'Ref::plan'], DEADLINE.merge)
    const plan = this.job('plan', ['plan', this.table, '--submit', '--skip-if-running'], DEADLINE.merge, {
      ...this.prefixes(['landing']),
      LASTWRITE_SHARDS: String(shards),
      LASTWRITE_SHARD_JOB: shard.jobDefinitionArn,
      LASTWRITE_COMMIT_JOB: commit.jobDefinitionArn,
    })
    this.mayListJobs(plan)
    const submitted = [shard, commit].map(({ jobDefinitionArn }) => jobDefinitionArn)
    plan.container.jobRole!.addToPrincipalPolicy(allow(['batch:SubmitJob'], [this.queue.jobQueueArn, ...submitted]))
    return { plan, shard, commit }
  }

  /** So that a scheduled run leaves the work to one that is under way. */
  private mayListJobs({ container }: EcsJobDefinition): void {
    container.jobRole!.addToPrincipalPolicy(allow(['batch:ListJobs'], ['*']))
  }

  private job(
    name: JobName | FleetJobName,
    command: readonly string[],
    deadline: Duration,
    environment: Readonly<Record<string, string>> = {},
    memory = this.#props.memory ?? Size.gibibytes(4),
  ): EcsJobDefinition {
    const { image, scope: rights } = this.#props
    const jobRole = this.taskRole(`${capitalized(name)}Role`)
    grant(jobRole, RIGHTS[name], rights)
    return new EcsJobDefinition(this, capitalized(name), {
      retryAttempts: ATTEMPTS,
      retryStrategies: EVALUATE_ON_EXIT.map(retryStrategy),
      timeout: deadline.plus(TO_STOP),
      container: new EcsFargateContainerDefinition(this, `${capitalized(name)}Container`, {
        image,
        command: [...command],
        environment: {
          LASTWRITE_BUCKET_OWNER: Aws.ACCOUNT_ID,
          LASTWRITE_DEADLINE: `${deadline.toMinutes()}m`,
          LASTWRITE_LOG: 'json',
          ...environment,
        },
        cpu: this.vcpus,
        memory,
        fargateCpuArchitecture: CpuArchitecture.ARM64,
        assignPublicIp: true,
        readonlyRootFilesystem: true,
        jobRole,
        executionRole: this.#executionRole,
        logging: LogDriver.awsLogs({ streamPrefix: name, logGroup: this.#logGroup }),
      }),
    })
  }

  private schedule(name: string, { jobDefinitionArn }: EcsJobDefinition, schedule: ScheduleExpression): void {
    const { jobQueueArn } = this.queue
    new Schedule(this, `${capitalized(name)}Schedule`, {
      schedule,
      description: `lastwrite ${name} ${this.table}`,
      target: new Universal({
        service: 'batch',
        action: 'submitJob',
        policyStatements: [allow(['batch:SubmitJob'], [jobDefinitionArn, jobQueueArn])],
        input: ScheduleTargetInput.fromObject({
          JobName: name,
          JobQueue: jobQueueArn,
          JobDefinition: jobDefinitionArn,
        }),
        // The next one does what this one would have done.
        maxEventAge: Duration.minutes(5),
        retryAttempts: 2,
      }),
    })
  }

  private taskRole(id: string): Role {
    return new Role(this, id, {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    })
  }

  private prefixes(names: readonly PlaceName[]): { LASTWRITE_LANDING: string } {
    return { LASTWRITE_LANDING: names.map((name) => this.url(name)).join(',') }
  }

  private url(name: PlaceName): string {
    return urlOf(this.#props.scope.places[name])
  }
}

function retryStrategy({ action, ...on }: ExitRule): RetryStrategy {
  return RetryStrategy.of(Action[action], Reason.custom(on))
}

function capitalized(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1)
}
