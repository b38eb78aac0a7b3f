// The pointer and what can become of a request to move it (iceberg/file-catalog.ts, rest-catalog.ts, pointer-catalog.ts).

import type { Safeguards } from './safeguards.ts'
import { type Commit, type Metadata, mainOf, type Scenario, type Snapshot, spend, type World } from './world.ts'

/** `unknown`: it may or may not have been made, or may still be. */
export type Answer = 'committed' | 'conflict' | 'unknown'

export interface Sent {
  readonly world: World
  readonly answer: Answer
  readonly what: string
}

/** Everything that can happen to a commit that is sent now. */
export function* send(world: World, unsent: Commit, { catalog }: Scenario, safeguards: Safeguards): Generator<Sent> {
  const commit = { ...unsent, sentAt: world.now }
  if (isFreedName(world, commit, catalog)) {
    // The name was free again: what was created there is no version that anybody reads.
    const isFoundOut = safeguards.has('a folder is listed again after a version was created')
    yield isFoundOut
      ? { world, answer: 'conflict', what: 'it creates an old version again, sees higher ones, and knows that it lost' }
      : { world, answer: 'committed', what: 'it creates an old version again, and takes that for a commit' }
    return
  }
  if (!holds(world.metadata, commit, catalog, safeguards)) {
    yield { world, answer: 'conflict', what: 'another was first' }
    return
  }
  const made = act(world, commit)
  const { lostAnswers, resends, delays } = world.chances
  yield { world: made, answer: 'committed', what: 'it is made' }
  if (lostAnswers > 0)
    yield { world: spend(made, 'lostAnswers'), answer: 'unknown', what: 'it is made, the answer is lost' }
  if (resends > 0) {
    yield {
      world: spend(made, 'resends'),
      answer: 'conflict',
      what: 'it is made, sent again by the SDK, and meets itself',
    }
  }
  if (delays === 0) return
  yield { world: { ...spend(world, 'delays') }, answer: 'unknown', what: 'the request is lost' }
  yield {
    world: inFlight(spend(world, 'delays'), commit),
    answer: 'unknown',
    what: 'no answer comes, the request is under way',
  }
  yield {
    world: inFlight(spend(made, 'delays'), commit),
    answer: 'committed',
    what: 'it is made, and a copy of the request is under way',
  }
}

/** A request arrives that nobody waits for any more. */
export function arrive(world: World, index: number, { catalog }: Scenario, safeguards: Safeguards): World {
  const commit = world.inFlight[index]!
  const left = { ...world, inFlight: world.inFlight.toSpliced(index, 1) }
  return holds(world.metadata, commit, catalog, safeguards) ? act(left, commit) : left
}

function inFlight(world: World, commit: Commit): World {
  return { ...world, inFlight: [...world.inFlight, commit] }
}

function isFreedName({ metadata, oldestVersion }: World, { base }: Commit, catalog: Scenario['catalog']): boolean {
  return catalog === 'folder' && base.version + 1 < oldestVersion && oldestVersion <= metadata.version
}

function holds(
  current: Metadata,
  { base, update }: Commit,
  catalog: Scenario['catalog'],
  safeguards: Safeguards,
): boolean {
  if (!safeguards.has('the pointer is compared before it is swapped')) return true
  if (catalog === 'folder') return current.version === base.version
  // A server takes sequence numbers in ascending order, and sets main to no snapshot that it does not know.
  if (update.kind === 'snapshot') {
    if (update.snapshot.sequence <= current.lastSequence) return false
    if (update.backTo !== undefined && !current.snapshots.some(({ id }) => id === update.backTo)) return false
  }
  return current.main === base.main
}

function act(world: World, commit: Commit): World {
  // Where nothing was compared, this is what the sender knew, and not what there is by now.
  const base = commit.base.main === world.metadata.main ? world.metadata : commit.base
  const metadata = apply(base, world.metadata.version + 1, commit, world.now)
  const isGone = ({ id }: Snapshot) => !metadata.snapshots.some((snapshot) => snapshot.id === id)
  const { update } = commit
  const removed =
    update.kind === 'remove-snapshots'
      ? [...world.removed, ...world.metadata.snapshots.filter((each) => update.ids.includes(each.id) && isGone(each))]
      : world.removed
  return {
    ...world,
    metadata,
    removed,
    Wrong: wrongOf(world, commit),
    WatermarkMax: Math.max(world.WatermarkMax, metadata.state.watermark),
    Made: update.kind === 'snapshot' ? { ...world.Made, [update.snapshot.id]: objectsOf(commit) } : world.Made,
  }
}

function wrongOf(world: World, { update }: Commit): string | null {
  if (update.kind !== 'snapshot') return world.Wrong
  const { snapshot, DecidedOn } = update
  if (snapshot.id in world.Made) return `${snapshot.id} was committed twice`
  if (DecidedOn === undefined || DecidedOn === world.metadata.main) return world.Wrong
  return `the rollback left out ${world.metadata.main}, which nobody had looked at`
}

/** Those that the snapshot has in the ledger under its own name. */
function objectsOf({ update }: Commit): string[] {
  if (update.kind !== 'snapshot') return []
  return update.state.ledger.flatMap(({ object, snapshot }) => (snapshot === update.snapshot.id ? [object] : []))
}

function apply(base: Metadata, version: number, { update }: Commit, now: number): Metadata {
  switch (update.kind) {
    case 'snapshot': {
      const { snapshot, state } = update
      const left = base.snapshots.map((each) => (each.id === base.main ? { ...each, until: now } : each))
      return { version, main: snapshot.id, lastSequence: snapshot.sequence, snapshots: [...left, snapshot], state }
    }
    case 'remove-snapshots':
      return { ...base, version, snapshots: base.snapshots.filter(({ id }) => !update.ids.includes(id)) }
    case 'properties':
      return { ...base, version, state: update.state }
  }
}

/** A commit of another engine, that compares as it has to. */
export function commitForeign(world: World, update: Commit['update']): World {
  return act(world, { base: world.metadata, update, sentAt: world.now })
}

/** Whether main is the snapshot that the state belongs to, or went on from it (descendsFrom in iceberg/metadata.ts). */
export function descendsFromOwner(metadata: Metadata): boolean {
  const { owner } = metadata.state
  if (owner === null) return true
  for (let at = mainOf(metadata); at !== null; ) {
    if (at.id === owner || at.parent === owner) return true
    const parent: Snapshot | null = metadata.snapshots.find(({ id }) => id === at!.parent) ?? null
    if (parent === null) return at.parent !== null && at.sequence > ownerSequence(metadata)
    at = parent
  }
  return false
}

function ownerSequence({ state, snapshots }: Metadata): number {
  return snapshots.find(({ id }) => id === state.owner)?.sequence ?? 0
}

/** The nearest ancestor that says which state belongs to a snapshot. */
export function stateOwner({ snapshots }: Metadata, snapshot: Snapshot): Snapshot | null {
  for (let at: Snapshot | null = snapshot; at !== null; ) {
    if (at.state !== null) return at
    at = snapshots.find(({ id }) => id === at!.parent) ?? null
  }
  return null
}
