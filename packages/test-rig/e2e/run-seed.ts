// One run of the whole way: random writes to a table, its stream through the forwarder and Firehose to landing objects, merges while
// all of that goes on, and at the end the table against a Scan.
//
// On the way records and calls of Firehose fail, objects come twice, late and in any order, Firehose is down for a while, execution
// environments are killed at work, and one record is poison to the function until it is replayed.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MergeReport, VerifyReport } from '@lastwrite/merge-core'
import { LASTWRITE, runProcess } from '../../batch-worker/test/run-lastwrite.ts'
import type { Engines } from '../../merge-core/interop/parts.ts'
import type { S3Server } from '../../merge-core/interop/s3-servers.ts'
import { randomFrom } from '../../merge-core/test/random-from.ts'
import type { DynamoDBLocal } from '../src/dynamodb-local.ts'
import { type ExportContent, writeExport } from '../src/export-writer.ts'
import { CANARY, COLUMNS } from '../src/random-items.ts'
import { writeRandomly } from '../src/random-writes.ts'
import { WRITE_ATTRIBUTE } from '../src/write-log.ts'
import { ACCOUNT, type Capture, FAULTS, REGION, startCapture } from './capture.ts'
import { type Comparison, compareTable } from './compare-table.ts'
import { freshnessMs, type MergeTimes, sequencesOf } from './freshness.ts'

export interface Parts {
  readonly dynamodb: DynamoDBLocal
  readonly s3: S3Server
  readonly engines: Engines
  /** Path of the forwarder's bundle. */
  readonly bundle: string
  /** For the tables. */
  readonly folder: string
}

export interface SeedReport {
  readonly shape: string
  readonly seconds: number
  /** How many writes of each kind. */
  readonly kinds: Readonly<Record<string, number>>
  readonly capture: Capture
  readonly kills: number
  readonly merges: number
  /** Lines that merges read. */
  readonly lines: number
  readonly freshnessMs: readonly number[]
  readonly comparison: Comparison
  /** Sentences about what should hold, and does not. */
  readonly wrong: readonly string[]
}

/** Tables differ in how they are partitioned, what they do with removals by TTL, and which form of line lands. */
const SHAPES = [
  { name: 'by key', partition: 'bucket(pk, 4)', onTtl: 'remove', passThrough: false },
  { name: 'by region, which moves', partition: 'identity(region)', onTtl: 'remove', passThrough: false },
  { name: 'by key, expired items kept', partition: 'bucket(pk, 4)', onTtl: 'keep', passThrough: false },
  { name: 'by region, raw records', partition: 'identity(region)', onTtl: 'remove', passThrough: true },
] as const

const WRITERS = 8
const MERGE_EVERY_MS = 2_000
const KILL_EVERY_MS = 1_500
const DOWN_MS_MAX = 30_000
const LIMPING_MS = 12_000
const STALLED_MS = 300_000

export async function runSeed(seed: number, writes: number, parts: Parts): Promise<SeedReport> {
  const startedMs = performance.now()
  const random = randomFrom(seed)
  const shape = SHAPES[seed % SHAPES.length]!
  const tableName = `orders-${seed}`
  const capture = await startCapture({ ...parts, seed, tableName, passThrough: shape.passThrough })
  const { log, firehose, forwarder, source, bucket, onFailure } = capture
  const table = await openTable(join(parts.folder, `seed-${seed}`), parts.s3, bucket, {
    table: tableName,
    source: `${ACCOUNT}/${REGION}`,
    key: ['pk', 'sk'],
    columns: { pk: 'string', sk: 'number', ...COLUMNS },
    partition_by: [shape.partition],
    on_ttl: shape.onTtl,
  })

  const deliveries = every(100, firehose.deliverDue)
  const merging = every(MERGE_EVERY_MS, table.merge)
  let kills = 0
  const killing = every(KILL_EVERY_MS, async () => {
    await sleep(random() * KILL_EVERY_MS)
    if (forwarder.killOne(random)) kills++
  })
  const outage = takeDown(capture, writes * 0.4)
  const halfway = written(capture, writes * 0.5).then(() => Date.now())
  const keys = Math.max(40, Math.ceil(writes / 8))
  const kinds = await writeRandomly({ ...parts, tableName, log, random, writes: writes - 1, writers: WRITERS, keys })
  const poison = await writePoison(parts.dynamodb, tableName, capture)
  await outage
  await killing.stop()
  await allTakenCareOf(capture)
  await merging.stop()
  await deliveries.stop()
  await firehose.flush()
  await table.merge()
  const before = await compareTable(parts.engines, table.folder, parts.dynamodb, tableName)
  await table.replay()
  const { lines } = await table.merge()
  const comparison = await compareTable(parts.engines, table.folder, parts.dynamodb, tableName)
  const timeMs = await halfway
  const verified = await table.verify({ type: 'full', items: log.itemsAt(timeMs), timeMs })
  await capture.stop()

  const poisoned = log.changes
    .filter(({ item }) => item?.[WRITE_ATTRIBUTE]?.N === poison)
    .map(({ sequence }) => sequence)
  const givenUp = onFailure.flatMap(({ payload }) => sequencesOf(payload))
  const arrived = new Set([...givenUp, ...firehose.delivered.flatMap(({ content }) => sequencesOf(content))])
  const lost = log.changes.filter(({ sequence }) => !arrived.has(sequence)).length
  const checks: [boolean, string][] = [
    // A later change of the same key would hide it from the comparison.
    [lost === 0, `${lost} changes arrived nowhere`],
    [
      comparison.different.length === 0,
      `${comparison.different.length} keys differ: ${comparison.different.slice(0, 5)}`,
    ],
    [source.done === log.acknowledged, `of ${log.acknowledged} changes ${source.done} were taken care of`],
    [
      String(givenUp) === String(poisoned),
      `the on-failure destination holds ${givenUp}, the poison record is ${poisoned}`,
    ],
    [before.different.some((key) => key.includes(POISON_KEY)), 'the poison record was merged before it was replayed'],
    [verified.exitCode === 0, `an export of the time halfway differs: ${JSON.stringify(verified)}`],
    [lines.quarantined === 0, `the last merge quarantined ${lines.quarantined} lines`],
    [table.merges.every((report) => report.lines.quarantined === 0), 'a merge quarantined lines'],
    [!forwarder.log.includes(CANARY), 'the log of the function holds what items hold'],
    [new Set(log.changes.map(({ sequence }) => sequence.length)).size > 1, 'all sequence numbers are of one length'],
  ]
  return {
    shape: shape.name,
    seconds: (performance.now() - startedMs) / 1000,
    kinds,
    capture,
    kills,
    merges: table.merges.length,
    lines: table.merges.reduce((sum, report) => sum + report.lines.read, 0),
    freshnessMs: freshnessMs(log.changes, firehose.delivered, table.merges),
    comparison,
    wrong: checks.flatMap(([holds, otherwise]) => (holds ? [] : [otherwise])),
  }
}

interface Definition {
  readonly table: string
  readonly source: string
  readonly [rest: string]: unknown
}

/** Makes the table; merges and replays by the command line, each in a process of its own. */
async function openTable(folder: string, s3: S3Server, bucket: string, definition: Definition) {
  const merges: (MergeReport & MergeTimes)[] = []
  const { table: name, source } = definition
  const [table, landing] = [join(folder, 'orders'), `${bucket}/landing/`]
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'orders.table.json'), JSON.stringify(definition))
  await lastwrite('init', table, '--definition', 'orders.table.json', '--no-fsync')
  return {
    folder: table,
    merges,
    async merge(): Promise<MergeReport> {
      const startMs = Date.now()
      const report: MergeReport = await lastwrite('merge', table, '--landing', landing, '--no-fsync')
      merges.push({ ...report, startMs, endMs: Date.now() })
      return report
    },
    async replay(): Promise<void> {
      const errors = ['errors', 'on-failure'].flatMap((prefix) => ['--errors', `${bucket}/${prefix}/`])
      await lastwrite('replay', table, ...errors, '--landing', landing)
    },
    async verify(content: ExportContent): Promise<VerifyReport> {
      const { prefix } = await writeExport(content, { folder, table: name, source })
      return lastwrite('verify', table, '--against', join(folder, prefix), '--landing', landing, '--now')
    },
  }

  async function lastwrite(...words: string[]) {
    const { code, stdout, stderr } = await runProcess(
      process.execPath,
      [LASTWRITE, ...words, '--json'],
      folder,
      s3.environment,
    )
    if (code !== 0 && words[0] !== 'verify')
      throw new Error(`lastwrite ${words.join(' ')} ended with ${code}: ${stderr}`)
    return JSON.parse(stdout)
  }
}

/** Once so many changes are written Firehose is down, until many wait for it, and then takes little for a while. */
async function takeDown(capture: Capture, changes: number): Promise<void> {
  const { firehose, log, source } = capture
  await written(capture, changes)
  firehose.setFaults({ unavailableCalls: 1 })
  const endMs = Date.now() + DOWN_MS_MAX
  while (log.acknowledged - source.done < changes / 2 && Date.now() < endMs) await sleep(50)
  firehose.setFaults({ ...FAULTS, failedRecords: 0.9 })
  await sleep(LIMPING_MS)
  firehose.setFaults(FAULTS)
}

async function written({ log }: Capture, changes: number): Promise<void> {
  while (log.acknowledged < changes) await sleep(50)
}

const POISON_KEY = 'poison'

/** Puts an item that is written no more, and whose record the function cannot take. */
async function writePoison(dynamodb: DynamoDBLocal, TableName: string, { log, poison }: Capture): Promise<string> {
  const write = log.nextWrite()
  poison(write)
  const Item = { pk: { S: POISON_KEY }, sk: { N: '0' }, [WRITE_ATTRIBUTE]: { N: String(write) } }
  await dynamodb.call('PutItem', { TableName, Item })
  log.wrote(write)
  return String(write)
}

async function allTakenCareOf({ log, source }: Capture): Promise<void> {
  const deadlineMs = Date.now() + STALLED_MS
  while (source.done < log.acknowledged) {
    if (Date.now() > deadlineMs) throw new Error(`of ${log.acknowledged} changes ${source.done} were taken care of`)
    await sleep(50)
  }
}

/** Acts again and again with a pause between. Its end tells of the first failure. */
function every(pauseMs: number, act: () => Promise<unknown>): { stop(): Promise<void> } {
  const stopped = new AbortController()
  const running = (async () => {
    while (!stopped.signal.aborted) {
      await act()
      await sleep(pauseMs, undefined, { signal: stopped.signal }).catch(() => {})
    }
  })()
  // It is looked at in stop().
  running.catch(() => {})
  return {
    async stop() {
      stopped.abort()
      await running
    },
  }
}
