// From a write to DynamoDB to a row of the table, whatever Lambda and Firehose do on the way: npm run e2e [-- --seeds 10 --writes 50000]
//
// Each seed is a table of its own (run-seed.ts). A seed that fails is named; `--first <seed> --seeds 1` runs it alone.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundleForwarder } from '../../../scripts/bundle-forwarder.ts'
import { openEngines } from '../../merge-core/interop/parts.ts'
import { startS3 } from '../../merge-core/interop/s3-servers.ts'
import { startDynamoDBLocal } from '../src/dynamodb-local.ts'
import { percentile } from './freshness.ts'
import { runSeed, type SeedReport } from './run-seed.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    /** Of each seed. */
    writes: { type: 'string', default: '5000' },
    first: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
})
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.first) + i)
const writes = Number(values.writes)

const folder = mkdtempSync(join(tmpdir(), 'lastwrite-e2e-'))
const bundle = join(folder, 'forwarder')
await bundleForwarder(bundle)
const failed: number[] = []
const freshness: number[] = []
const stops: (() => Promise<void>)[] = []
try {
  const dynamodb = await startDynamoDBLocal()
  stops.push(dynamodb.stop)
  const s3 = await startS3('versitygw')
  stops.push(s3.stop)
  const engines = openEngines({ warehouse: folder })
  stops.push(engines.close)
  for (const seed of seeds) {
    const parts = { dynamodb, s3, engines, bundle: join(bundle, 'handler.mjs'), folder }
    const report = await runSeed(seed, writes, parts).catch((cause) => {
      throw new Error(`seed ${seed} did not come to its end`, { cause })
    })
    print(seed, report)
    freshness.push(...report.freshnessMs)
    if (report.wrong.length > 0) failed.push(seed)
  }
} finally {
  await Promise.all(stops.map((stop) => stop()))
  if (values.keep) console.log(`the tables are in ${folder}`)
  else rmSync(folder, { recursive: true })
}
const total = `${seeds.length} seeds of ${writes.toLocaleString('en-US')} writes`
console.log(`\n${total}: ${failed.length === 0 ? 'every table equals its Scan' : `seeds ${failed.join(', ')} FAILED`}`)
console.log(`write to visible: ${percentiles(freshness.sort((a, b) => a - b))} (buffers of 1 s, merges 2 s apart)`)
process.exitCode = failed.length === 0 ? 0 : 1

function print(seed: number, { capture, comparison, wrong, ...report }: SeedReport): void {
  const { log, firehose, source, onFailure } = capture
  const { counts, delivered } = firehose
  const kinds = Object.entries(report.kinds).map(([kind, count]) => `${kind} ${count}`)
  console.log(
    `seed ${seed}, ${report.shape}: ${wrong.length === 0 ? 'equal' : 'FAILED'} in ${report.seconds.toFixed(0)} s`,
  )
  console.log(`  written     ${kinds.sort().join(', ')}: ${log.changes.length} changes`)
  console.log(
    `  function    ${source.invocations} calls, ${source.failures} failed, ${report.kills} killed; ${onFailure.length} to on-failure`,
  )
  console.log(
    `  firehose    ${counts.calls} calls, ${counts.failedRecords} records failed, ${counts.ambiguousCalls} answers lost; ` +
      `${delivered.length} objects, ${counts.duplicates} twice, ${counts.late} late, ${counts.errors} to the error prefix`,
  )
  console.log(
    `  merged      ${report.lines} lines in ${report.merges} merges; ${comparison.rows} rows, ${comparison.items} items`,
  )
  console.log(`  visible     ${percentiles(report.freshnessMs)}`)
  for (const sentence of wrong) console.log(`  WRONG       ${sentence}`)
}

function percentiles(sorted: readonly number[]): string {
  const seconds = (share: number) => `${(percentile(sorted, share) / 1000).toFixed(1)} s`
  return `p50 ${seconds(0.5)}, p99 ${seconds(0.99)}`
}
