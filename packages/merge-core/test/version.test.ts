import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeVersion, encodeVersions, splitVersion, versionColumns } from '../src/change/version.ts'

const OLD = '2026-11-22T08:00:00.000'
const NEW = '2026-11-23T08:00:00.000'

function concat(versions: readonly Uint8Array[]) {
  const starts = new Uint32Array(versions.length + 1)
  for (const [index, version] of versions.entries()) starts[index + 1] = starts[index]! + version.length
  return { starts, bytes: Buffer.concat(versions) }
}

describe('versions', () => {
  it('write a sequence number as two digits of length and its digits without leading zeros', () => {
    expect(Buffer.from(encodeVersion(OLD, '400000000024465870661')).toString()).toBe(
      `${OLD}\x0021400000000024465870661`,
    )
    expect(Buffer.from(encodeVersion(OLD, '000000000000000000042')).toString()).toBe(`${OLD}\x000242`)
    expect(Buffer.from(encodeVersion(OLD, '000')).toString()).toBe(`${OLD}\x00010`)
  })

  it('are ordered by stream, then by sequence number as an integer', () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 40n - 1n })
    fc.assert(
      fc.property(fc.constantFrom(OLD, NEW), digits, fc.constantFrom(OLD, NEW), digits, (s, a, t, b) => {
        const expected = s !== t ? (s < t ? -1 : 1) : a < b ? -1 : a > b ? 1 : 0
        const left = encodeVersion(s, String(a).padStart(21, '0'))
        expect(Buffer.compare(left, encodeVersion(t, String(b)))).toBe(expected)
      }),
    )
  })

  it('rank a missing version below all, and split into what they were made of', () => {
    expect(splitVersion(new Uint8Array(3), 1, 1)).toBeNull()
    const version = encodeVersion(NEW, '7')
    expect(splitVersion(version, 0, version.length)).toEqual({ stream: NEW, sequence: '017' })
    expect(() => splitVersion(Buffer.from('x'), 0, 1)).toThrow('no 0x00')
  })

  it('refuse what is no sequence number', () => {
    for (const wrong of ['', '1.5', '-1', '1e3', '9'.repeat(41)]) {
      expect(() => encodeVersion(OLD, wrong)).toThrow('1 to 40 digits')
    }
  })

  it('go to columns and back, missing ones as null', () => {
    const of = fc.oneof(
      fc.constant(new Uint8Array(0)),
      fc
        .tuple(fc.constantFrom('', OLD, NEW), fc.bigInt({ min: 0n, max: 10n ** 30n }))
        .map(([s, n]) => encodeVersion(s, `${n}`)),
    )
    fc.assert(
      fc.property(fc.array(of), (versions) => {
        const { stream, sequence } = versionColumns(concat(versions))
        expect(stream.dictionary.rows).toBeLessThanOrEqual(3)
        const again = encodeVersions(stream, sequence)
        expect(Buffer.from(again.bytes).toString()).toBe(concat(versions).bytes.toString())
        expect([...again.starts]).toEqual([...concat(versions).starts])
      }),
    )
  })
})
