// Apache Iceberg's own way: MERGE INTO, copy-on-write, in a table partitioned by bucket.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pythonProgram, sparkRuntimeCoordinates, sparkRuntimeJar } from '../../scripts/parts.ts'
import type { Contestant } from './contestant.ts'
import { icebergRelation, pythonVersions, runToEnd, sparkRun, writeDefinition } from './rival-process.ts'

const SCRIPT = 'spark-iceberg.py'

export const sparkIceberg: Contestant = {
  name: 'spark-iceberg',
  async prepare(base, folder) {
    writeDefinition(base, folder)
    await runToEnd(sparkRun(SCRIPT, ['prepare', folder], 2, [sparkRuntimeJar]))
  },
  command: (folder, landing, threads) => sparkRun(SCRIPT, ['merge', folder, landing], threads, [sparkRuntimeJar]),
  result(folder) {
    const metadata = join(folder, 'db', 'orders', 'metadata')
    const version = readFileSync(join(metadata, 'version-hint.text'), 'utf8').trim()
    return icebergRelation(folder, join(metadata, `v${version}.metadata.json`))
  },
  async versions() {
    const { pyspark } = await pythonVersions(pythonProgram, ['pyspark'])
    return { spark: pyspark!, 'iceberg-spark': sparkRuntimeCoordinates.split(':').at(-1)! }
  },
}
