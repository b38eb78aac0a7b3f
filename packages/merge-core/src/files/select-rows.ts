// Joins the stored rows of a row group with the changes routed to it.
//
// Both sides are sorted by key and hold each key once. Where both hold a key the higher version wins; on a tie the stored row stays,
// so merging a batch a second time changes nothing. The result says which side and which row, in runs: stored rows between two
// changes are one run, however many.

import { type ByteStrings, compareAt, compareBytes } from '../change/byte-strings.ts'
import { CLEAR } from '../change/fold.ts'
import { PUT, REMOVE } from '../change/scanned-lines.ts'
import { INCOMING, type Selection, STORED } from '../columns/gather.ts'
import { invariant } from '../invariant.ts'
import { ABSENT, INSERTED, type IncomingChanges, MARKED, REMOVED_ROW, REPLACED, STORED_IS_NEWER } from './incoming.ts'

/** Keys as they lie in a column: number i is bytes[starts[i] + gap … starts[i + 1]). */
export interface StoredKeys extends ByteStrings {
  /** Bytes before each key that are none of it; 0 by default. */
  readonly gap?: number
}

/** Where each of the ascending keys [from, to) stands among the ascending `stored`: its row, or the complement (~) of the row it would go before. */
export function findRows(stored: StoredKeys, keys: ByteStrings, from: number, to: number): Int32Array {
  const found = new Int32Array(to - from)
  const rows = stored.starts.length - 1
  let position = 0
  for (let key = from; key < to; key++) {
    const start = keys.starts[key]!
    const end = keys.starts[key + 1]!
    // Gallops from the last position: near changes cost few comparisons, far ones a logarithm.
    let low = position
    let step = 1
    while (low + step <= rows && compareRow(stored, low + step - 1, keys.bytes, start, end) < 0) {
      low += step
      step *= 2
    }
    let high = Math.min(low + step - 1, rows)
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareRow(stored, middle, keys.bytes, start, end) < 0) low = middle + 1
      else high = middle
    }
    position = low
    found[key - from] = low < rows && compareRow(stored, low, keys.bytes, start, end) === 0 ? low : ~low
  }
  return found
}

function compareRow(stored: StoredKeys, row: number, bytes: Uint8Array, start: number, end: number): number {
  return compareBytes(stored.bytes, stored.starts[row]! + (stored.gap ?? 0), stored.starts[row + 1]!, bytes, start, end)
}

export interface RowSelection {
  /** Null where the stored rows stay as they are. */
  readonly selection: Selection | null
  /** Whether every stored row stays at its place: rows are replaced or marked, none comes in between and none goes. */
  readonly inPlace: boolean
  /** Output rows to mark as expired, ascending, with the epoch microseconds to mark them with. */
  readonly markedRows: Uint32Array
  readonly markedMicros: BigInt64Array
}

/**
 * @param found of each change in [from, to), as findRows gives it
 * @param versions the stored versions of the changes that were found, in order
 * @param expiredMicros the stored `_expired_at` of the changes that were found, in order; null where the table has no such column
 * @param outcomes what became of each change, written at [from, to)
 */
export function selectRows(
  storedRows: number,
  found: Int32Array,
  versions: ByteStrings,
  expiredMicros: readonly (bigint | null)[] | null,
  incoming: IncomingChanges,
  from: number,
  to: number,
  outcomes: Uint8Array,
): RowSelection {
  const runs = new Runs(2 * (to - from) + 1)
  const markedRows: number[] = []
  const markedMicros: bigint[] = []
  let nextStored = 0
  let match = 0
  let changed = false
  let inserted = 0
  let removed = 0

  for (let change = from; change < to; change++) {
    const operation = incoming.operation[change]!
    const at = found[change - from]!
    const isFound = at >= 0
    const matched = isFound ? match++ : -1
    const wins = !isFound || compareAt(incoming.versions, change, versions, matched) > 0

    if (operation === PUT && wins) {
      runs.add(STORED, nextStored, (isFound ? at : ~at) - nextStored)
      nextStored = isFound ? at + 1 : ~at
      runs.add(INCOMING, incoming.row[change]!, 1)
      outcomes[change] = isFound ? REPLACED : INSERTED
      if (!isFound) inserted++
      changed = true
    } else if (!isFound) {
      outcomes[change] = ABSENT
    } else if ((operation === REMOVE || operation === CLEAR) && wins) {
      runs.add(STORED, nextStored, at - nextStored)
      nextStored = at + 1
      outcomes[change] = REMOVED_ROW
      removed++
      changed = true
    } else {
      const expires = compareAt(incoming.expiryVersions, change, versions, matched) > 0
      if (expires && expiredMicros !== null && expiredMicros[matched] !== incoming.expiryMicros[change]) {
        runs.add(STORED, nextStored, at + 1 - nextStored)
        nextStored = at + 1
        markedRows.push(runs.rows - 1)
        markedMicros.push(incoming.expiryMicros[change]!)
        outcomes[change] = MARKED
        changed = true
      } else outcomes[change] = STORED_IS_NEWER
    }
  }
  runs.add(STORED, nextStored, storedRows - nextStored)
  invariant(
    runs.rows === storedRows + inserted - removed,
    'every stored row is kept, replaced or removed, every new one inserted once',
  )
  return {
    selection: changed ? runs.selection() : null,
    inPlace: inserted === 0 && removed === 0,
    markedRows: Uint32Array.from(markedRows),
    markedMicros: BigInt64Array.from(markedMicros),
  }
}

/** Runs of rows in output order; a run that goes on where the last one ended lengthens it. */
class Runs {
  rows = 0
  #runs = 0
  readonly #side: Uint8Array
  readonly #start: Uint32Array
  readonly #length: Uint32Array

  constructor(runsMax: number) {
    this.#side = new Uint8Array(runsMax)
    this.#start = new Uint32Array(runsMax)
    this.#length = new Uint32Array(runsMax)
  }

  add(side: number, start: number, length: number): void {
    if (length === 0) return
    this.rows += length
    const last = this.#runs - 1
    if (last >= 0 && this.#side[last] === side && this.#start[last]! + this.#length[last]! === start) {
      this.#length[last]! += length
      return
    }
    this.#side[this.#runs] = side
    this.#start[this.#runs] = start
    this.#length[this.#runs] = length
    this.#runs++
  }

  selection(): Selection {
    const runs = this.#runs
    return {
      rows: this.rows,
      runs,
      side: this.#side.subarray(0, runs),
      start: this.#start.subarray(0, runs),
      length: this.#length.subarray(0, runs),
    }
  }
}
