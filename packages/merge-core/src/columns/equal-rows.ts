// Whether two rows hold the same values.

import { type BytesColumn, type Column, isPresent } from './column.ts'
import { lanesOf, lanesPerRow } from './lanes.ts'

/** Numbers are the same where their bit patterns are. The columns have one layout, column by column. */
export function equalRows(a: readonly Column[], i: number, b: readonly Column[], j: number): boolean {
  return a.every((column, index) => equalValues(column, i, b[index]!, j))
}

export function equalValues(a: Column, i: number, b: Column, j: number): boolean {
  const present = isPresent(a.validity, i)
  if (present !== isPresent(b.validity, j)) return false
  if (!present) return true
  if (a.kind === 'dictionary') return equalValues(a.dictionary, a.indices[i]!, b, j)
  if (b.kind === 'dictionary') return equalValues(a, i, b.dictionary, b.indices[j]!)
  if (a.kind === 'bytes') return b.kind === 'bytes' && equalBytes(a, i, b, j)
  if (a.kind !== b.kind) return false
  const perRow = lanesPerRow(a)
  const one = lanesOf(a)
  const other = lanesOf(b)
  for (let lane = 0; lane < perRow; lane++) if (one[i * perRow + lane] !== other[j * perRow + lane]) return false
  return true
}

function equalBytes(a: BytesColumn, i: number, b: BytesColumn, j: number): boolean {
  const start = a.starts[i]!
  const length = a.starts[i + 1]! - start
  const otherStart = b.starts[j]!
  if (b.starts[j + 1]! - otherStart !== length) return false
  for (let byte = 0; byte < length; byte++) if (a.bytes[start + byte] !== b.bytes[otherStart + byte]) return false
  return true
}
