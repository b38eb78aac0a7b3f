// Whether the conditional writes of a table's store were seen to work: probed once, before the first compare-and-set, and remembered in
// a property of the table, which every later run has read anyway.

import type { Environment } from './environment.ts'
import { probeStore } from './store/probe.ts'
import { PROPERTY } from './table-state.ts'

/** Of the probe: a later one that checks more is run on every table again. */
const PROBE_VERSION = '1'

/**
 * The properties to be set with the next commit; none where they stand, or where the store needs no probe.
 * @throws InputError where the store has no working conditional writes; see probeStore
 */
export async function proveStore(
  { store, uuid }: Environment,
  location: string,
  stateFolder: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<Record<string, string>> {
  if (properties[PROPERTY.probed] === PROBE_VERSION) return {}
  const server = (await store.unproven?.(location)) ?? null
  if (server === null) return {}
  await probeStore(store, server, `${stateFolder}/probe/${uuid()}`)
  return { [PROPERTY.probed]: PROBE_VERSION }
}
