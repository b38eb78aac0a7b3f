// A Node program with the Parquet library that most Node programs have had: reads everything, writes everything. Snappy, since the
// library knows no zstd, and its own groups of 4,096 rows.

import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { BaseData, Contestant } from './contestant.ts'
import { parquetRelation, runToEnd, writeDefinition } from './rival-process.ts'

const program = (...args: string[]) => [process.execPath, join(import.meta.dirname, 'parquetjs-lite.merge.ts'), ...args]

export const parquetjsLite: Contestant = {
  name: 'parquetjs-lite',
  // All rows stand in memory.
  takes: (workload, rows) => workload === 'W4' && rows <= 1_000_000,
  async prepare(base, folder) {
    writeDefinition(base, folder)
    if (base.rows === 0) return
    const rows = join(folder, 'rows.ndjson')
    await writeJsonRows(base, rows)
    await runToEnd({ argv: program('load', folder, rows) })
    rmSync(rows)
  },
  command: (folder, landing) => ({ argv: program('merge', folder, landing) }),
  async result(folder) {
    return parquetRelation(folder, [join(folder, 'table.parquet')], (milliseconds) => `${milliseconds} * 1000`)
  },
  async versions() {
    const path = createRequire(import.meta.url).resolve('parquetjs-lite/package.json')
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string }
    return { 'parquetjs-lite': version }
  },
}

/** Decimals as text, times as epoch milliseconds. */
async function writeJsonRows({ attributes, parquet }: BaseData, path: string): Promise<void> {
  const duckdb = await (await DuckDBInstance.create()).connect()
  const columns = [...attributes, { name: '_updated_at', type: 'timestamp' }].map(({ name, type }) => {
    if (type === 'timestamp') return `epoch_ms(${name}) AS ${name}`
    return type === 'decimal(38,9)' ? `${name}::VARCHAR AS ${name}` : name
  })
  const rows = `SELECT ${columns.join(', ')}, _stream, _sequence FROM read_parquet('${parquet}/**/*.parquet')`
  await duckdb.run(`COPY (${rows}) TO '${path}' (FORMAT json)`)
  duckdb.closeSync()
}
