// The key of a line: its `keys` object, as order-preserving bytes.
//
// The form that is common (no white space, no escapes, plain integers) is read by position; any other by way of values, to the same bytes.

import type { DeclaredColumn, TableDefinition } from '../table-definition.ts'
import { ByteSink } from './byte-sink.ts'
import { stands, type Template, templateOf } from './byte-template.ts'
import { plainEnd } from './common-values.ts'
import { declaredValue, tagOfType } from './declared-value.ts'
import { type Member, membersOf } from './dynamodb-json.ts'
import { CLOSE_OBJECT, COMMA, decodeString, OPEN_OBJECT } from './json-scan.ts'
import { appendVariablePart, encodeKeyPart } from './key-order.ts'

interface KeyPart {
  readonly column: DeclaredColumn
  readonly nameBytes: Uint8Array
  /** `"pk":{"S":"` */
  readonly template: Template
  valueStart: number
  valueEnd: number
}

export interface KeyReader {
  /** Appends the key of the compact object that starts at `start`; behind it, or 0 (nothing appended) where `read` must be asked. */
  readCompact(text: Uint8Array, view: DataView, start: number, end: number, out: ByteSink): number
  /** Appends the key of the object text[start … end), which is valid JSON; what is wrong with it, or null. */
  read(text: Uint8Array, start: number, end: number, out: ByteSink): string | null
}

export function makeKeyReader(definition: TableDefinition): KeyReader {
  const parts: KeyPart[] = definition.columns.slice(0, definition.keyColumns).map((column) => ({
    column,
    nameBytes: Buffer.from(column.attribute),
    template: templateOf(`${JSON.stringify(column.attribute)}:{"${tagOfType(column.type)}":"`),
    valueStart: 0,
    valueEnd: 0,
  }))
  const last = parts.length - 1

  return {
    readCompact(text, view, start, end, out) {
      let at = start
      if (text[at++] !== OPEN_OBJECT) return 0
      // The parts may come in either order.
      let first = 0
      for (let i = 0; i <= last; i++) {
        let part = parts[i === 0 ? 0 : 1 - first]!
        if (!stands(view, at, end, part.template)) {
          if (i > 0 || last === 0) return 0
          first = 1
          part = parts[1]!
          if (!stands(view, at, end, part.template)) return 0
        }
        at += part.template.length
        part.valueStart = at
        const quote = plainEnd(text, view, at)
        if (quote < 0) return 0
        part.valueEnd = quote
        at = quote + 2
        if (text[at++] !== (i === last ? CLOSE_OBJECT : COMMA)) return 0
      }
      if (at > end) return 0
      const before = out.length
      for (let i = 0; i <= last; i++) {
        if (appendCompact(text, parts[i]!, i === last, out)) continue
        out.length = before
        return 0
      }
      return at
    },

    read(text, start, end, out) {
      const members = membersOf(text, start, end)!
      const named = members.map((member) => nameOf(member))
      const before = out.length
      for (const [i, part] of parts.entries()) {
        const at = named.indexOf(part.column.attribute)
        const problem =
          at < 0 ? `"keys" lacks ${part.column.attribute}` : appendValue(part, members[at]!, i === last, out)
        if (problem === null) continue
        out.length = before
        return problem
      }
      if (members.length === parts.length) return null
      out.length = before
      return `"keys" has ${members.length} attributes, the table's key has ${parts.length}`
    },
  }
}

/** False where the value is not of a form that needs no thought. */
function appendCompact(text: Uint8Array, part: KeyPart, isLast: boolean, out: ByteSink): boolean {
  const { valueStart, valueEnd, column } = part
  switch (column.type.kind) {
    case 'string':
      appendVariablePart(out, text, valueStart, valueEnd, isLast)
      return true
    case 'number':
      if (Number.isNaN(smallInteger(text, valueStart, valueEnd))) return false
      appendVariablePart(out, text, valueStart, valueEnd, isLast)
      return true
    case 'long': {
      const value = smallInteger(text, valueStart, valueEnd)
      if (Number.isNaN(value)) return false
      pushBigEndian(out, Math.floor(value / 0x100000000) ^ 0x80000000)
      pushBigEndian(out, value)
      return true
    }
    default:
      return false
  }
}

/** An integer of at most 15 digits in canonical form, else NaN. */
function smallInteger(text: Uint8Array, start: number, end: number): number {
  const negative = text[start] === 0x2d
  const first = negative ? start + 1 : start
  const digits = end - first
  if (digits < 1 || digits > 15 || (text[first] === 0x30 && (digits > 1 || negative))) return Number.NaN
  let value = 0
  for (let i = first; i < end; i++) {
    const digit = text[i]! - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return negative ? -value : value
}

function pushBigEndian(out: ByteSink, value: number): void {
  out.reserve(4)
  const { bytes, length } = out
  bytes[length] = value >>> 24
  bytes[length + 1] = value >>> 16
  bytes[length + 2] = value >>> 8
  bytes[length + 3] = value
  out.length = length + 4
}

function appendValue({ column }: KeyPart, member: Member, isLast: boolean, out: ByteSink): string | null {
  const value = declaredValue(member.bytes, member.valueStart, member.valueEnd, column.type)
  if (value === undefined || value === null) {
    const text = Buffer.from(
      member.bytes.subarray(member.valueStart, Math.min(member.valueEnd, member.valueStart + 100)),
    )
    return `"keys.${column.attribute}" is ${text.toString()}, the table's key ${column.name} is of type ${column.type.kind}`
  }
  const bytes = encodeKeyPart(column.storedType, value, isLast)
  out.push(bytes, 0, bytes.length)
  return null
}

function nameOf({ bytes, nameStart, nameEnd }: Member): string {
  const characters = new ByteSink(nameEnd - nameStart)
  decodeString(bytes, nameStart, nameEnd, characters)
  return Buffer.from(characters.bytes.subarray(0, characters.length)).toString()
}
