// What happens without lastwrite: time, deliveries, queries, requests that come late, other engines.

import { arrive, commitForeign } from './catalog.ts'
import type { Step } from './explore.ts'
import type { Safeguards } from './safeguards.ts'
import { mainOf, type Scenario, type Snapshot, type StoredFile, spend, type World } from './world.ts'

/** In half days. */
const QUERY_LASTS = 2
const REQUEST_LASTS = 2

export function* otherSteps(world: World, scenario: Scenario, safeguards: Safeguards): Generator<Step<World>> {
  const { chances, metadata, landing } = world
  const main = mainOf(metadata)
  // What arrives for the first time does so within a day, and a purge holds back by more than that. Only copies come later.
  const isPurging = world.upkeep.some(({ name, step }) => name === 'purge' && step !== 'begin')
  for (const [object, { isCopy = false }] of Object.entries(scenario.changes)) {
    if (landing.includes(object) || (isPurging && !isCopy)) continue
    yield { what: `${object} lands`, to: { ...world, landing: [...landing, object].sort() } }
  }
  for (const index of world.inFlight.keys()) {
    yield { what: 'a request comes through that nobody waits for', to: arrive(world, index, scenario, safeguards) }
  }
  if (chances.halfDays > 0) yield { what: 'half a day goes by', to: halfDayLater(world) }
  if (chances.queries > 0 && main !== null) {
    const query = { openedAt: world.now, files: main.files }
    yield { what: `a query opens ${main.id}`, to: { ...spend(world, 'queries'), queries: [...world.queries, query] } }
  }
  if (chances.metadataDeletions > 0 && world.oldestVersion < metadata.version) {
    const to = { ...spend(world, 'metadataDeletions'), oldestVersion: metadata.version }
    yield { what: 'another engine deletes old metadata files', to }
  }
  if (chances.propertyChanges > 0) {
    const to = commitForeign(spend(world, 'propertyChanges'), { kind: 'properties', state: metadata.state })
    yield { what: 'another engine sets a property', to }
  }
  if (chances.rewrites > 0 && main !== null && main.files.length > 0) yield rewrite(spend(world, 'rewrites'), main)
  if (chances.foreignRollbacks > 0) yield* setBack(spend(world, 'foreignRollbacks'))
  if (chances.foreignExpires > 0 && metadata.snapshots.length > 1) {
    const ids = metadata.snapshots.filter((snapshot) => snapshot !== main).map(({ id }) => id)
    const to = commitForeign(spend(world, 'foreignExpires'), { kind: 'remove-snapshots', ids })
    yield { what: `another engine expires ${ids.join(', ')}, and deletes no files`, to }
  }
}

function halfDayLater(world: World): World {
  const now = world.now + 1
  return {
    ...spend(world, 'halfDays'),
    now,
    inFlight: world.inFlight.filter(({ sentAt }) => now - sentAt < REQUEST_LASTS),
    queries: world.queries.filter(({ openedAt }) => now - openedAt < QUERY_LASTS),
  }
}

/** Spark's `rewrite_data_files`: other files, the same rows. */
function rewrite(world: World, main: Snapshot): Step<World> {
  const sequence = world.metadata.lastSequence + 1
  const id = `rewrite ${sequence}`
  const written = main.files.map((file): [string, StoredFile] => {
    const { row } = world.files[file]!
    return [`${row!.key} of ${id}`, { row, writtenAt: world.now }]
  })
  const snapshot = {
    ...main,
    id,
    commitId: id,
    parent: main.id,
    sequence,
    files: written.map(([name]) => name),
    state: null,
  }
  const on = { ...world, files: { ...world.files, ...Object.fromEntries(written) } }
  const update = { kind: 'snapshot', snapshot, state: world.metadata.state } as const
  return { what: `another engine rewrites the files of ${main.id}`, to: commitForeign(on, update) }
}

/** Iceberg's `rollback_to_snapshot`: main alone. */
function* setBack(world: World): Generator<Step<World>> {
  const { metadata, now } = world
  const main = mainOf(metadata)
  const parent = metadata.snapshots.find(({ id }) => id === main?.parent)
  if (main === null || parent === undefined) return
  const snapshots = metadata.snapshots.map((each) => {
    return each === main ? { ...each, until: now } : each === parent ? { ...each, until: null } : each
  })
  const to = { ...world, metadata: { ...metadata, version: metadata.version + 1, main: parent.id, snapshots } }
  yield { what: `another engine sets main back to ${parent.id}`, to }
}
