// What happens once: the table is made in the catalog and, where asked for, what the DynamoDB table held before its stream is brought in.
//
// A state machine starts after every deployment, and ends at once where the table stands. The order decides: an item of an export ranks
// below every record of the stream that was live at its time, so the stream comes first, with the forwarder behind it, and the export
// second. An execution that failed goes on where it stopped when it is redriven.

import { RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Rule } from 'aws-cdk-lib/aws-events'
import { SfnStateMachine } from 'aws-cdk-lib/aws-events-targets'
import { type PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import { DefinitionBody, LogLevel, QueryLanguage, StateMachine } from 'aws-cdk-lib/aws-stepfunctions'
import { Construct } from 'constructs'
import { batchStatements, submitJob } from './batch-states.ts'
import type { MergeJob } from './merge-job.ts'
import { urlOf } from './places.ts'
import { allow, RIGHTS, type Scope, statementsOf } from './rights.ts'

export interface BootstrapProps {
  /** `export`: turns on point-in-time recovery, exports the table, and brings the export in. */
  readonly from: 'empty' | 'export'
  readonly merge: MergeJob
  readonly tableArn: string
  readonly scope: Scope
}

const EXPORT_POLL_SECONDS = 60

export class Bootstrap extends Construct {
  readonly stateMachine: StateMachine

  constructor(scope: Construct, id: string, props: BootstrapProps) {
    super(scope, id)
    const stack = Stack.of(this)
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
      }),
    })
    for (const statement of rightsOf(this, props)) role.addToPrincipalPolicy(statement)
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      definitionBody: DefinitionBody.fromString(stack.toJsonString(states(props))),
      role,
      tracingEnabled: true,
      logs: {
        level: LogLevel.ALL,
        destination: new LogGroup(this, 'Logs', {
          logGroupName: `/aws/vendedlogs/states/${stack.stackName}-${this.node.id}`,
          retention: RetentionDays.ONE_MONTH,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      },
    })
    new Rule(this, 'AfterDeployment', {
      description: 'Makes the table after the first deployment',
      eventPattern: {
        source: ['aws.cloudformation'],
        detailType: ['CloudFormation Stack Status Change'],
        detail: {
          'stack-id': [stack.stackId],
          'status-details': { status: ['CREATE_COMPLETE', 'UPDATE_COMPLETE'] },
        },
      },
      targets: [new SfnStateMachine(this.stateMachine)],
    })
  }
}

function states(props: BootstrapProps): object {
  const { from, merge, scope } = props
  const { database, table } = scope.entry
  return {
    QueryLanguage: QueryLanguage.JSONATA,
    StartAt: 'FindTable',
    States: {
      FindTable: {
        Type: 'Task',
        Resource: 'arn:aws:states:::aws-sdk:glue:getTable',
        Arguments: { DatabaseName: database, Name: table },
        Catch: [{ ErrorEquals: ['Glue.EntityNotFoundException'], Next: 'MakeTable' }],
        Next: 'Done',
      },
      MakeTable: { ...submitJob(merge, 'init'), Next: from === 'export' ? 'TurnOnRecovery' : 'Done' },
      ...(from === 'export' && exportStates(props)),
      Done: { Type: 'Succeed' },
    },
  }
}

function exportStates({ merge, tableArn, scope: { places, key } }: BootstrapProps): object {
  const { bucket, prefix } = places.exports
  return {
    TurnOnRecovery: {
      Type: 'Task',
      Resource: 'arn:aws:states:::aws-sdk:dynamodb:updateContinuousBackups',
      Arguments: {
        TableName: tableArn,
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
      Next: 'NameStream',
    },
    NameStream: {
      Type: 'Task',
      Resource: 'arn:aws:states:::aws-sdk:dynamodb:describeTable',
      Arguments: { TableName: tableArn },
      Assign: { stream: '{% $states.result.Table.LatestStreamLabel %}' },
      Next: 'Export',
    },
    Export: {
      Type: 'Task',
      Resource: 'arn:aws:states:::aws-sdk:dynamodb:exportTableToPointInTime',
      Arguments: {
        TableArn: tableArn,
        S3Bucket: bucket.bucketName,
        S3Prefix: prefix.slice(0, -1),
        ExportFormat: 'DYNAMODB_JSON',
        ...(key === undefined ? { S3SseAlgorithm: 'AES256' } : { S3SseAlgorithm: 'KMS', S3SseKmsKeyId: key.keyArn }),
      },
      // Recovery takes a moment to be on.
      Retry: [
        {
          ErrorEquals: ['DynamoDb.PointInTimeRecoveryUnavailableException'],
          IntervalSeconds: 60,
          MaxAttempts: 10,
          BackoffRate: 1,
        },
      ],
      Assign: { exportArn: '{% $states.result.ExportDescription.ExportArn %}' },
      Next: 'Wait',
    },
    Wait: { Type: 'Wait', Seconds: EXPORT_POLL_SECONDS, Next: 'LookAtExport' },
    LookAtExport: {
      Type: 'Task',
      Resource: 'arn:aws:states:::aws-sdk:dynamodb:describeExport',
      Arguments: { ExportArn: '{% $exportArn %}' },
      Output: '{% $states.result.ExportDescription %}',
      Next: 'IsExported',
    },
    IsExported: {
      Type: 'Choice',
      Choices: [
        { Condition: "{% $states.input.ExportStatus = 'COMPLETED' %}", Next: 'Backfill' },
        { Condition: "{% $states.input.ExportStatus = 'IN_PROGRESS' %}", Next: 'Wait' },
      ],
      Default: 'ExportFailed',
    },
    ExportFailed: { Type: 'Fail', Error: 'ExportFailed', Cause: '{% $states.input.FailureMessage %}' },
    Backfill: {
      ...submitJob(merge, 'backfill', {
        Parameters: {
          export: `{% '${urlOf(places.exports)}AWSDynamoDB/' & $split($exportArn, '/')[-1] %}`,
          stream: '{% $stream %}',
        },
      }),
      Next: 'Done',
    },
  }
}

function rightsOf(on: Bootstrap, { from, merge, tableArn, scope }: BootstrapProps): PolicyStatement[] {
  const statements = [
    ...statementsOf(on, { s3: {}, glue: ['glue:GetTable'] }, { ...scope, key: undefined }),
    ...batchStatements(on, merge, from === 'export' ? ['init', 'backfill'] : ['init']),
  ]
  if (from === 'empty') return statements
  return [
    ...statements,
    ...statementsOf(on, RIGHTS.export, scope),
    allow(
      ['dynamodb:UpdateContinuousBackups', 'dynamodb:DescribeTable', 'dynamodb:ExportTableToPointInTime'],
      [tableArn],
    ),
    allow(['dynamodb:DescribeExport'], [`${tableArn}/export/*`]),
  ]
}
