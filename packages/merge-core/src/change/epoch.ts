// Points in time as the table keeps them: microseconds since 1970 (UTC) in 64 bits.

import type { Int64Column, Validity } from '../columns/column.ts'
import { setBit } from '../columns/validity.ts'

export function epochMicros(seconds: number): number {
  return Math.round(seconds * 1e6)
}

const TWO_TO_32 = 0x100000000

/** A column of these epoch seconds, null where there is no number. Written as halves of 32 bits, as the machine lays them out: no BigInt is made. */
export function epochMicrosColumn(seconds: Float64Array): Int64Column {
  const halves = new Int32Array(2 * seconds.length)
  for (let row = 0; row < seconds.length; row++) {
    const micros = epochMicros(seconds[row]!)
    const high = Math.floor(micros / TWO_TO_32)
    halves[2 * row] = micros - high * TWO_TO_32
    halves[2 * row + 1] = high
  }
  return { kind: 'int64', rows: seconds.length, validity: presenceOf(seconds), data: new BigInt64Array(halves.buffer) }
}

function presenceOf(seconds: Float64Array): Validity {
  if (!seconds.some(Number.isNaN)) return null
  const validity = new Uint8Array((seconds.length + 7) >> 3)
  for (const [row, second] of seconds.entries()) if (!Number.isNaN(second)) setBit(validity, row)
  return validity
}
