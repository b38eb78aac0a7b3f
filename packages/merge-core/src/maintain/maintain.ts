// The daily job: expire, purge and clean by the table's settings.

import type { Table } from '../table.ts'
import { type CleanReport, cleanTable } from './clean.ts'
import { type ExpireOptions, type ExpireReport, expireSnapshots } from './expire.ts'
import { type PurgeReport, purgeTable } from './purge.ts'

export interface MaintainReport {
  readonly expire: ExpireReport
  /** Null where no landing prefix was given: nobody can then tell what may be forgotten. */
  readonly purge: PurgeReport | null
  readonly clean: CleanReport
}

/** @throws what the three throw; what was done before stands */
export async function maintainTable(
  table: Table,
  landing: readonly string[],
  options: ExpireOptions = {},
): Promise<MaintainReport> {
  const expire = await expireSnapshots(table, options)
  const purge = landing.length === 0 ? null : await purgeTable(table, landing, options)
  const clean = await cleanTable(table, options)
  return { expire, purge, clean }
}
