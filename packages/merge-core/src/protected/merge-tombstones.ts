// Merges sorted runs of tombstones into one state file.
//
//   1  Every run has a cursor that holds one row group.
//   2  Of the lowest key under any cursor, the removal or move of the highest version is picked, and the expiry of the highest version.
//   3  Picks become a row group when there are enough; the picked rows are gathered column by column.
//
// Memory holds a row group a run and the encoded output, never a whole input.

import { compareAt } from '../change/byte-strings.ts'
import { EXPIRED } from '../change/tombstone.ts'
import type { Column } from '../columns/column.ts'
import { concat, takeRows } from '../columns/gather.ts'
import type { KeyRange } from '../parquet/key-ranges.ts'
import type { Field } from '../primitive-type.ts'
import { type OpenStateFile, type StateFile, type StateFolder, stateFileWriter } from './state-file.ts'
import { readTombstoneRows, type TombstoneRows, tombstoneFields } from './tombstone-rows.ts'

/** Small, because a look-up of one key reads a whole one. */
const ROW_GROUP_ROWS = 20_000

/** A run of tombstones in key order. A key's rows lie in one group. */
export interface Cursor {
  /** Null at the end. */
  rows: TombstoneRows | null
  row: number
  readonly nextRows: () => Promise<TombstoneRows | null>
}

export async function cursorOverFile(open: OpenStateFile, keyFields: readonly Field[]): Promise<Cursor> {
  let group = 0
  const nextRows = async () =>
    group === open.footer.rowGroups.length ? null : await readTombstoneRows(open, group++, keyFields)
  return { rows: await nextRows(), row: 0, nextRows }
}

export function cursorOverRows(rows: TombstoneRows): Cursor {
  return { rows, row: 0, nextRows: async () => null }
}

/** @param isKept leaves out what it refuses, after the highest version was picked */
export async function mergeTombstones(
  folder: StateFolder,
  keyFields: readonly Field[],
  cursors: readonly Cursor[],
  isKept: (rows: TombstoneRows, row: number) => boolean,
): Promise<StateFile[]> {
  const writer = stateFileWriter(folder, 'tombstones', tombstoneFields(keyFields), keyFields.length)
  let picks = new Picks()
  for (let lowest = lowestKey(cursors); lowest !== null; lowest = lowestKey(cursors)) {
    const { removal, expiry } = highestOf(cursors, lowest)
    for (const best of [removal, expiry]) if (best !== null && isKept(best.rows, best.row)) picks.add(best)
    for (const cursor of cursors) if (isExhausted(cursor)) await loadNext(cursor)
    if (picks.count < ROW_GROUP_ROWS) continue
    writer.add(picks.columns(keyFields), picks.keyRange())
    picks = new Picks()
  }
  if (picks.count > 0) writer.add(picks.columns(keyFields), picks.keyRange())
  const file = await writer.finish()
  return file === null ? [] : [file]
}

interface Pick {
  readonly rows: TombstoneRows
  readonly row: number
}

function lowestKey(cursors: readonly Cursor[]): Pick | null {
  let lowest: Pick | null = null
  for (const { rows, row } of cursors) {
    if (rows === null) continue
    if (lowest === null || compareAt(rows.keys, row, lowest.rows.keys, lowest.row) < 0) lowest = { rows, row }
  }
  return lowest
}

/** Moves every cursor over the rows of the key. */
function highestOf(cursors: readonly Cursor[], key: Pick): { removal: Pick | null; expiry: Pick | null } {
  let removal: Pick | null = null
  let expiry: Pick | null = null
  for (const cursor of cursors) {
    const { rows } = cursor
    if (rows === null) continue
    for (; cursor.row < rows.count && compareAt(rows.keys, cursor.row, key.rows.keys, key.row) === 0; cursor.row++) {
      const pick = { rows, row: cursor.row }
      if (rows.kind[cursor.row] === EXPIRED) expiry = higher(expiry, pick)
      else removal = higher(removal, pick)
    }
  }
  return { removal, expiry }
}

function higher(a: Pick | null, b: Pick): Pick {
  return a !== null && compareAt(a.rows.versions, a.row, b.rows.versions, b.row) >= 0 ? a : b
}

function isExhausted(cursor: Cursor): boolean {
  return cursor.rows !== null && cursor.row === cursor.rows.count
}

async function loadNext(cursor: Cursor): Promise<void> {
  cursor.rows = await cursor.nextRows()
  cursor.row = 0
}

/** Rows of several groups, in output order. */
class Picks {
  count = 0
  /** The groups picked from, and of each the picked rows. */
  readonly #groups: TombstoneRows[] = []
  readonly #rows: number[][] = []
  /** Of each pick: its group, and which of that group's picks it is. */
  readonly #group: number[] = []
  readonly #pick: number[] = []

  add({ rows, row }: Pick): void {
    let group = this.#groups.indexOf(rows)
    if (group === -1) {
      group = this.#groups.push(rows) - 1
      this.#rows.push([])
    }
    this.#group.push(group)
    this.#pick.push(this.#rows[group]!.push(row) - 1)
    this.count++
  }

  columns(keyFields: readonly Field[]): Column[] {
    const rowsOfGroups = this.#rows.map((rows) => Uint32Array.from(rows))
    const order = this.#outputOrder()
    return tombstoneFields(keyFields).map((field, at) => {
      const taken = this.#groups.map((group, i) => takeRows(group.columns[at]!, rowsOfGroups[i]!))
      return takeRows(concat(field.type, taken), order)
    })
  }

  keyRange(): KeyRange {
    return { first: this.#keyOf(0), last: this.#keyOf(this.count - 1) }
  }

  /** Where each pick stands when the groups' picks are joined one group after the other. */
  #outputOrder(): Uint32Array {
    const starts: number[] = []
    let start = 0
    for (const rows of this.#rows) {
      starts.push(start)
      start += rows.length
    }
    return Uint32Array.from(this.#pick, (pick, i) => starts[this.#group[i]!]! + pick)
  }

  #keyOf(pick: number): Uint8Array {
    const group = this.#group[pick]!
    const { keys } = this.#groups[group]!
    const row = this.#rows[group]![this.#pick[pick]!]!
    return keys.bytes.slice(keys.starts[row]!, keys.starts[row + 1]!)
  }
}
