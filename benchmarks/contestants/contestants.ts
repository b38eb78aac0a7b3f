// All who take part, in the order of their turns.

import type { Contestant } from './contestant.ts'
import { deltaRs } from './delta-rs.ts'
import { duckdbFiles, duckdbPartitions } from './duckdb.ts'
import { lastwrite, lastwriteLarge, lastwriteNoFsync } from './lastwrite.ts'
import { parquetjsLite } from './parquetjs-lite.ts'
import { polars } from './polars.ts'
import { pyiceberg } from './pyiceberg.ts'
import { sparkIceberg } from './spark-iceberg.ts'
import { sparkPlain } from './spark-plain.ts'

export const contestants: readonly Contestant[] = [
  lastwrite,
  lastwriteNoFsync,
  lastwriteLarge,
  duckdbFiles,
  duckdbPartitions,
  polars,
  deltaRs,
  sparkIceberg,
  sparkPlain,
  pyiceberg,
  parquetjsLite,
]
