// The known way without a table format: read every Parquet file, join the changes, keep the latest of each key, write everything.

import { copyFileSync, globSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pythonProgram } from '../../scripts/parts.ts'
import type { Contestant } from './contestant.ts'
import { parquetRelation, pythonVersions, sparkRun, writeDefinition } from './rival-process.ts'

export const sparkPlain: Contestant = {
  name: 'spark-plain',
  async prepare(base, folder) {
    writeDefinition(base, folder)
    if (base.rows === 0) return
    mkdirSync(join(folder, 'table'))
    for (const file of globSync('**/*.parquet', { cwd: base.parquet })) {
      copyFileSync(join(base.parquet, file), join(folder, 'table', file.replaceAll('/', '-')))
    }
  },
  command: (folder, landing, threads) => sparkRun('spark-plain.py', [folder, landing], threads),
  async result(folder) {
    return parquetRelation(folder, globSync(join(folder, 'table', '*.parquet')))
  },
  async versions() {
    const { pyspark } = await pythonVersions(pythonProgram, ['pyspark'])
    return { spark: pyspark! }
  },
}
