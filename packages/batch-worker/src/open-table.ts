import { type Environment, nodeEnvironment, openTable, type Table } from '@lastwrite/merge-core'
import { type LocalStoreOptions, localStore } from '@lastwrite/merge-core/store/local'
import { toLocation } from './table-location.ts'

/** The table at a location as a person types it. Throws an InputError where none stands. */
export function openTableAt(text: string, options: LocalStoreOptions = {}): Promise<Table> {
  return openTable(toLocation(text), workerEnvironment(options))
}

export function workerEnvironment(options: LocalStoreOptions = {}): Environment {
  return nodeEnvironment(localStore(options))
}
