import { describe, expect, it } from 'vitest'
import { DamagedObjectError, InputError, TryAgainError } from '../../src/errors.ts'
import {
  advanceMain,
  applyUpdates,
  type Catalog,
  type CommitResult,
  type LoadedTable,
  type TableRequirement,
} from '../../src/iceberg/catalog.ts'
import { fileCatalog } from '../../src/iceberg/file-catalog.ts'
import {
  newTableMetadata,
  parseTableMetadata,
  type Snapshot,
  type TableMetadata,
  writeTableMetadata,
} from '../../src/iceberg/metadata.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'
import type { ObjectStore, PutResult } from '../../src/store/object-store.ts'

const LOCATION = 'memory://lake/orders'
const version = (number: number, infix = '') => `${LOCATION}/metadata/v${number}${infix}.metadata.json`
const HINT = `${LOCATION}/metadata/version-hint.text`

const emptyTable = newTableMetadata({
  uuid: 'eaf74208-439c-4e8e-8472-e972bfc23721',
  location: LOCATION,
  schema: { type: 'struct', 'schema-id': 0, fields: [] },
  properties: {},
  nowMs: 1000,
})

let clock = 10_000
const catalogOn = (store: ObjectStore): Catalog => {
  const unused = () => {
    throw new Error('a catalog needs no randomness and does not sleep')
  }
  return fileCatalog(store, LOCATION, { store, nowMs: () => clock++, random: unused, uuid: unused, sleep: unused })
}

const nextSnapshot = ({ metadata }: LoadedTable, id: bigint): Snapshot => {
  const parent = metadata.snapshots?.at(-1)?.['snapshot-id']
  return {
    'sequence-number': metadata['last-sequence-number'] + 1,
    'snapshot-id': id,
    ...(parent !== undefined && { 'parent-snapshot-id': parent }),
    'timestamp-ms': clock++,
    summary: { operation: 'append' },
    'manifest-list': `${LOCATION}/metadata/snap-${id}.avro`,
    'schema-id': 0,
  }
}

const advance = (catalog: Catalog, base: LoadedTable, id: bigint, requirements: TableRequirement[] = []) =>
  catalog.commit(base, advanceMain(nextSnapshot(base, id)), requirements)

async function created(store: MemoryStore = memoryStore()) {
  const catalog = catalogOn(store)
  const result = await catalog.create(emptyTable)
  if (result.kind !== 'committed') throw new Error(result.kind)
  return { store, catalog, table: result.table }
}

const committed = (result: CommitResult): LoadedTable => {
  if (result.kind !== 'committed') throw new Error(`it is ${result.kind}`)
  return result.table
}
const snapshotIds = (table: LoadedTable | null) => table?.metadata.snapshots?.map((snapshot) => snapshot['snapshot-id'])
const textAt = (store: MemoryStore, path: string) => Buffer.from(store.snapshot().get(path)!.bytes).toString()

/** A foreign commit as another program would make it: the next version on top of `base`. */
function foreignVersion(base: LoadedTable, id: bigint): TableMetadata {
  const updated = applyUpdates(base.metadata, advanceMain(nextSnapshot(base, id)), clock++)
  const entry = { 'timestamp-ms': base.metadata['last-updated-ms'], 'metadata-file': base.metadataLocation }
  return { ...updated, 'metadata-log': [...(updated['metadata-log'] ?? []), entry] }
}
const plant = (store: MemoryStore, path: string, metadata: TableMetadata) =>
  store.plant(path, Buffer.from(writeTableMetadata(metadata)))

const LOST = { kind: 'unknown', cause: new Error('the answer was lost') } as const

/** A store whose creates go through `act`, which may call the real one. */
function creating(store: ObjectStore, act: (create: () => Promise<PutResult>) => Promise<PutResult>): ObjectStore {
  return {
    ...store,
    put: (path, content, mode) => {
      const put = () => store.put(path, content, mode)
      return mode.kind === 'create' ? act(put) : put()
    },
  }
}

describe('a folder as catalog', () => {
  it('has no table before one is created, and that one afterwards', async () => {
    const store = memoryStore()
    expect(await catalogOn(store).load()).toBeNull()
    const { table, catalog } = await created(store)
    expect(await catalog.load()).toEqual(table)
    expect(table).toEqual({ metadata: emptyTable, metadataLocation: version(1) })
    expect(textAt(store, HINT)).toBe('1')
    expect(await catalog.create(emptyTable)).toEqual({ kind: 'conflict' })
  })

  it('reads a version once, and again where another object stands under its name', async () => {
    const { store, catalog, table } = await created()
    const reads = () => store.log.filter(({ operation, path }) => operation === 'get' && path === version(1)).length
    expect([await catalog.load(), await catalog.load(), reads()]).toEqual([table, table, 1])
    const other = { ...emptyTable, properties: { made: 'anew' } }
    store.uproot(version(1))
    store.plant(version(1), Buffer.from(writeTableMetadata(other)))
    expect((await catalog.load())?.metadata.properties).toEqual({ made: 'anew' })
    expect(reads()).toBe(2)
  })

  it('moves from version to version, with its log and the hint', async () => {
    const { store, catalog, table } = await created()
    const second = committed(await advance(catalog, table, 7n))
    const third = committed(await catalog.commit(second, [{ action: 'set-properties', updates: { a: 'b' } }], []))
    expect(await catalog.load()).toEqual(third)
    expect(third.metadataLocation).toBe(version(3))
    expect(third.metadata.properties).toEqual({ a: 'b' })
    expect(third.metadata['metadata-log']).toEqual([
      { 'metadata-file': version(1), 'timestamp-ms': table.metadata['last-updated-ms'] },
      { 'metadata-file': version(2), 'timestamp-ms': second.metadata['last-updated-ms'] },
    ])
    expect(textAt(store, HINT)).toBe('3')
  })

  it('keeps as many entries of its log as the table says', async () => {
    const { catalog, table } = await created()
    const set = { action: 'set-properties', updates: { 'write.metadata.previous-versions-max': '2' } } as const
    let latest = committed(await catalog.commit(table, [set], []))
    for (let i = 0; i < 4; i++) latest = committed(await advance(catalog, latest, BigInt(i + 1)))
    expect(latest.metadata['metadata-log']!.map((entry) => entry['metadata-file'])).toEqual([version(4), version(5)])
  })

  it('asks nobody but the listing for the newest version', async () => {
    const { store, catalog, table } = await created()
    const second = committed(await advance(catalog, table, 7n))
    for (const hint of ['1', '99', 'nonsense']) {
      store.plant(HINT, Buffer.from(hint))
      expect(await catalog.load()).toEqual(second)
    }
    store.uproot(HINT)
    expect(await catalog.load()).toEqual(second)
  })

  it('counts versions as numbers', async () => {
    const { store, catalog, table } = await created()
    for (const number of [9, 10]) plant(store, version(number), table.metadata)
    expect((await catalog.load())!.metadataLocation).toBe(version(10))
  })

  it('sends one unconditional write, the hint', async () => {
    const { store, catalog, table } = await created()
    await advance(catalog, table, 7n)
    const overwritten = store.log.filter(({ mode }) => mode !== undefined && mode !== 'create')
    expect(overwritten.map(({ path }) => path)).toEqual([HINT, HINT])
  })

  it('does not lead the hint backwards', async () => {
    const { store, catalog, table } = await created()
    store.plant(HINT, Buffer.from('5'))
    committed(await advance(catalog, table, 7n))
    expect(textAt(store, HINT)).toBe('5')
  })

  it('has committed even if the hint cannot be written', async () => {
    const { store, catalog, table } = await created()
    const failure = { kind: 'throttled', cause: new Error('SlowDown') } as const
    store.inject({ path: HINT, times: 2, fault: { kind: 'fail', failure } })
    committed(await advance(catalog, table, 7n))
  })

  it('reads what Spark writes with gzip, and writes the same name', async () => {
    const { store, catalog, table } = await created()
    const set = { action: 'set-properties', updates: { 'write.metadata.compression-codec': 'gzip' } } as const
    const second = committed(await catalog.commit(table, [set], []))
    expect(second.metadataLocation).toBe(version(2, '.gz'))
    expect(store.snapshot().get(version(2, '.gz'))!.bytes.subarray(0, 2)).toEqual(Uint8Array.of(0x1f, 0x8b))
    expect(await catalog.load()).toEqual(second)
  })

  it('refuses two files of one version, as one of them is lost', async () => {
    const { store, catalog, table } = await created()
    plant(store, version(1, '.gz'), table.metadata)
    await expect(catalog.load()).rejects.toThrow(DamagedObjectError)
    await expect(catalog.load()).rejects.toThrow(version(1, '.gz'))
  })

  it("creates no table over another catalog's", async () => {
    const store = memoryStore()
    plant(store, `${LOCATION}/metadata/00001-eaf74208.metadata.json`, emptyTable)
    await expect(catalogOn(store).create(emptyTable)).rejects.toThrow(InputError)
  })

  it('says try again where it cannot list', async () => {
    const { store, catalog } = await created()
    const failure = { kind: 'throttled', cause: new Error('SlowDown') } as const
    store.inject({ operation: 'list', fault: { kind: 'fail', failure } })
    await expect(catalog.load()).rejects.toThrow(TryAgainError)
  })
})

describe('a commit conflicts', () => {
  it('with one that stands before it looks', async () => {
    const { store, catalog, table } = await created()
    plant(store, version(2), foreignVersion(table, 5n))
    expect(await advance(catalog, table, 7n)).toEqual({ kind: 'conflict' })
    expect(snapshotIds(await catalog.load())).toEqual([5n])
  })

  it('with one that comes between its look and its write', async () => {
    const { store, catalog, table } = await created()
    const before = () => plant(store, version(2), foreignVersion(table, 5n))
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', before } })
    expect(await advance(catalog, table, 7n)).toEqual({ kind: 'conflict' })
    expect(snapshotIds(await catalog.load())).toEqual([5n])
  })

  it('with a higher version that is not built on it: it wrote a name that had been deleted', async () => {
    const { store, catalog, table } = await created()
    const hint = textAt(store, HINT)
    // While we sleep between look and write, others commit versions 2 to 4, and old ones are cleaned away.
    const before = () => {
      const second = { metadata: foreignVersion(table, 5n), metadataLocation: version(2) }
      const third = { metadata: foreignVersion(second, 6n), metadataLocation: version(3) }
      plant(store, version(3), third.metadata)
      plant(store, version(4), foreignVersion(third, 8n))
      store.uproot(version(1))
    }
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', before } })
    expect(await advance(catalog, table, 7n)).toEqual({ kind: 'conflict' })
    expect(textAt(store, HINT)).toBe(hint)
    expect(snapshotIds(await catalog.load())).toEqual([5n, 6n, 8n])
  })

  it('with a higher version that names its name but not its time', async () => {
    const { store, catalog, table } = await created()
    const before = () => {
      const second = { ...table.metadata, 'last-updated-ms': clock + 1000 }
      const set = [{ action: 'set-properties', updates: { theirs: 'x' } }] as const
      const log = [{ 'metadata-file': version(2), 'timestamp-ms': clock + 1000 }]
      plant(store, version(3), { ...applyUpdates(second, set, clock + 2000), 'metadata-log': log })
    }
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', before } })
    const set = [{ action: 'set-properties', updates: { ours: 'x' } }] as const
    expect(await catalog.commit(table, set, [])).toEqual({ kind: 'conflict' })
  })

  it('with a higher version of its name and time that lacks its snapshot', async () => {
    const { store, catalog, table } = await created()
    const before = () => {
      const second = { ...foreignVersion(table, 5n), 'last-updated-ms': clock - 3 }
      plant(store, version(3), foreignVersion({ metadata: second, metadataLocation: version(2) }, 6n))
    }
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', before } })
    const at = clock
    const result = await advance(catalog, table, 7n)
    const [, log] = (await catalog.load())!.metadata['metadata-log']!
    const ours = parseTableMetadata(version(2), store.snapshot().get(version(2))!.bytes)
    expect(log).toEqual({ 'metadata-file': version(2), 'timestamp-ms': ours['last-updated-ms'] })
    expect(ours['last-updated-ms']).toBe(at + 1)
    expect(result).toEqual({ kind: 'conflict' })
  })

  it('with one of the same version under the name for gzip', async () => {
    const { store, catalog, table } = await created()
    const before = () => plant(store, version(2, '.gz'), foreignVersion(table, 5n))
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', before } })
    expect(await advance(catalog, table, 7n)).toEqual({ kind: 'conflict' })
    await expect(catalog.load()).rejects.toThrow(DamagedObjectError)
  })

  it('with a requirement that does not hold', async () => {
    const { catalog, table } = await created()
    const second = committed(await advance(catalog, table, 7n))
    const failing: TableRequirement[] = [
      { type: 'assert-table-uuid', uuid: 'another' },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 6n },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': null },
      { type: 'assert-ref-snapshot-id', ref: 'audit', 'snapshot-id': 7n },
      { type: 'assert-current-schema-id', 'current-schema-id': 1 },
      { type: 'assert-default-spec-id', 'default-spec-id': 1 },
      { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 1 },
    ]
    for (const requirement of failing) {
      expect(await advance(catalog, second, 8n, [requirement]), JSON.stringify(requirement.type)).toEqual({
        kind: 'conflict',
      })
    }
    const holding: TableRequirement[] = [
      { type: 'assert-table-uuid', uuid: emptyTable['table-uuid'] },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 7n },
      { type: 'assert-ref-snapshot-id', ref: 'audit', 'snapshot-id': null },
      { type: 'assert-current-schema-id', 'current-schema-id': 0 },
      { type: 'assert-default-spec-id', 'default-spec-id': 0 },
    ]
    committed(await advance(catalog, second, 8n, holding))
  })
})

describe('a commit stands', () => {
  it('although another was built on it before it could look', async () => {
    const { store, catalog, table } = await created()
    const after = () => {
      const ours = parseTableMetadata(version(2), store.snapshot().get(version(2))!.bytes)
      plant(store, version(3), foreignVersion({ metadata: ours, metadataLocation: version(2) }, 8n))
    }
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'run', after } })
    committed(await advance(catalog, table, 7n))
    expect(snapshotIds(await catalog.load())).toEqual([7n, 8n])
    expect(textAt(store, HINT)).toBe('1')
  })

  it('although its answer was lost', async () => {
    const { store, catalog, table } = await created()
    store.inject({ operation: 'put', mode: 'create', fault: { kind: 'lose-answer' } })
    committed(await advance(catalog, table, 7n))
    expect(textAt(store, HINT)).toBe('2')
  })

  it('although the store throttles at first, which then has not acted', async () => {
    const { store, catalog, table } = await created()
    const failure = { kind: 'throttled', cause: new Error('SlowDown') } as const
    store.inject({ path: 'v2.', operation: 'put', times: 3, fault: { kind: 'fail', failure } })
    expect((await advance(catalog, table, 7n)).kind).toBe('committed')
    store.inject({ path: 'v3.', operation: 'put', times: 100, fault: { kind: 'fail', failure } })
    expect(await advance(catalog, (await catalog.load())!, 8n)).toEqual({ kind: 'failed', failure })
  })

  it('although a client that sent it twice reports its own success as a conflict', async () => {
    const { store, catalog, table } = await created()
    const sentTwice = creating(store, async (create) => {
      await create()
      return create()
    })
    committed(await advance(catalogOn(sentTwice), table, 7n))
    expect(snapshotIds(await catalog.load())).toEqual([7n])
  })

  it('although its answer was lost and others went on from it', async () => {
    const { store, catalog, table } = await created()
    const slow = creating(store, async (create) => {
      await create()
      const ours = parseTableMetadata(version(2), store.snapshot().get(version(2))!.bytes)
      plant(store, version(3), foreignVersion({ metadata: ours, metadataLocation: version(2) }, 8n))
      store.uproot(version(2))
      return LOST
    })
    committed(await advance(catalogOn(slow), table, 7n))
    expect(snapshotIds(await catalog.load())).toEqual([7n, 8n])
  })
})

describe('a commit whose answer was lost', () => {
  it('is unknown while nothing has moved, so that its request may still arrive', async () => {
    const { store, table } = await created()
    const result = await advance(catalogOn(creating(store, async () => LOST)), table, 7n)
    expect(result).toEqual(LOST)
  })

  it('has failed where another stands at its version', async () => {
    const { store, table } = await created()
    const lostRace = creating(store, async () => {
      plant(store, version(2), foreignVersion(table, 5n))
      return LOST
    })
    expect(await advance(catalogOn(lostRace), table, 7n)).toEqual({ kind: 'conflict' })
  })

  it('has failed where others went on without it', async () => {
    const { store, table } = await created()
    const lostRace = creating(store, async () => {
      const second = { metadata: foreignVersion(table, 5n), metadataLocation: version(2) }
      plant(store, version(3), foreignVersion(second, 6n))
      return LOST
    })
    expect(await advance(catalogOn(lostRace), table, 7n)).toEqual({ kind: 'conflict' })
  })

  it('is unknown where what stands there cannot be read', async () => {
    const { store, table } = await created()
    const throttled = { kind: 'throttled', cause: new Error('SlowDown') } as const
    for (const answer of [LOST, { kind: 'conflict' } as const]) {
      const cutOff = creating(store, async (create) => {
        await create()
        store.inject({ operation: 'get', fault: { kind: 'fail', failure: throttled } })
        return answer
      })
      expect((await advance(catalogOn(cutOff), table, 7n)).kind).toBe('unknown')
      store.uproot(version(2))
    }
  })

  it('is unknown where its request arrives after the look', async () => {
    const { store, table } = await created()
    const zombie = creating(store, async (create) => {
      store.inject({ operation: 'list', fault: { kind: 'run', before: create } })
      return LOST
    })
    expect(await advance(catalogOn(zombie), table, 7n)).toEqual(LOST)
  })

  it('is unknown where nobody can say what stands there', async () => {
    const { store, catalog, table } = await created()
    store.inject({ operation: 'list', skip: 1, fault: { kind: 'fail', failure: LOST } })
    expect((await advance(catalog, table, 7n)).kind).toBe('unknown')
  })
})

it('a commit that the store refuses has failed, with the reason', async () => {
  const { store, catalog, table } = await created()
  const failure = { kind: 'denied', cause: new Error('AccessDenied') } as const
  store.inject({ operation: 'put', mode: 'create', fault: { kind: 'fail', failure } })
  expect(await advance(catalog, table, 7n)).toEqual({ kind: 'failed', failure })
  expect(await catalog.load()).toEqual(table)
})

it('racing commits lose none of their snapshots', async () => {
  const { store, catalog } = await created()
  const racer = async (first: number) => {
    for (let id = first; id < first + 20; ) {
      const base = (await catalog.load())!
      const result = await advance(catalog, base, BigInt(id))
      if (result.kind === 'committed') id++
    }
  }
  await Promise.all([racer(100), racer(200), racer(300)])
  const ids = snapshotIds(await catalog.load())!
  expect(ids.toSorted()).toEqual(
    [100, 200, 300].flatMap((first) => Array.from({ length: 20 }, (_, i) => BigInt(first + i))),
  )
  expect(textAt(store, HINT)).toBe('61')
})
