// The two stacks of a stage, in the account and region that the definition names.

import { fileURLToPath } from 'node:url'
import { parseTableDefinition } from '@lastwrite/merge-core'
import { type App, type Duration, type Environment, type Size, Stack } from 'aws-cdk-lib'
import { Platform } from 'aws-cdk-lib/aws-ecr-assets'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import type { Fleet } from './merge-job.ts'
import { PipelineStack } from './pipeline-stack.ts'
import type { EmrServerlessOptions } from './spark-jobs.ts'
import { StorageStack } from './storage-stack.ts'
import { streamByLabel } from './table-stream.ts'

export interface Stage {
  /** JSON text. */
  readonly definition: string
  /** LatestStreamLabel of `aws dynamodb describe-table`. */
  readonly streamLabel: string
  /** In Glue. */
  readonly database: string
  readonly freshness: Duration
  readonly from: 'empty' | 'export'
  /** Name of the SNS topic that alarms go to. */
  readonly alarmTopic?: string
  /** A key of its own for the buckets. */
  readonly ownKey?: boolean
  /** Of a worker. */
  readonly memory?: Size
  /** Several workers for one commit. */
  readonly fleet?: Fleet
  /** Spark for partitions that are too large for a worker. */
  readonly emrServerless?: EmrServerlessOptions
}

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

export function addStage(app: App, name: string, stage: Stage, image = workerImage()) {
  const { definition, alarmTopic, database, emrServerless, fleet, freshness, from, memory } = stage
  const parsed = parseTableDefinition(definition)
  const env = environmentOf(parsed.source)
  const { storage } = new StorageStack(app, `lastwrite-${name}-storage`, {
    env,
    database,
    landingDays: parsed.landingDays,
    ...(stage.ownKey && { key: 'new' }),
  })
  const pipeline = new PipelineStack(app, `lastwrite-${name}-pipeline`, {
    env,
    definition,
    stream: streamByLabel(parsed, stage.streamLabel),
    storage,
    image,
    freshness,
    from,
    ...(memory !== undefined && { memory }),
    ...(fleet !== undefined && { fleet }),
    ...(emrServerless !== undefined && { emrServerless }),
    ...(alarmTopic !== undefined && { alarmTopic }),
  })
  return { storage: Stack.of(storage), pipeline }
}

function environmentOf(source: string): Required<Environment> {
  const [account, region] = source.split('/') as [string, string]
  return { account, region }
}

/** Built where it is deployed, from the Dockerfile. */
function workerImage(): ContainerImage {
  return ContainerImage.fromAsset(REPOSITORY, {
    file: 'packages/batch-worker/Dockerfile',
    platform: Platform.LINUX_ARM64,
  })
}
