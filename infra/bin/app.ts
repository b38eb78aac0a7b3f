// Stages, and what differs between them: node bin/app.ts writes their templates into cdk.out.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { App, Duration, Size } from 'aws-cdk-lib'
import { addStage } from '../lib/stage.ts'

const app = new App({ outdir: join(import.meta.dirname, '..', 'cdk.out') })

const orders = {
  definition: readFileSync(join(import.meta.dirname, '..', 'example', 'orders.table.json'), 'utf8'),
  streamLabel: '2026-11-22T08:00:00.000',
}
addStage(app, 'dev', {
  ...orders,
  database: 'shop_dev',
  freshness: Duration.minutes(30),
  from: 'empty',
})
addStage(app, 'prod', {
  ...orders,
  database: 'shop',
  freshness: Duration.minutes(10),
  from: 'export',
  alarmTopic: 'on-call',
  ownKey: true,
  memory: Size.gibibytes(8),
})

app.synth()
