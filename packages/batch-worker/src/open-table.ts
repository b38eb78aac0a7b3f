import { type Environment, nodeEnvironment, openTable, type Table } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { toLocation } from './table-location.ts'

/** The table at a location as a person types it. Throws an InputError where none stands. */
export function openTableAt(text: string): Promise<Table> {
  return openTable(toLocation(text), workerEnvironment())
}

export function workerEnvironment(): Environment {
  return nodeEnvironment(localStore())
}
