// States of a state machine that run jobs of Batch, and the rights that they need.

import { Stack } from 'aws-cdk-lib'
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IConstruct } from 'constructs'
import type { JobName, MergeJob } from './merge-job.ts'
import { allow } from './rights.ts'

/** A state that starts a job and waits for its end; it fails where the job does. */
export function submitJob({ jobs, queue }: MergeJob, name: JobName, rest: object = {}): object {
  return {
    Type: 'Task',
    Resource: 'arn:aws:states:::batch:submitJob.sync',
    Arguments: {
      JobName: name,
      JobQueue: queue.jobQueueArn,
      JobDefinition: jobs[name].jobDefinitionArn,
      ...rest,
    },
  }
}

/** Step Functions learns of a job's end by a rule of this name. */
const RULE = 'StepFunctionsGetEventsForBatchJobsRule'

export function batchStatements(
  on: IConstruct,
  { jobs, queue }: MergeJob,
  names: readonly JobName[],
): PolicyStatement[] {
  const rule = Stack.of(on).formatArn({ service: 'events', resource: 'rule', resourceName: RULE })
  return [
    allow(['batch:SubmitJob'], [queue.jobQueueArn, ...names.map((name) => jobs[name].jobDefinitionArn)]),
    // These know no resources.
    allow(['batch:DescribeJobs', 'batch:TerminateJob'], ['*']),
    allow(['events:PutTargets', 'events:PutRule', 'events:DescribeRule'], [rule]),
  ]
}
