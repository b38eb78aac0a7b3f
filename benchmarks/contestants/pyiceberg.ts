// pyiceberg's own way: an upsert and a delete in one transaction, in a table partitioned by bucket.

import { globSync } from 'node:fs'
import { join } from 'node:path'
import { rivalsPython } from '../../scripts/parts.ts'
import type { Contestant, Run } from './contestant.ts'
import { icebergRelation, pythonVersions, runToEnd, writeDefinition } from './rival-process.ts'

const program = (args: readonly string[], threads: number): Run => ({
  argv: [rivalsPython.program, join(import.meta.dirname, 'pyiceberg.upsert.py'), ...args],
  // Arrow takes the first for its pool.
  env: { OMP_NUM_THREADS: String(threads), PYICEBERG_MAX_WORKERS: String(threads) },
})

export const pyiceberg: Contestant = {
  name: 'pyiceberg',
  // It compares rows in Python, one by one.
  takes: (workload, rows) => workload === 'W4' && rows <= 1_000_000,
  async prepare(base, folder) {
    writeDefinition(base, folder)
    await runToEnd(program(['prepare', folder], 2))
  },
  command: (folder, landing, threads) => program(['merge', folder, landing], threads),
  async result(folder) {
    // Their names start with the version, five digits.
    const latest = globSync(join(folder, 'warehouse', 'db', 'orders', 'metadata', '*.metadata.json'))
      .sort()
      .at(-1)
    if (latest === undefined) throw new Error(`${folder} holds no table: prepare it again`)
    return icebergRelation(folder, latest)
  },
  versions: () => pythonVersions(rivalsPython.program, ['pyiceberg', 'pyiceberg-core']),
}
