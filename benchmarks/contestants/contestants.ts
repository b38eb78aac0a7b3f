// All who take part, in the order of their turns.

import type { Contestant } from './contestant.ts'
import { duckdbFiles, duckdbPartitions } from './duckdb.ts'
import { lastwrite } from './lastwrite.ts'

export const contestants: readonly Contestant[] = [lastwrite, duckdbFiles, duckdbPartitions]
