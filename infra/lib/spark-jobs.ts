// Spark for what is too large for a worker: an application of EMR Serverless, which costs nothing while it has no job.
//
// The job's script is none of the deployment's: each worker brings its own.

import { InputError } from '@lastwrite/merge-core'
import { Stack } from 'aws-cdk-lib'
import { CfnApplication } from 'aws-cdk-lib/aws-emrserverless'
import { Effect, type IRole, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { allow, grant, RIGHTS, type Scope } from './rights.ts'

export interface EmrServerlessOptions {
  /** Of all jobs at a time, with 4 GB each; at least 16, a driver and three executors. What a merge may cost at most. */
  readonly vcpusMax: number
}

export interface SparkJobsProps extends EmrServerlessOptions {
  readonly scope: Scope
}

/** With Spark 3.5; spark/README.md of the worker says which it takes. */
const RELEASE = 'emr-7.13.0'
const VCPUS_MIN = 16
const GB_PER_VCPU = 4
/** A tick that follows finds it warm. */
const IDLE_MINUTES = 5
const SERVICE = 'emr-serverless.amazonaws.com'

export class SparkJobs extends Construct {
  /** What tells a worker to use it. */
  readonly environment: Readonly<Record<string, string>>
  readonly #application: CfnApplication
  readonly #role: Role

  constructor(scope: Construct, id: string, { scope: rights, vcpusMax }: SparkJobsProps) {
    super(scope, id)
    if (!(vcpusMax >= VCPUS_MIN))
      throw new InputError(`emrServerless: vcpusMax is ${vcpusMax}, but a job starts with ${VCPUS_MIN}: allow so many`)
    this.#application = new CfnApplication(this, 'Application', {
      name: `lastwrite-${rights.entry.database}-${rights.entry.table}`,
      type: 'SPARK',
      releaseLabel: RELEASE,
      architecture: 'ARM64',
      autoStartConfiguration: { enabled: true },
      autoStopConfiguration: { enabled: true, idleTimeoutMinutes: IDLE_MINUTES },
      maximumCapacity: { cpu: `${vcpusMax} vCPU`, memory: `${vcpusMax * GB_PER_VCPU} GB` },
    })
    this.#role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal(SERVICE, {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    })
    grant(this.#role, RIGHTS.spark, rights)
    this.environment = {
      LASTWRITE_EMR_APPLICATION: this.#application.ref,
      LASTWRITE_EMR_ROLE: this.#role.roleArn,
    }
  }

  /** Lets a role start jobs, ask for them and cancel them. */
  grantRun(grantee: IRole): void {
    const { attrArn } = this.#application
    const passRole = new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ['iam:PassRole'],
      resources: [this.#role.roleArn],
      conditions: { StringEquals: { 'iam:PassedToService': SERVICE } },
    })
    for (const statement of [
      allow(['emr-serverless:StartJobRun'], [attrArn]),
      allow(['emr-serverless:GetJobRun', 'emr-serverless:CancelJobRun'], [`${attrArn}/jobruns/*`]),
      passRole,
    ]) {
      grantee.addToPrincipalPolicy(statement)
    }
  }
}
