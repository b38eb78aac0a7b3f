// Lines that are put in the order of tasks say what they said before, each with its own item.

import { expect, it } from 'vitest'
import type { LandedLines } from '../src/change/lines.ts'
import { valueAt } from '../src/columns/values.ts'
import { parseTableDefinition } from '../src/index.ts'
import { readLanding } from '../src/landing/read-landing.ts'
import { inTaskOrder } from '../src/landing/task-order.ts'
import { memoryStore } from '../src/store/memory.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { LANDING, land } from './table-run.ts'

const spec = handTable(['identity(region)'])

/** What line `row` says, by its number. */
function saidBy(lines: LandedLines, row: number): [number, unknown] {
  const text = ({ starts, bytes }: LandedLines['keys']) =>
    Buffer.from(bytes.subarray(starts[row]!, starts[row + 1]!)).toString('latin1')
  const item = lines.item[row]!
  return [
    lines.lineNumber[row]!,
    {
      key: text(lines.keys),
      version: text(lines.versions),
      operation: lines.operation[row],
      at: lines.at[row],
      accepted: lines.accepted[row],
      partition: lines.partitions[lines.partition[row]!],
      oldPartition: lines.partitions[lines.oldPartition[row]!],
      item: item < 0 ? null : lines.columns.map((column) => valueAt(column, { kind: 'string' }, item)),
    },
  ]
}

it('lines in the order of tasks are by partition and key, and say what they said', async () => {
  const definition = parseTableDefinition(spec.text)
  const store = memoryStore()
  const lines = Array.from({ length: 300 }, (_, i) => {
    const key = (i * 7919) % 211
    const change = { pk: `key ${key}`, sequence: i + 1, note: `note ${i} ${'x'.repeat(i % 90)}` }
    const region = `region ${key % 5}`
    return line(spec, i % 4 === 0 ? { ...change, from: region } : { ...change, from: region, to: `region ${i % 7}` })
  })
  await land(store, [objectOf('lines.ndjson', lines)])
  const listed = await store.list(LANDING)
  if (listed.kind !== 'ok') throw new Error(listed.kind)
  const landed = await readLanding(store, listed.objects[0]!, definition)
  if ('reason' in landed) throw new Error(landed.reason)

  const before = landed.lines
  const after = inTaskOrder(before)
  const rows = [...before.lineNumber.keys()]
  const said = new Map(rows.map((row) => saidBy(after, row)))
  expect(after.count).toBe(300)
  expect(said).toEqual(new Map(rows.map((row) => saidBy(before, row))))
  const places = rows.map((row) => {
    const { key } = saidBy(after, row)[1] as { key: string }
    return [after.partition[row]!, key] as const
  })
  for (const [row, [partition, key]] of places.slice(1).entries()) {
    const [partitionBefore, keyBefore] = places[row]!
    expect(partitionBefore < partition || (partitionBefore === partition && keyBefore <= key)).toBe(true)
  }
})
