// Notes in the table when its landing prefixes were last listed whole, so that the next runs leave out closed hours.
//
// The note says: what lay in a closed hour then is in the ledger. It belongs to no snapshot and moves by a commit of its own, once a day,
// which asserts main as it was loaded. Nothing depends on its success: a table without the note has everything listed.

import { currentSnapshot, descendsFrom } from './iceberg/metadata.ts'
import type { WholeListings } from './landing/list-landing.ts'
import type { Table } from './table.ts'
import { loadTable, PROPERTY, type TableState, wholeListingsOf } from './table-state.ts'

/** @param before the table as it was when the listing began */
export async function noteListing(table: Table, before: TableState, whole: WholeListings): Promise<void> {
  const loaded = await loadTable(table)
  const { metadata } = loaded
  const seen = currentSnapshot(before.loaded.metadata)
  // Somebody went back behind what was seen: what was merged since is to be merged again.
  if (seen !== null && !descendsFrom(metadata, seen['snapshot-id'], seen['sequence-number'])) return
  const listings = new Map([...wholeListingsOf(metadata), ...whole])
  await table.catalog.commit(
    loaded,
    [{ action: 'set-properties', updates: { [PROPERTY.listed]: JSON.stringify(Object.fromEntries(listings)) } }],
    [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      {
        type: 'assert-ref-snapshot-id',
        ref: 'main',
        'snapshot-id': currentSnapshot(metadata)?.['snapshot-id'] ?? null,
      },
    ],
  )
}
