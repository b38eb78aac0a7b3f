// What somebody must know of, and no more: each alarm says what is wrong, and docs/operations.md what to do.
//
// Left out, and why:
//   Lambda errors and throttles, Firehose throttles: tried again; what does not pass shows as the age of the stream's iterator
//   batches that failed in part: no error to Lambda, and tried again; what is given up counts as set aside
//   jobs that Spot took back, and exit code 10: started again; what goes on so shows as the age of what is not merged
//   Firehose's error prefix: with nothing to convert it holds only what S3 refused for a day, and the freshness tells that first
//   what queries read: the workgroup ends a query at its limit

import { ArnFormat, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Alarm, type AlarmProps, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { type IRuleTarget, Match, Rule } from 'aws-cdk-lib/aws-events'
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, ResourcePolicy, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct } from 'constructs'
import type { ChangeCapture } from './change-capture.ts'
import type { Delivery } from './delivery.ts'
import type { MergeJob } from './merge-job.ts'

export interface AlarmsProps {
  readonly capture: ChangeCapture
  readonly delivery: Delivery
  readonly merge: MergeJob
  /** What the age of a change in the table should stay below. */
  readonly freshness: Duration
  /** Where alarms go. */
  readonly notify: ITopic | 'nobody'
}

/** How many times the goal something must lag before somebody is told. */
const PATIENCE = 4
const FIX_INPUT = 20
const DAMAGED = 21

type AlarmName =
  | 'StreamBehind'
  | 'RecordsSetAside'
  | 'RecordsDropped'
  | 'DeliveryBehind'
  | 'MergeBehind'
  | 'LinesQuarantined'
  | 'JobsNeedInput'
  | 'ObjectsDamaged'
  | 'JobsFailed'

export class Alarms extends Construct {
  readonly #props: AlarmsProps
  #failedJobs: IRuleTarget | undefined

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id)
    this.#props = props
    const { capture, delivery, merge, freshness } = props
    const lateSeconds = PATIENCE * freshness.toSeconds()
    this.alarm('StreamBehind', 'Changes wait in the DynamoDB stream, which forgets them after 24 hours.', {
      metric: capture.metricIteratorAge(),
      threshold: lateSeconds * 1000,
    })
    this.alarm('RecordsSetAside', 'Stream records could not be forwarded and wait for a replay.', {
      metric: capture.metricEvents('OnFailureDestinationDeliveredEventCount'),
      threshold: 1,
    })
    this.alarm('RecordsDropped', 'Stream records are lost: neither forwarded nor set aside.', {
      metric: capture.metricEvents('DroppedEventCount'),
      threshold: 1,
    })
    this.alarm('DeliveryBehind', 'Records wait in Firehose, which gives up after 24 hours.', {
      metric: delivery.metricFreshness(),
      threshold: lateSeconds,
    })
    this.alarm('MergeBehind', 'Landing objects are not merged, or no merge has told.', {
      metric: merge.metric('OldestUnmergedAge', 'Maximum'),
      threshold: lateSeconds,
      // Silence is what a stopped schedule sounds like.
      treatMissingData: TreatMissingData.BREACHING,
      period: Duration.seconds(Math.max(lateSeconds, Duration.minutes(15).toSeconds())),
    })
    this.alarm('LinesQuarantined', 'Landed lines could not be merged and wait for a replay.', {
      metric: merge.metric('LinesQuarantined', 'Sum'),
      threshold: 1,
    })
    // A definition is wrong every time; the first merges may come before the table is made.
    this.failures('JobsNeedInput', 'Jobs end with 20: an input, the definition or a right is wrong.', [FIX_INPUT], 3)
    this.failures('ObjectsDamaged', 'A job ended with 21: a stored object is damaged.', [DAMAGED])
    const others = [Match.anythingBut(0, FIX_INPUT, DAMAGED), Match.doesNotExist()].flat()
    this.failures('JobsFailed', 'A job failed: a defect, too little memory, its timeout, or all tries used up.', others)
  }

  private failures(name: AlarmName, what: string, exitCode: readonly (number | string)[], periods = 1): void {
    const { merge } = this.#props
    const rule = new Rule(this, `${name}Rule`, {
      description: what,
      eventPattern: {
        source: ['aws.batch'],
        detailType: ['Batch Job State Change'],
        detail: { status: ['FAILED'], jobQueue: [merge.queue.jobQueueArn], container: { exitCode } },
      },
      targets: [this.failedJobs()],
    })
    this.alarm(name, what, {
      metric: new Metric({
        namespace: 'AWS/Events',
        metricName: 'MatchedEvents',
        dimensionsMap: { RuleName: rule.ruleName },
        statistic: 'Sum',
      }),
      threshold: 1,
      evaluationPeriods: periods,
      period: Duration.seconds(Math.max(merge.every.toSeconds(), Duration.minutes(5).toSeconds())),
    })
  }

  /** Failed jobs are kept for a month with what Batch says of them, longer than Batch does. */
  private failedJobs(): IRuleTarget {
    if (this.#failedJobs !== undefined) return this.#failedJobs
    const stack = Stack.of(this)
    const logs = new LogGroup(this, 'FailedJobs', {
      logGroupName: `/aws/events/${stack.stackName}-failed-jobs`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    new ResourcePolicy(this, 'EventsMayLog', {
      policyStatements: [
        new PolicyStatement({
          principals: [
            new ServicePrincipal('events.amazonaws.com'),
            new ServicePrincipal('delivery.logs.amazonaws.com'),
          ],
          actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
          resources: [logs.logGroupArn],
        }),
      ],
    })
    const arn = stack.formatArn({
      service: 'logs',
      resource: 'log-group',
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      resourceName: logs.logGroupName,
    })
    this.#failedJobs = { bind: () => ({ arn }) }
    return this.#failedJobs
  }

  private alarm(
    name: AlarmName,
    what: string,
    {
      metric,
      period = Duration.minutes(5),
      ...props
    }: Partial<AlarmProps> & {
      readonly metric: Metric
      readonly threshold: number
      readonly period?: Duration
    },
  ): void {
    const { notify } = this.#props
    const alarm = new Alarm(this, name, {
      alarmDescription: `${what} See docs/operations.md, ${name}.`,
      metric: metric.with({ period }),
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...props,
    })
    if (notify === 'nobody') return
    alarm.addAlarmAction(new SnsAction(notify))
    alarm.addOkAction(new SnsAction(notify))
  }
}
