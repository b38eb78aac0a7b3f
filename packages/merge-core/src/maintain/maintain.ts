// The daily job: expire, purge and clean by the table's settings.

import { stoppable } from '../store/stoppable.ts'
import type { Table } from '../table.ts'
import { type CleanReport, cleanTable } from './clean.ts'
import { type ExpireOptions, type ExpireReport, expireSnapshots } from './expire.ts'
import { type PurgeReport, purgeTable } from './purge.ts'

export interface MaintainOptions extends ExpireOptions {
  /** Aborted to stop the run. */
  readonly signal?: AbortSignal | undefined
}

export interface MaintainReport {
  readonly expire: ExpireReport
  /** Null where no landing prefix was given: nobody can then tell what may be forgotten. */
  readonly purge: PurgeReport | null
  readonly clean: CleanReport
}

/** @throws what the three throw; what was done before stands */
export async function maintainTable(
  given: Table,
  landing: readonly string[],
  options: MaintainOptions = {},
): Promise<MaintainReport> {
  const table = { ...given, environment: stoppable(given.environment, options.signal) }
  const expire = await expireSnapshots(table, options)
  const purge = landing.length === 0 ? null : await purgeTable(table, landing, options)
  const clean = await cleanTable(table, options)
  return { expire, purge, clean }
}
