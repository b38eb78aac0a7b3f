// lastwrite as its users run it: `lastwrite merge <table> --landing <folder> --json`, from the bundle.
//
// The table stands in `orders` of the contestant's folder; its state beside it.

import { execFileSync } from 'node:child_process'
import { globSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MergeReport } from '@lastwrite/merge-core'
import { nodeEnvironment, openTable, snapshotFiles } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { rowLines } from '../prepare.ts'
import type { TableShape } from '../workloads.ts'
import type { BaseData, Contestant, Run } from './contestant.ts'

const ROOT = join(import.meta.dirname, '../..')
export const PROGRAM = join(ROOT, 'packages/batch-worker/dist/lastwrite.mjs')
const REPORT_BYTES_MAX = 64 * 1024 * 1024
const FILE_ROWS = 640_000
const ROW_GROUP_ROWS = 100_000
/** Where no row stands yet that could tell. */
const ROW_BYTES = 52
const CHUNK_ROWS = 2_500_000

/** As it is by default: what a commit names is on the disk before the commit. */
export const lastwrite = lastwriteContestant('lastwrite', [])
/** Like all others here. */
export const lastwriteNoFsync = lastwriteContestant('lastwrite-nofsync', ['--no-fsync'])
/** With memory for all changes of a heavy merge in one commit. */
export const lastwriteLarge: Contestant = {
  ...lastwriteContestant('lastwrite-1gib', ['--no-fsync', '--memory', '1GiB']),
  takes: (workload) => ['W3', 'W6'].includes(workload),
}

/** Bundles the program, which is what containers run. */
export function bundleProgram(): void {
  execFileSync(process.execPath, [join(ROOT, 'scripts/bundle.ts')], { stdio: 'inherit' })
}

/** Merges outside of any timing. */
export function merge(folder: string, landing: string): void {
  const [program, ...args] = mergeRun(folder, landing, 2, ['--no-fsync']).argv
  execFileSync(program!, args, { encoding: 'utf8', maxBuffer: REPORT_BYTES_MAX })
}

function lastwriteContestant(name: string, options: readonly string[]): Contestant {
  return {
    name,
    table: 'lastwrite',
    async prepare(base, folder) {
      init(base, folder)
      await mergeRows(base, async (lines) => merge(folder, lines))
      await removeOldFiles(folder)
    },
    command: (folder, landing, threads) => mergeRun(folder, landing, threads, options),
    mergedBytes(stdout) {
      const { bytes, columnChunks } = JSON.parse(stdout) as MergeReport
      return { bytes_read: bytes.read, bytes_encoded: columnChunks.bytesEncoded, bytes_copied: bytes.copied }
    },
    async result(folder) {
      const paths = (await dataFiles(folder)).map((path) => `'${path}'`)
      return `read_parquet([${paths.join(', ')}], hive_partitioning = false)`
    },
    async versions() {
      return { node: process.versions.node }
    },
  }
}

/** Merges all rows, as change lines, some commits after another. */
export async function mergeRows(
  { rows, layout, keys, attributes }: BaseData,
  merge: (lines: string) => Promise<unknown>,
): Promise<void> {
  const table: TableShape = { rows, layout, keys, columns: attributes.length }
  for (let first = 0; first < rows; first += CHUNK_ROWS) {
    const lines = rowLines(table, first, Math.min(CHUNK_ROWS, rows - first))
    await merge(lines)
    rmSync(lines, { recursive: true })
  }
}

/** Those of the snapshots before the last, which nobody reads here and every copy of the table would carry. */
async function removeOldFiles(folder: string): Promise<void> {
  const current = new Set(await dataFiles(folder))
  for (const file of globSync(join(folder, 'orders/data/**/*.parquet'))) if (!current.has(file)) rmSync(file)
}

async function dataFiles(folder: string): Promise<string[]> {
  const table = await openTable(`file://${join(folder, 'orders')}`, nodeEnvironment(localStore()))
  return (await snapshotFiles(table)).map(({ path }) => path.replace('file://', ''))
}

function mergeRun(folder: string, landing: string, threads: number, options: readonly string[]): Run {
  const table = join(folder, 'orders')
  const merge = ['merge', table, '--landing', landing, '--threads', String(threads), '--json', '--quiet']
  return { argv: [process.execPath, PROGRAM, ...merge, ...options] }
}

function init({ attributes, layout, rows, parquet }: BaseData, folder: string): void {
  const types = { string: 'string', long: 'long', double: 'double', 'decimal(38,9)': 'decimal(38,9)' }
  const rowBytes = rows === 0 ? ROW_BYTES : bytesBelow(parquet) / rows
  const definition = {
    table: 'orders',
    source: '123456789012/eu-west-1',
    key: ['pk'],
    columns: Object.fromEntries(
      attributes.map(({ name, type }) => [name, type === 'timestamp' ? 'timestamptz(ms)' : types[type]]),
    ),
    partition_by: [layout === 'day' ? 'day(created_at)' : 'bucket(pk, 8)'],
    file_bytes: Math.round(FILE_ROWS * rowBytes),
    row_group_rows: ROW_GROUP_ROWS,
  }
  const file = join(folder, 'definition.json')
  writeFileSync(file, JSON.stringify(definition))
  execFileSync(process.execPath, [PROGRAM, 'init', join(folder, 'orders'), '--definition', file, '--quiet'])
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + statSync(join(entry.parentPath, entry.name)).size, 0)
}
