// The text of a landing object, whether it is gzip (RFC 1952; any number of members) or plain, told apart by its first bytes.
//
// A member counts only if its checksum and length hold: what a damaged one inflates to may be wrong in any byte, so none of it is
// used. A member that is merely cut off has no checksum to fail, and what came of it is the beginning of what was written: this rests
// on the store's own checksums, because damage that hides the end of a member looks like a cut.

import { constants, crc32, inflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'

export interface InflatedObject {
  readonly text: Uint8Array
  /** Why this is not the whole object, or null. */
  readonly broken: string | null
}

const INFLATED_BYTES_MAX = 1024 * 1024 * 1024
/** Deflate cannot do better (RFC 1951: 258 bytes for 2 bits). */
const RATIO_MAX = 1032
const TRAILER_BYTES = 8
/** An empty member takes 20 bytes of the object, some 15 µs and a buffer. */
const MEMBERS_MAX = 20_000
const NEXT_MEMBER_CHUNK_BYTES = 1 << 15
/** So much of an object is inflated beside this thread, which scans another one in the meantime; less is not worth the way there. */
const BESIDE_BYTES_MIN = 1 << 16

/** `bytes` itself where the object is plain; text beyond `inflatedBytesMax` makes it `broken`. Never throws for what the bytes hold. */
export async function inflateObject(bytes: Uint8Array, inflatedBytesMax = INFLATED_BYTES_MAX): Promise<InflatedObject> {
  if (!isGzip(bytes, 0)) return { text: bytes, broken: null }
  const parts: Uint8Array[] = []
  let inflatedBytes = 0
  let at = 0
  let broken: string | null = null
  for (let members = 0; at < bytes.length && broken === null; members++) {
    if (members === MEMBERS_MAX) {
      broken = `more than ${MEMBERS_MAX} gzip members`
      break
    }
    const member = await inflateMember(bytes, at, inflatedBytesMax - inflatedBytes, members === 0)
    if (member.part.length > 0) parts.push(member.part)
    inflatedBytes += member.part.length
    at = member.end
    broken = member.broken
  }
  return { text: parts.length === 1 ? parts[0]! : Buffer.concat(parts), broken }
}

interface Member {
  readonly part: Uint8Array
  readonly end: number
  readonly broken: string | null
}

async function inflateMember(
  bytes: Uint8Array,
  start: number,
  partBytesMax: number,
  isFirst: boolean,
): Promise<Member> {
  const nothing = (broken: string): Member => ({ part: new Uint8Array(0), end: bytes.length, broken })
  if (!isGzip(bytes, start)) return nothing(`${bytes.length - start} bytes at ${start} are no gzip member`)
  const dataStart = behindHeader(bytes, start)
  if (dataStart === 0) return nothing(`the gzip header at ${start} is cut off or unknown`)
  const data = bytes.subarray(dataStart)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  // Nearly every object is one member, and its last four bytes say how long it will be: then one buffer of that size does.
  const expected = isFirst ? view.getUint32(bytes.length - 4, true) + 64 : NEXT_MEMBER_CHUNK_BYTES
  const chunkSize = Math.max(64, Math.min(expected, data.length * RATIO_MAX + 64, partBytesMax + 64))
  let part: Uint8Array
  let consumed: number
  try {
    const options = { chunkSize, maxOutputLength: Math.max(partBytesMax, 1), finishFlush: constants.Z_SYNC_FLUSH }
    const inflated = await inflateWithInfo(data, { ...options, info: true })
    part = inflated.buffer
    consumed = inflated.engine.bytesWritten
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      return nothing(`the gzip member at ${start} inflates to more than the ${partBytesMax} bytes that are left for it`)
    }
    return nothing(`the gzip member at ${start} is damaged: ${(error as Error).message}`)
  }
  const trailer = dataStart + consumed
  if (trailer + TRAILER_BYTES > bytes.length) {
    return {
      part,
      end: bytes.length,
      broken: `the gzip member at ${start} is cut off after ${part.length} bytes of text`,
    }
  }
  if (view.getUint32(trailer, true) !== crc32(part)) return nothing(`the gzip member at ${start} has a wrong checksum`)
  if (view.getUint32(trailer + 4, true) !== part.length % 2 ** 32) {
    return nothing(`the gzip member at ${start} has a wrong length`)
  }
  return { part, end: trailer + TRAILER_BYTES, broken: null }
}

interface Inflated {
  readonly buffer: Uint8Array
  readonly engine: { readonly bytesWritten: number }
}

// The types of node:zlib do not know what `info` gives.
async function inflateWithInfo(data: Uint8Array, options: ZlibOptions): Promise<Inflated> {
  if (data.length < BESIDE_BYTES_MIN) return inflateRawSync(data, options) as unknown as Inflated
  return new Promise((resolve, reject) => {
    inflateRaw(data, options, (error, inflated) =>
      error === null ? resolve(inflated as unknown as Inflated) : reject(error),
    )
  })
}

function isGzip(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x1f && bytes[at + 1] === 0x8b
}

const FLAG_HEADER_CRC = 2
const FLAG_EXTRA = 4
const FLAG_NAME = 8
const FLAG_COMMENT = 16

/** Where the deflate stream of the member at `start` begins; 0 where the header is cut off or not one of RFC 1952. */
function behindHeader(bytes: Uint8Array, start: number): number {
  const flags = bytes[start + 3]
  if (start + 10 > bytes.length || bytes[start + 2] !== 8 || flags === undefined || flags > 31) return 0
  let at = start + 10
  if ((flags & FLAG_EXTRA) !== 0) {
    if (at + 2 > bytes.length) return 0
    at += 2 + bytes[at]! + 256 * bytes[at + 1]!
  }
  for (const flag of [FLAG_NAME, FLAG_COMMENT]) {
    if ((flags & flag) === 0) continue
    const zero = bytes.indexOf(0, at)
    if (zero < 0) return 0
    at = zero + 1
  }
  if ((flags & FLAG_HEADER_CRC) !== 0) at += 2
  return at <= bytes.length ? at : 0
}
