// A folder of Parquet files and a DuckDB script, as one would write it without a table format, in two ways: writing only the files
// that change, or the whole partitions.

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { rivalsPython } from '../../scripts/parts.ts'
import type { Contestant } from './contestant.ts'
import { pythonVersions, writeDefinition } from './rival-process.ts'

const PROGRAM = join(import.meta.dirname, 'duckdb.merge.py')

export const duckdbFiles = duckdbContestant('duckdb', 'files')
export const duckdbPartitions = duckdbContestant('duckdb-partitions', 'partitions')

function duckdbContestant(name: string, unit: 'files' | 'partitions'): Contestant {
  return {
    name,
    table: 'duckdb',
    async prepare(base, folder) {
      writeDefinition(base, folder)
      if (base.rows > 0) cpSync(base.parquet, join(folder, 'table'), { recursive: true })
    },
    command: (folder, landing, threads) => ({
      argv: [rivalsPython.program, PROGRAM, folder, landing, String(threads), unit],
      env: { PYTHONDONTWRITEBYTECODE: '1' },
    }),
    async result(folder) {
      return `read_parquet('${folder}/table/*/*.parquet', hive_partitioning = false)`
    },
    async versions() {
      return { duckdb: (await pythonVersions(rivalsPython.program, ['duckdb'])).duckdb! }
    },
  }
}
