// What is known of each key, in 29 bytes a key: a hash table over digests, whose arrays are made once.
//
// A digest is the beginning of a SHA-256: 96 bits of a key, 64 of a row. That two keys of 10^10 share one is as likely as 1 in 10^9,
// that an altered row keeps its digest 1 in 10^19, and nobody can make either happen.

import { hash } from 'node:crypto'
import { invariant } from '../invariant.ts'

const KEY_WORDS = 3
const ROW_WORDS = 2
/** Words of both, and flags; two slots a key, as the table is at most half full. */
export const BYTES_PER_KEY = 4 * (KEY_WORDS + ROW_WORDS) + 1 + 2 * 4

export type Digest = readonly [number, number, number]

export function digestOf(bytes: Uint8Array): Digest {
  const digest = hash('sha256', bytes, 'buffer')
  return [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8)]
}

/** Which of `slices` equal parts of all keys a key is in. Slots within a part go by other bits. */
export function sliceOf(key: Digest, slices: number): number {
  return Math.floor(((key[1] >>> 0) / 2 ** 32) * slices)
}

export class KeyTable {
  readonly capacity: number
  count = 0
  readonly flags: Uint8Array
  private readonly keys: Int32Array
  private readonly rows: Int32Array
  /** Entry + 1; 0 where none is. */
  private readonly slots: Int32Array

  constructor(capacity: number) {
    this.capacity = capacity
    this.flags = new Uint8Array(capacity)
    this.keys = new Int32Array(capacity * KEY_WORDS)
    this.rows = new Int32Array(capacity * ROW_WORDS)
    this.slots = new Int32Array(2 * capacity + 1)
  }

  /** The entry of a key; −1 where there is none. */
  find(key: Digest): number {
    return this.slots[this.slotOf(key)]! - 1
  }

  /** The entry of a key, a new one without flags where there was none. */
  entryOf(key: Digest): number {
    const slot = this.slotOf(key)
    if (this.slots[slot] !== 0) return this.slots[slot]! - 1
    invariant(this.count < this.capacity, `more than ${this.capacity} keys in a table that was made for them`)
    const entry = this.count++
    this.slots[slot] = entry + 1
    for (let i = 0; i < KEY_WORDS; i++) this.keys[entry * KEY_WORDS + i] = key[i]!
    return entry
  }

  setRow(entry: number, row: Digest): void {
    for (let i = 0; i < ROW_WORDS; i++) this.rows[entry * ROW_WORDS + i] = row[i]!
  }

  hasRow(entry: number, row: Digest): boolean {
    for (let i = 0; i < ROW_WORDS; i++) if (this.rows[entry * ROW_WORDS + i] !== row[i]) return false
    return true
  }

  private slotOf(key: Digest): number {
    const { slots, keys } = this
    for (let slot = Math.floor(((key[0] >>> 0) / 2 ** 32) * slots.length); ; slot = (slot + 1) % slots.length) {
      const entry = slots[slot]! - 1
      if (entry < 0) return slot
      const at = entry * KEY_WORDS
      if (keys[at] === key[0] && keys[at + 1] === key[1] && keys[at + 2] === key[2]) return slot
    }
  }
}
