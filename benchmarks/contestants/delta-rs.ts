// MERGE INTO a Delta table by delta-rs, the Rust library behind the Python package deltalake. Polars reads the change lines for it.

import { join } from 'node:path'
import { rivalsPython } from '../../scripts/parts.ts'
import type { Contestant } from './contestant.ts'
import { pythonVersions, runToEnd, writeDefinition } from './rival-process.ts'

const PROGRAM = join(import.meta.dirname, 'delta-rs.merge.py')

export const deltaRs: Contestant = {
  name: 'delta-rs',
  async prepare(base, folder) {
    writeDefinition(base, folder)
    if (base.rows > 0) await runToEnd({ argv: [rivalsPython.program, PROGRAM, 'prepare', folder] })
  },
  command: (folder, landing, threads) => ({
    argv: [rivalsPython.program, PROGRAM, 'merge', folder, landing],
    env: {
      POLARS_MAX_THREADS: String(threads),
      TOKIO_WORKER_THREADS: String(threads),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  }),
  async result(folder) {
    const files = JSON.parse(await runToEnd({ argv: [rivalsPython.program, PROGRAM, 'files', folder] })) as string[]
    return `read_parquet([${files.map((file) => `'${file}'`).join(', ')}], hive_partitioning = false)`
  },
  async versions() {
    return { deltalake: (await pythonVersions(rivalsPython.program, ['deltalake'])).deltalake! }
  },
}
