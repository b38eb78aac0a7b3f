// A stage as its templates, made once for a file of tests.

import { readFileSync } from 'node:fs'
import { App, Duration, Size } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import type { Fleet } from '../lib/merge-job.ts'
import { addStage, type Stage } from '../lib/stage.ts'

export const IMAGE = '123456789012.dkr.ecr.eu-west-1.amazonaws.com/lastwrite:1'

export const STAGE: Stage = {
  definition: readFileSync(new URL('../example/orders.table.json', import.meta.url), 'utf8'),
  streamLabel: '2026-11-22T08:00:00.000',
  database: 'shop',
  freshness: Duration.minutes(10),
  from: 'export',
  alarmTopic: 'on-call',
  ownKey: true,
  memory: Size.gibibytes(8),
}

/** What a stage of a large table has beside. */
export const FLEET: Fleet = { shards: 16, memory: Size.gibibytes(4) }

/** Without the bundle of the function, whose making takes seconds. */
export function unbundledApp(): App {
  return new App({ context: { 'aws:cdk:bundling-stacks': [] } })
}

export function stageTemplates(changes: Partial<Stage> = {}): { storage: Template; pipeline: Template } {
  const { storage, pipeline } = addStage(
    unbundledApp(),
    'test',
    { ...STAGE, ...changes },
    ContainerImage.fromRegistry(IMAGE),
  )
  return { storage: Template.fromStack(storage), pipeline: Template.fromStack(pipeline) }
}
