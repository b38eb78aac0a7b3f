// Lines to Firehose records, and records to calls.
//
// Firehose takes records of 1,000 KiB, and 500 of them or 4 MiB a call (Amazon Data Firehose quotas), and bills each record up to a
// multiple of 5 KB. Ours are smaller, as what fails is sent again whole; Firehose writes them one after the other, as they are.

/** One line and the stream record that it came from. */
export interface Line {
  readonly sequence: string
  readonly text: string
  /** In UTF-8, with its newline. */
  readonly bytes: number
  /** Its item lies in S3. */
  readonly oversize: boolean
}

export interface PackedRecord {
  readonly data: Uint8Array
  /** Of its first line, which has the lowest. */
  readonly sequence: string
  readonly lines: number
}

export const RECORD_BYTES_MAX = 256 * 1024
export const CALL_RECORDS_MAX = 500
/** As base64, in which a call carries them, 4 MiB. */
export const CALL_BYTES_MAX = 3 * 1024 * 1024

/** Packs the lines in their order. None of them is larger than a record. */
export function packLines(lines: readonly Line[]): PackedRecord[] {
  return groups(lines, (line) => line.bytes, RECORD_BYTES_MAX).map((group) => ({
    data: Buffer.from(group.map((line) => `${line.text}\n`).join('')),
    sequence: group[0]!.sequence,
    lines: group.length,
  }))
}

export function chunkCalls(records: readonly PackedRecord[]): PackedRecord[][] {
  return groups(records, (record) => record.data.length, CALL_BYTES_MAX, CALL_RECORDS_MAX)
}

function groups<T>(all: readonly T[], bytesOf: (one: T) => number, bytesMax: number, countMax = Infinity): T[][] {
  const groups: T[][] = []
  let bytes = Infinity
  for (const one of all) {
    bytes += bytesOf(one)
    const last = groups.at(-1)
    if (last === undefined || bytes > bytesMax || last.length === countMax) {
      groups.push([one])
      bytes = bytesOf(one)
    } else {
      last.push(one)
    }
  }
  return groups
}
