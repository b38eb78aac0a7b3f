// Iceberg's partition transforms on the cells of model-values.ts, written from the table spec ("Partition Transforms",
// appendix B) and sharing nothing with the library.

/** `bucket(pk, 4)`, taken apart. */
export interface PartitionSpec {
  readonly transform: 'identity' | 'bucket' | 'truncate' | 'year' | 'month' | 'day' | 'hour'
  readonly column: string
  readonly size: number
}

/** The partition's values as text, one a field: what `partitionText` of a stored tuple gives too. */
export function partitionValue(spec: PartitionSpec, type: string, cell: string | null): string | null {
  if (cell === null) return null
  switch (spec.transform) {
    case 'identity':
      return type.startsWith('decimal') ? unscaled(cell).toString() : cell
    case 'bucket':
      return ((murmur3(hashedBytes(type, cell)) & 0x7fffffff) % spec.size).toString()
    case 'truncate':
      return truncated(type, cell, spec.size)
    case 'hour':
      return floorDivide(BigInt(cell), 3_600_000_000n).toString()
    case 'day':
      return daysOf(type, cell).toString()
    case 'month':
      return monthOf(daysOf(type, cell)).toString()
    case 'year':
      return Math.floor(monthOf(daysOf(type, cell)) / 12).toString()
  }
}

/** A partition tuple as one text. Stored values may be null, boolean, number, bigint, string or bytes. */
export function partitionText(values: readonly unknown[]): string {
  const text = (value: unknown) =>
    value === null ? null : value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
  return JSON.stringify(values.map(text))
}

function daysOf(type: string, cell: string): bigint {
  return type === 'date' ? BigInt(cell) : floorDivide(BigInt(cell), 86_400_000_000n)
}

/** Months since 1970-01. */
function monthOf(days: bigint): number {
  const date = new Date(Number(days) * 86_400_000)
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth()
}

function truncated(type: string, cell: string, width: number): string {
  if (type === 'string') return [...cell].slice(0, width).join('')
  if (type === 'binary') return cell.slice(0, 2 * width)
  const value = type.startsWith('decimal') ? unscaled(cell) : BigInt(cell)
  return (floorDivide(value, BigInt(width)) * BigInt(width)).toString()
}

function hashedBytes(type: string, cell: string): Uint8Array {
  if (type === 'string' || type === 'number') return Buffer.from(cell, 'utf8')
  if (type === 'binary') return Buffer.from(cell, 'hex')
  if (type.startsWith('decimal')) return twosComplement(unscaled(cell))
  const long = Buffer.alloc(8)
  long.writeBigInt64LE(BigInt(cell))
  return long
}

function unscaled(cell: string): bigint {
  return BigInt(cell.replace('.', ''))
}

/** The fewest big-endian bytes that hold the value and its sign. */
function twosComplement(value: bigint): Uint8Array {
  let bytes = 1
  while (BigInt.asIntN(8 * bytes, value) !== value) bytes++
  return Buffer.from(
    BigInt.asUintN(8 * bytes, value)
      .toString(16)
      .padStart(2 * bytes, '0'),
    'hex',
  )
}

function floorDivide(value: bigint, by: bigint): bigint {
  const quotient = value / by
  return value % by < 0n ? quotient - 1n : quotient
}

/** MurmurHash3, x86, 32 bits, seed 0. */
function murmur3(bytes: Uint8Array): number {
  const scramble = (k: number) => {
    const mixed = Math.imul(k, 0xcc9e2d51)
    return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
  }
  const whole = bytes.length & ~3
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let h = 0
  for (let i = 0; i < whole; i += 4) {
    h ^= scramble(view.getInt32(i, true))
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | bytes[i]!
  if (bytes.length > whole) h ^= scramble(tail)
  h ^= bytes.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Reads `bucket(pk, 4)`. */
export function parsePartitionSpec(text: string): PartitionSpec {
  const match = /^(\w+)\((\w+)(?:, (\d+))?\)$/.exec(text)
  if (match === null) throw new Error(`not a partition field: ${text}`)
  return { transform: match[1] as PartitionSpec['transform'], column: match[2]!, size: Number(match[3] ?? 0) }
}
