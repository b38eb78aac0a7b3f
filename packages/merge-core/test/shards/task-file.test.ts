import { describe, expect, it } from 'vitest'
import { JsonObject } from '../../src/shards/json-object.ts'
import { formatTaskFile, parseTable, parseTasks, type TaskFile, type TaskTable } from '../../src/shards/task-file.ts'

const PATH = 'memory://lake/staging/task.json'

const table: TaskTable = {
  location: 'memory://lake/orders',
  snapshot: 8_765_432_109_876_543_210n,
  metadata: 'memory://lake/orders/metadata/v3.metadata.json',
  layout: {
    fields: [
      { id: 1, name: 'pk', type: { kind: 'decimal', precision: 38, scale: 2 }, required: true },
      { id: 2, name: 'ring', type: { kind: 'fixed', bytes: 3 }, required: false },
    ],
    keyColumns: 1,
    streamColumn: 4,
    sequenceColumn: 5,
    expiredColumn: -1,
    fileBytes: 1000,
    rowGroupRows: 100,
    sortOrderId: 1,
  },
  spec: {
    'spec-id': 0,
    fields: [
      { name: 'ring', transform: 'identity', 'source-id': 2, 'field-id': 1000 },
      { name: 'pk_bucket', transform: 'bucket[8]', 'source-id': 1, 'field-id': 1001 },
    ],
  },
  names: new Map([[1, ['pk', 'old pk']]]),
}

const partition = [Uint8Array.of(1, 2, 255), 7] as const
const tasks: TaskFile = {
  changes: 'memory://lake/staging/0.parquet',
  tasks: [
    {
      id: 'abc',
      partition,
      folder: 'memory://lake/orders/data/ring=AQL_/pk_bucket=7',
      files: [
        {
          file: { path: 'memory://lake/orders/data/x.parquet', fileBytes: 5 },
          rows: 9,
          deletes: [{ path: 'memory://lake/orders/data/d.parquet' }],
          names: table.names,
          constants: new Map([[2, partition[0]]]),
        },
      ],
      from: 0,
      to: 12,
    },
  ],
}

const read = (text: string) => {
  const json = JsonObject.read(PATH, Buffer.from(text))
  const parsed = parseTable(PATH, json.object('table'))
  return { table: parsed, tasks: parseTasks(parsed, json) }
}

describe('a task file', () => {
  it('says what it said before, partitions of bytes and snapshots of 64 bits too', () => {
    expect(read(formatTaskFile(table, tasks))).toEqual({ table, tasks })
  })

  it.each<[string, (json: never) => unknown, string]>([
    ['a member is missing', ({ changes: _, ...rest }: { changes: string }) => rest, 'changes is no text: undefined'],
    ['a member is of another type', (json: object) => ({ ...json, tasks: {} }), 'tasks is no list: {}'],
    [
      'a member deep inside is wrong',
      (json: { tasks: object[] }) => ({ ...json, tasks: [{ ...json.tasks[0], from: 'a' }] }),
      'tasks[0].from is no count: "a"',
    ],
    ['a later version wrote it', (json: object) => ({ ...json, format: 2 }), 'written in format 2'],
  ])('is refused by name where %s', (_, damage, message) => {
    const text = JSON.stringify(damage(JSON.parse(formatTaskFile(table, tasks)) as never))
    expect(() => read(text)).toThrow(`${PATH}: ${message}`)
  })

  it('is refused where it is no JSON', () => {
    expect(() => read('{"format"')).toThrow(`${PATH}: is no JSON`)
  })
})
