// lastwrite as its users run it: `lastwrite merge <table> --landing <folder> --json`.
//
// The table stands in `orders` of the contestant's folder; its state beside it.

import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MergeReport } from '@lastwrite/merge-core'
import { nodeEnvironment, openTable, snapshotFiles } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { rowLines } from '../prepare.ts'
import type { TableShape } from '../workloads.ts'
import type { BaseData, Contestant, Run } from './contestant.ts'

const PROGRAM = join(import.meta.dirname, '../../packages/batch-worker/src/main.ts')
const FILE_ROWS = 640_000
const ROW_GROUP_ROWS = 100_000
/** Where no row stands yet that could tell. */
const ROW_BYTES = 52
const CHUNK_ROWS = 2_500_000

export const lastwrite: Contestant = {
  name: 'lastwrite',
  async prepare(base, folder) {
    init(base, folder)
    const { rows, layout, keys, attributes } = base
    const table: TableShape = { rows, layout, keys, columns: attributes.length }
    for (let first = 0; first < rows; first += CHUNK_ROWS) {
      const lines = rowLines(table, first, Math.min(CHUNK_ROWS, rows - first))
      merge(folder, lines)
      rmSync(lines, { recursive: true })
    }
  },
  command: mergeRun,
  mergedBytes(stdout) {
    const { bytes } = JSON.parse(stdout) as MergeReport
    return { bytes_read: bytes.read, bytes_encoded: bytes.written, bytes_copied: bytes.copied }
  },
  async result(folder) {
    const files = await snapshotFiles(await openTable(locationOf(folder), nodeEnvironment(localStore())))
    const paths = files.map(({ path }) => `'${path.replace('file://', '')}'`)
    return `read_parquet([${paths.join(', ')}], hive_partitioning = false)`
  },
  async versions() {
    return { node: process.versions.node }
  },
}

/** Merges outside of any timing. */
export function merge(folder: string, landing: string): MergeReport {
  const [program, ...args] = mergeRun(folder, landing, 2).argv
  const report = JSON.parse(execFileSync(program!, args, { encoding: 'utf8', maxBuffer: 2 ** 28 })) as MergeReport
  if (report.exitCode !== 0) throw new Error(`${folder}: lastwrite ended with ${report.exitCode}`)
  return report
}

function mergeRun(folder: string, landing: string, threads: number): Run {
  const merge = ['merge', join(folder, 'orders'), '--landing', landing, '--json', '--quiet']
  return { argv: [process.execPath, PROGRAM, ...merge, ...(takesThreads() ? ['--threads', String(threads)] : [])] }
}

let threadsTaken: boolean | undefined

function takesThreads(): boolean {
  threadsTaken ??= execFileSync(process.execPath, [PROGRAM, 'merge', '--help'], { encoding: 'utf8' }).includes(
    '--threads',
  )
  return threadsTaken
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

function locationOf(folder: string): string {
  return `file://${join(folder, 'orders')}`
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((total, entry) => total + statSync(join(entry.parentPath, entry.name)).size, 0)
}
