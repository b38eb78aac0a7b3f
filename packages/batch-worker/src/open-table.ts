// Tables and stores as options and the environment describe them.

import {
  type CatalogEntry,
  type Environment,
  type LentStorage,
  nodeEnvironment,
  openTable,
  type RestCatalog,
  restCatalog,
  type Table,
} from '@lastwrite/merge-core'
import { type PrefixStore, storeByPrefix } from '@lastwrite/merge-core/store/by-prefix'
import { storeByScheme } from '@lastwrite/merge-core/store/by-scheme'
import { localStore } from '@lastwrite/merge-core/store/local'
import type { StoreOptions, WriteOptions } from './options.ts'
import { parseTableAddress, type TableAddress } from './table-address.ts'

type OpenOptions = StoreOptions & Partial<WriteOptions>
type ObjectStore = Environment['store']

/** The table at a location or in a catalog, as a person types it. Throws an InputError where none stands. */
export async function openTableAt(text: string, options: OpenOptions = {}): Promise<Table> {
  const { at, environment } = await findTable(text, options)
  return openTable(at, environment)
}

/** What createTable and openTable take, and what they need to reach the table's files. */
export async function findTable(
  text: string,
  options: OpenOptions = {},
): Promise<{ readonly at: string | CatalogEntry; readonly environment: Environment }> {
  const address = parseTableAddress(text)
  switch (address.kind) {
    case 'location':
      return { at: address.location, environment: workerEnvironment(options) }
    case 'rest': {
      const catalog = await openRestCatalog(address, options)
      return { at: { catalog, name: text }, environment: workerEnvironment(options, () => catalog.storage()) }
    }
    case 'glue': {
      const { glueCatalog } = await import('./glue-catalog.ts')
      const environment = workerEnvironment(options)
      const { region } = options
      const catalog = glueCatalog({ ...address, ...(region !== undefined && { client: { region } }) }, environment)
      return { at: { catalog, name: text }, environment }
    }
  }
}

async function openRestCatalog(
  { uri, namespace, table }: TableAddress & { kind: 'rest' },
  options: OpenOptions,
): Promise<RestCatalog> {
  const { catalogAuth } = await import('./catalog-auth.ts')
  const { warehouse } = options
  const auth = await catalogAuth(uri, options, process.env)
  const { nowMs, random, sleep } = workerEnvironment(options)
  return restCatalog(
    { uri, namespace, table, auth, ...(warehouse !== undefined && { warehouse }) },
    { nowMs, random, sleep },
  )
}

/** @param storage what a catalog lends to reach a table's files */
export function workerEnvironment(
  options: OpenOptions = {},
  storage: () => Promise<readonly LentStorage[]> = async () => [],
): Environment {
  const { endpoint, region, bucketOwner, fsync = true } = options
  const store = storeByScheme({
    file: async () => localStore({ durable: fsync }),
    s3: async () => {
      // The SDK takes longer to load than all else: a local table is not to wait for it.
      const { s3Store } = await import('@lastwrite/merge-core/store/s3')
      const settings = {
        ...(endpoint !== undefined && { endpoint }),
        ...(region !== undefined && { region }),
        ...(bucketOwner !== undefined && { expectedBucketOwner: bucketOwner }),
        random: Math.random,
      }
      const openLent = (lent: LentStorage): ObjectStore =>
        s3Store({
          ...(lent.endpoint !== undefined && { endpoint: lent.endpoint }),
          ...(lent.region !== undefined && { region: lent.region }),
          ...(lent.pathStyle !== undefined && { forcePathStyle: lent.pathStyle }),
          ...settings,
          credentials: () => renewed(lent, storage),
        })
      const stores = async () => (await storage()).map((lent): PrefixStore => ({ ...lent, store: openLent(lent) }))
      return storeByPrefix(s3Store(settings), stores)
    },
  })
  return nodeEnvironment(store)
}

async function renewed({ prefix }: LentStorage, storage: () => Promise<readonly LentStorage[]>) {
  const lent = (await storage()).find((each) => each.prefix === prefix)
  if (lent === undefined) throw new Error(`${prefix}: the catalog lends no credentials for it any more`)
  const { accessKeyId, secretAccessKey, sessionToken, runsOutMs } = lent
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== undefined && { sessionToken }),
    ...(runsOutMs !== null && { expiration: new Date(runsOutMs) }),
  }
}
