import type { PrimitiveType } from '@lastwrite/merge-core'
import { expect, it } from 'vitest'
import { jsonValue } from '../src/json-value.ts'
import { toJson } from '../src/print.ts'

const decimal = (scale: number): PrimitiveType => ({ kind: 'decimal', precision: 38, scale })

it.each<[PrimitiveType, Parameters<typeof jsonValue>[1], string]>([
  [{ kind: 'string' }, 'a', '"a"'],
  [{ kind: 'string' }, null, 'null'],
  [{ kind: 'long' }, -9007199254740993n, '-9007199254740993'],
  [{ kind: 'date' }, -1, '"1969-12-31"'],
  [{ kind: 'timestamptz' }, 1795334400000000n, '"2026-11-22T08:00:00Z"'],
  [{ kind: 'timestamptz' }, -1n, '"1969-12-31T23:59:59.999999Z"'],
  [decimal(2), 5n, '0.05'],
  [decimal(2), -1234567890123456789012345678901234567n, '-12345678901234567890123456789012345.67'],
  [decimal(0), 7n, '7'],
  [{ kind: 'binary' }, Buffer.from([1, 2]), '"AQI="'],
])('shows %j %s as %s', (type, value, json) => {
  expect(toJson(jsonValue(type, value))).toBe(json)
})
