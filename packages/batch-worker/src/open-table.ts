import { type Environment, nodeEnvironment, openTable, type Table } from '@lastwrite/merge-core'
import { storeByScheme } from '@lastwrite/merge-core/store/by-scheme'
import { localStore } from '@lastwrite/merge-core/store/local'
import type { StoreOptions, WriteOptions } from './options.ts'
import { toLocation } from './table-location.ts'

type OpenOptions = StoreOptions & Partial<WriteOptions>

/** The table at a location as a person types it. Throws an InputError where none stands. */
export function openTableAt(text: string, options: OpenOptions = {}): Promise<Table> {
  return openTable(toLocation(text), workerEnvironment(options))
}

export function workerEnvironment({ endpoint, region, bucketOwner, fsync = true }: OpenOptions = {}): Environment {
  const store = storeByScheme({
    file: async () => localStore({ durable: fsync }),
    s3: async () => {
      // The SDK takes longer to load than all else: a local table is not to wait for it.
      const { s3Store } = await import('@lastwrite/merge-core/store/s3')
      return s3Store({
        ...(endpoint !== undefined && { endpoint }),
        ...(region !== undefined && { region }),
        ...(bucketOwner !== undefined && { expectedBucketOwner: bucketOwner }),
        random: Math.random,
      })
    },
  })
  return nodeEnvironment(store)
}
