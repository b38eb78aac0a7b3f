// Everything of a table that can be deleted and deployed again.

import { CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib'
import { GatewayVpcEndpointAwsService, type IVpc, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import { LastwriteTable, type LastwriteTableProps } from './lastwrite-table.ts'

export interface PipelineStackProps extends StackProps, Omit<LastwriteTableProps, 'vpc' | 'notify'> {
  /** Name of an SNS topic of this account and region that alarms go to. Default: nobody is told */
  readonly alarmTopic?: string
  /** Default: one of its own */
  readonly vpc?: IVpc
}

export class PipelineStack extends Stack {
  readonly table: LastwriteTable

  constructor(scope: Construct, id: string, props: PipelineStackProps) {
    super(scope, id, props)
    const { alarmTopic, vpc = this.network() } = props
    const notify = alarmTopic === undefined ? 'nobody' : this.topic(alarmTopic)
    this.table = new LastwriteTable(this, 'Table', { ...props, vpc, notify })
    const { bootstrap, catalog, merge } = this.table
    new CfnOutput(this, 'Queue', { value: merge.queue.jobQueueName })
    new CfnOutput(this, 'BootstrapStateMachine', { value: bootstrap.stateMachine.stateMachineArn })
    new CfnOutput(this, 'Workgroup', { value: catalog.workgroup.ref })
    new CfnOutput(this, 'ReadersPolicy', { value: catalog.readers.managedPolicyArn })
    for (const [name, job] of Object.entries({ ...merge.jobs, ...merge.fleet })) {
      new CfnOutput(this, `Job-${name}`, { value: job.jobDefinitionArn })
    }
  }

  /** By name and at deployment: the zones of an account are not looked up when the template is made. */
  override get availabilityZones(): string[] {
    return [0, 1].map((i) => Fn.select(i, Fn.getAzs()))
  }

  private topic(name: string): ITopic {
    return Topic.fromTopicArn(this, 'AlarmTopic', this.formatArn({ service: 'sns', resource: name }))
  }

  /** Public subnets, so that nobody pays for a NAT gateway. What is read and written goes through the gateway of S3. */
  private network(): IVpc {
    return new Vpc(this, 'Network', {
      maxAzs: 2,
      natGateways: 0,
      subnetConfiguration: [{ name: 'workers', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false }],
      restrictDefaultSecurityGroup: false,
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    }) as IVpc
  }
}
