import { beforeEach, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import type { Catalog, LoadedTable } from '../src/iceberg/catalog.ts'
import type { TableMetadata } from '../src/iceberg/metadata.ts'
import { nextMetadata } from '../src/iceberg/metadata-file.ts'
import {
  createTable,
  mergeLanding,
  openTable,
  type Placement,
  parseTableDefinition,
  readBatches,
} from '../src/index.ts'
import { type MemoryStore, memoryStore } from '../src/store/memory.ts'
import { handTable, line, objectOf } from './hand-changes.ts'
import { cellsOfBatches } from './read-rows.ts'
import { environmentOver, LANDING, land } from './table-run.ts'

const SPEC = handTable([])
const definition = parseTableDefinition(SPEC.text)

let store: MemoryStore
let standing: LoadedTable | null
beforeEach(() => {
  store = memoryStore()
  standing = null
})

/** A catalog that holds metadata itself, as a server does, and puts tables where it likes. */
function serverCatalog(newLocation: string | null): Catalog {
  const stand = (metadata: TableMetadata) => {
    const version = Number(/\d+/.exec(standing?.metadataLocation ?? '0')![0]) + 1
    standing = { metadata, metadataLocation: `${version}.metadata.json` }
    return { kind: 'committed', table: standing } as const
  }
  return {
    newLocation: async () => newLocation,
    load: async () => standing,
    create: async (metadata) => stand({ ...metadata, location: metadata.location || 'memory://chosen/by/the-server/' }),
    commit: async (base, updates) =>
      base === standing ? stand(nextMetadata(base, updates, 1_900_000_000_000)) : { kind: 'conflict' },
  }
}

const environment = () => environmentOver(store)

const places: readonly {
  readonly where: string
  readonly newLocation: string | null
  readonly placement: Placement
  readonly location: string
  readonly state: string
}[] = [
  {
    where: 'where its catalog puts new tables',
    newLocation: 'memory://lake/of-the/catalog/',
    placement: {},
    location: 'memory://lake/of-the/catalog',
    state: 'memory://lake/of-the/_lastwrite',
  },
  {
    where: 'where it is told to',
    newLocation: 'memory://lake/of-the/catalog',
    placement: { location: 'memory://my/own' },
    location: 'memory://my/own',
    state: 'memory://my/_lastwrite',
  },
  {
    where: 'where its catalog put it without telling before',
    newLocation: null,
    placement: { stateFolder: 'memory://state/of-orders' },
    location: 'memory://chosen/by/the-server',
    state: 'memory://state/of-orders',
  },
]

it.each(places)('a table in a catalog lies $where, and is merged into there', async (place) => {
  const { newLocation, placement, location, state } = place
  const at = { catalog: serverCatalog(newLocation), name: 'shop.orders' }
  expect((await createTable(at, definition, environment(), placement)).location).toBe(location)
  await land(store, [objectOf('1.ndjson', [line(SPEC, { pk: 'a', sequence: 1, to: 'A' })])])
  const table = await openTable(at, environment())
  expect(table.location).toBe(location)
  await mergeLanding(table, [LANDING])
  const rows = cellsOfBatches(SPEC, await Array.fromAsync(readBatches(table)))
  expect(rows.map(({ pk, region }) => [pk, region])).toEqual([['a', 'A']])
  const paths = [...store.snapshot().keys()]
  const lies = (folder: string) => paths.filter((path) => path.startsWith(`${folder}/`)).length
  expect(lies(`${location}/data`)).toBe(1)
  expect(lies(state)).toBeGreaterThan(0)
  expect(lies(location) + lies(state) + lies('memory://landing')).toBe(paths.length)
})

it('a table in a catalog that says nothing of places is not created before somebody does', async () => {
  const at = { catalog: serverCatalog(null), name: 'shop.orders' }
  await expect(createTable(at, definition, environment())).rejects.toThrow(InputError)
  await expect(createTable(at, definition, environment())).rejects.toThrow(/^shop\.orders: .*give its location/)
  expect([standing, store.snapshot().size]).toEqual([null, 0])
})

it('a table in a catalog is named as its entry is, where none stands or one stands already', async () => {
  const at = { catalog: serverCatalog('memory://lake/orders'), name: 'shop.orders' }
  await expect(openTable(at, environment())).rejects.toThrow(/^shop\.orders: there is no table/)
  await createTable(at, definition, environment())
  await expect(createTable(at, definition, environment())).rejects.toThrow(/^shop\.orders: a table stands there/)
})
