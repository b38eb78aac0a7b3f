// A folder of Parquet files and a Polars script that writes the touched partitions again.

import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { rivalsPython } from '../../scripts/parts.ts'
import type { Contestant } from './contestant.ts'
import { pythonVersions, writeDefinition } from './rival-process.ts'

const PROGRAM = join(import.meta.dirname, 'polars.merge.py')

export const polars: Contestant = {
  name: 'polars',
  async prepare(base, folder) {
    writeDefinition(base, folder)
    if (base.rows > 0) cpSync(base.parquet, join(folder, 'table'), { recursive: true })
  },
  command: (folder, landing, threads) => ({
    argv: [rivalsPython.program, PROGRAM, folder, landing],
    env: { POLARS_MAX_THREADS: String(threads), PYTHONDONTWRITEBYTECODE: '1' },
  }),
  async result(folder) {
    return `read_parquet('${folder}/table/*/*.parquet', hive_partitioning = false)`
  },
  async versions() {
    return { polars: (await pythonVersions(rivalsPython.program, ['polars'])).polars! }
  },
}
