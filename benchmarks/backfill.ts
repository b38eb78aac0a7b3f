// A backfill of an export: node benchmarks/backfill.ts [items] [kills]   (npm run bench:backfill -- 10000000 2)
//
// Items of 12 attributes (480 bytes of JSON) in eight gzip files, in the order of a hash of their keys, as DynamoDB's partitions give them.
// The bundled command line brings them into an empty table with 1 GiB and two threads; `kills` times it is killed after some seconds and
// run again. The table must then hold every item once, and no data file may stand that no snapshot names.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { type BackfillReport, nodeEnvironment, openTable, snapshotFiles } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { writeExport } from '../packages/test-rig/src/export-writer.ts'
import { cacheFolder } from '../scripts/parts.ts'
import { bundleProgram } from './contestants/lastwrite.ts'
import { orderItem, orders } from './orders.ts'

const PROGRAM = join(import.meta.dirname, '../packages/batch-worker/dist/lastwrite.mjs')
const FILES = 8
const KILLED_AFTER_S = 15

const items = Number(process.argv[2] ?? 1_000_000)
const kills = Number(process.argv[3] ?? 0)

bundleProgram()
const exported = await anExport()
const folder = mkdtempSync(join(tmpdir(), 'lastwrite-backfill-'))
try {
  const table = join(folder, 'orders')
  writeFileSync(join(folder, 'orders.table.json'), JSON.stringify(orders))
  execFileSync(process.execPath, [PROGRAM, 'init', table, '--definition', join(folder, 'orders.table.json')])
  for (let kill = 1; kill <= kills; kill++) {
    const killed = start(table)
    const ended = new Promise((resolve) => killed.once('exit', resolve))
    setTimeout(() => killed.kill('SIGKILL'), KILLED_AFTER_S * 1000 * kill)
    await ended
    console.log(`killed after ${KILLED_AFTER_S * kill} s`)
  }
  const startedMs = performance.now()
  const report = await finished(start(table))
  const seconds = (performance.now() - startedMs) / 1000
  await check(table)
  const { commits, peakMemoryBytes } = report
  console.log(
    `${items} items: ${seconds.toFixed(1)} s, ${Math.round(report.items.read / seconds)} items/s, ` +
      `${Math.round(peakMemoryBytes! / 2 ** 20)} MiB at most; ${commits.made} commits of ${commits.total}, ${commits.before} before`,
  )
} finally {
  rmSync(folder, { recursive: true })
}

async function anExport(): Promise<string> {
  const folder = join(cacheFolder, 'bench', `export-${items}`)
  const done = join(folder, 'written')
  if (!existsSync(done)) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    function* all() {
      for (let order = 0; order < items; order++) yield orderItem(order, order)
    }
    const content = { type: 'full', items: all(), timeMs: Date.now() } as const
    const { prefix } = await writeExport(content, { folder, files: FILES, table: orders.table, source: orders.source })
    writeFileSync(done, prefix)
  }
  return join(folder, readFileSync(done, 'utf8'))
}

function start(table: string): ChildProcess {
  const options = ['--stream', '2026-11-22T08:00:00.000', '--memory', '1GiB', '--threads', '2', '--no-fsync']
  const args = [PROGRAM, 'backfill', table, '--export', exported, ...options, '--json', '--quiet']
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function finished(program: ChildProcess): Promise<BackfillReport> {
  let text = ''
  program.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  const code = await new Promise((resolve) => program.once('close', resolve))
  if (code !== 0) throw new Error(`the backfill ended with ${code}`)
  return JSON.parse(text) as BackfillReport
}

async function check(table: string): Promise<void> {
  const opened = await openTable(`file://${table}`, nodeEnvironment(localStore()))
  const named = (await snapshotFiles(opened)).map(({ path }) => path.replace('file://', ''))
  const connection = await (await DuckDBInstance.create()).connect()
  const paths = named.map((path) => `'${path}'`).join(', ')
  const reader = await connection.runAndReadAll(
    `SELECT count(*)::DOUBLE, count(DISTINCT pk)::DOUBLE, sum(revision)::DOUBLE FROM read_parquet([${paths}], hive_partitioning = false)`,
  )
  const [counts] = reader.getRows()
  const expected = [items, items, (items * (items - 1)) / 2]
  if (String(counts) !== String(expected))
    throw new Error(`the table has ${counts} rows, keys and revisions, not ${expected}`)
  const superseded = globSync(join(table, 'data/**/*.parquet')).length - named.length
  console.log(`every item once; ${named.length} files, ${superseded} of earlier commits`)
}
