import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkCalls, type Line, packLines, RECORD_BYTES_MAX } from '../src/pack-lines.ts'

// Amazon Data Firehose quotas: PutRecordBatch takes 500 records and 4 MiB a call; what it carries is base64.
const CALL_RECORDS = 500
const CALL_BYTES = 4 * 1024 * 1024

function line(bytes: number, sequence: number): Line {
  return { sequence: String(sequence), text: 'x'.repeat(bytes - 1), bytes, oversize: false }
}

const lineBytes = fc.oneof(
  fc.integer({ min: 2, max: 3000 }),
  fc.integer({ min: RECORD_BYTES_MAX / 2 - 2, max: RECORD_BYTES_MAX }),
)

describe('packing', () => {
  it('keeps every line, in its order and ended by a newline, in records and calls within the limits', () => {
    const property = fc.property(fc.array(lineBytes, { maxLength: 300 }), (sizes) => {
      const lines = sizes.map((bytes, i) => line(bytes, i))
      const records = packLines(lines)
      const calls = chunkCalls(records)
      expect(calls.flat()).toEqual(records)
      expect(Buffer.concat(records.map((record) => record.data)).toString()).toBe(
        lines.map(({ text }) => `${text}\n`).join(''),
      )
      let first = 0
      for (const { data, sequence, lines: count } of records) {
        expect(data.length).toBeLessThanOrEqual(RECORD_BYTES_MAX)
        expect(sequence).toBe(lines[first]!.sequence)
        first += count
      }
      expect(first).toBe(lines.length)
      for (const call of calls) {
        expect(call.length).toBeLessThanOrEqual(CALL_RECORDS)
        const base64 = call.reduce((sum, { data }) => sum + Math.ceil(data.length / 3) * 4, 0)
        expect(base64).toBeLessThanOrEqual(CALL_BYTES)
      }
    })
    fc.assert(property, { numRuns: 50 })
  })

  it('fills records: two that follow each other would not fit into one', () => {
    const records = packLines(Array.from({ length: 5000 }, (_, i) => line(100 + (i % 700), i)))
    for (const [i, { data }] of records.slice(1).entries()) {
      expect(records[i]!.data.length + data.length).toBeGreaterThan(RECORD_BYTES_MAX)
    }
  })

  it('makes calls of 500 records at most, however small they are', () => {
    const records = Array.from({ length: 1001 }, (_, i) => ({
      data: Buffer.from('x\n'),
      sequence: String(i),
      lines: 1,
    }))
    expect(chunkCalls(records).map((call) => call.length)).toEqual([500, 500, 1])
  })
})
