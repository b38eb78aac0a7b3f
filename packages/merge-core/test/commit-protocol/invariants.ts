// What must hold in every state, whoever did what: the definition of right.

import { descendsFromOwner } from './catalog.ts'
import { namedBy } from './upkeep.ts'
import { type Key, type Metadata, mainOf, type Scenario, type Snapshot, type World } from './world.ts'

/** Says what is wrong; null where all is right. */
export function wrongWith(world: World, { changes }: Scenario): string | null {
  const { metadata, files, Wrong } = world
  if (Wrong !== null) return Wrong
  const gone = [...namedBy(metadata)].find((file) => !(file in files))
  if (gone !== undefined) return `"${gone}" is named and was deleted`
  const unread = world.queries.flatMap((query) => query.files).find((file) => !(file in files))
  if (unread !== undefined) return `"${unread}" was deleted from under a query that is younger than a day`
  for (const snapshot of metadata.snapshots) {
    const [rows, right] = [rowsOf(snapshot, world), highestOf(snapshot.Holds, changes)]
    if (rows !== right) return `${snapshot.id} holds ${rows || 'nothing'}, and should hold ${right || 'nothing'}`
  }
  return wrongHistory(world) ?? wrongLedger(metadata) ?? wrongReport(world)
}

function rowsOf({ files }: Snapshot, world: World): string {
  return files
    .map((file) => world.files[file]!.row!)
    .map(({ key, version }) => `${key}@${version}`)
    .sort()
    .join(', ')
}

/** Per key the put that no change outdoes. */
function highestOf(objects: readonly string[], changes: Scenario['changes']): string {
  const highest = new Map<Key, Scenario['changes'][string]>()
  for (const change of objects.map((object) => changes[object]!)) {
    if (change.version > (highest.get(change.key)?.version ?? 0)) highest.set(change.key, change)
  }
  return [...highest.values()]
    .filter(({ operation }) => operation === 'put')
    .map(({ key, version }) => `${key}@${version}`)
    .sort()
    .join(', ')
}

function wrongHistory({ metadata, Made, removed, WatermarkMax }: World): string | null {
  const known = [...metadata.snapshots, ...removed]
  const lost = Object.keys(Made).find((id) => !known.some((snapshot) => snapshot.id === id))
  if (lost !== undefined) return `${lost} was committed and is gone from the history`
  const commits = metadata.snapshots.map(({ commitId }) => commitId)
  const twice = commits.find((commit, at) => commits.indexOf(commit) !== at)
  if (twice !== undefined) return `the commit of ${twice} is in the history twice`
  return metadata.state.watermark < WatermarkMax ? 'the watermark fell' : null
}

/** It knows what the table holds or a rollback left out, each once. */
function wrongLedger(metadata: Metadata): string | null {
  const { ledger, Skipped } = metadata.state
  const objects = ledger.map(({ object }) => object)
  const twice = objects.find((object, at) => objects.indexOf(object) !== at)
  if (twice !== undefined) return `${twice} is counted twice in the ledger`
  if (!descendsFromOwner(metadata)) return null
  const held = mainOf(metadata)?.Holds ?? []
  const lost = objects.find((object) => !held.includes(object) && !Skipped.includes(object))
  if (lost !== undefined) return `the ledger knows ${lost}, and no snapshot holds it: it is lost`
  const unknown = held.find((object) => !objects.includes(object))
  return unknown === undefined ? null : `the table holds ${unknown}, and the ledger does not know it`
}

/** A run that ended well says of its objects what is true, as far as its snapshot was not expired meanwhile. */
function wrongReport({ runs, metadata, Made }: World): string | null {
  for (const { commitId, step, reported } of runs) {
    if (step !== 'ended' || reported === null) continue
    const made = Object.keys(Made).find((id) => id.startsWith(`${commitId}.`))
    const merged = made === undefined ? [] : Made[made]!
    if (merged.join() === reported.join()) continue
    if (reported.length === 0 && !metadata.snapshots.some(({ id }) => id === made)) continue
    return `${commitId} says that it merged ${reported.join(', ') || 'nothing'}, it merged ${merged.join(', ') || 'nothing'}`
  }
  return null
}
