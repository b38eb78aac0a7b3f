// Rollback, purge, expire and clean (maintain/*.ts).

import { send, stateOwner } from './catalog.ts'
import type { Step } from './explore.ts'
import { COMMIT_AGE_MAX, without } from './merge-run.ts'
import type { Safeguards } from './safeguards.ts'
import {
  type Commit,
  type Key,
  type Metadata,
  mainOf,
  type Scenario,
  type Snapshot,
  type State,
  spend,
  type Upkeep,
  type World,
} from './world.ts'

/** In half days (GRACE_MS). */
const GRACE = 2
const ATTEMPTS_MAX = 2

type Become = (next: Partial<Upkeep>, on?: World) => World

export function* upkeepSteps(
  world: World,
  index: number,
  scenario: Scenario,
  safeguards: Safeguards,
): Generator<Step<World>> {
  const task = world.upkeep[index]!
  const become: Become = (next, on = world) => ({ ...on, upkeep: on.upkeep.with(index, { ...task, ...next }) })
  if (task.step === 'ended') return
  if (task.step !== 'begin' && world.chances.crashes > 0) {
    yield { what: `${task.name} is killed`, to: ended(become, spend(world, 'crashes')) }
  }
  switch (task.name) {
    case 'clean':
      yield* cleanSteps(world, task, become, safeguards)
      return
    case 'expire':
      yield* task.step === 'delete'
        ? deleteFiles(world, task, become, removedAlone(world, task.removed, safeguards))
        : committing(world, task, become, scenario, safeguards, [expireCommit(world)])
      return
    case 'purge':
      yield* committing(world, task, become, scenario, safeguards, [purgeCommit(world, task, scenario, safeguards)])
      return
    default:
      yield* committing(world, task, become, scenario, safeguards, rollbackCommits(world, task, safeguards))
  }
}

function ended(become: Become, on?: World): World {
  const forgotten = { commit: null, head: null, target: null, files: [], removed: [], startedAt: 0, attempt: 1 }
  return become({ step: 'ended', ...forgotten }, on)
}

/** Prepares a commit, then sends it, and tries again where it was lost (commit-attempts.ts). */
function* committing(
  world: World,
  task: Upkeep,
  become: Become,
  scenario: Scenario,
  safeguards: Safeguards,
  prepared: readonly (Prepared | null)[],
): Generator<Step<World>> {
  const { name, attempt } = task
  if (task.step === 'begin' || task.step === 'look') {
    for (const each of prepared) {
      if (each === null || attempt > ATTEMPTS_MAX) {
        yield { what: `${name} finds nothing to do`, to: ended(become) }
        continue
      }
      const { what, update, written = [], ...seen } = each
      const files = Object.fromEntries(written.map((file) => [file, { row: null, writtenAt: world.now }]))
      const commit: Commit = { base: world.metadata, update, sentAt: 0 }
      const on = { ...world, files: { ...world.files, ...files } }
      yield { what: `${name} ${what}`, to: become({ step: 'commit', commit, startedAt: world.now, ...seen }, on) }
    }
    return
  }
  const commit = task.commit!
  if (world.now - task.startedAt > COMMIT_AGE_MAX && safeguards.has('files over half a day old are not committed')) {
    yield { what: `${name} does not commit files over half a day old`, to: ended(become) }
    return
  }
  for (const { world: after, answer, what } of send(world, commit, scenario, safeguards)) {
    const again = { step: 'look', attempt: attempt + 1, commit: null } as const
    const to =
      answer !== 'committed'
        ? become(again, after)
        : name === 'expire'
          ? become({ step: 'delete', commit: null }, after)
          : ended(become, after)
    yield { what: `${name} commits: ${what}`, to }
  }
}

interface Prepared {
  readonly what: string
  readonly update: Commit['update']
  readonly written?: readonly string[]
  readonly head?: string | null
  readonly target?: string
  readonly removed?: readonly Snapshot[]
}

// Rollback

/** One for each snapshot that somebody could want to go back to. */
function rollbackCommits(world: World, task: Upkeep, safeguards: Safeguards): (Prepared | null)[] {
  const { metadata } = world
  const { name, head } = task
  const main = mainOf(metadata)
  const isSecond = task.step === 'look'
  const wasMade = metadata.snapshots.some(({ commitId }) => commitId === name)
  if (main === null || wasMade) return [null]
  if (isSecond && head !== main.id && safeguards.has('a rollback is made for the head that was looked at'))
    return [null]
  const targets = metadata.snapshots.filter(({ id }) => id !== main.id && (!isSecond || id === task.target))
  return targets.length === 0 ? [null] : targets.map((target) => rollbackTo(target, main, metadata, task, safeguards))
}

function rollbackTo(
  target: Snapshot,
  main: Snapshot,
  metadata: Metadata,
  task: Upkeep,
  safeguards: Safeguards,
): Prepared {
  const { name, attempt } = task
  const { state } = metadata
  const decidedOn = task.step === 'look' ? task.head! : main.id
  const then = stateOwner(metadata, target)?.state ?? {
    ...state,
    ledger: [],
    tombstones: {},
    watermark: 0,
    Skipped: [],
  }
  const id = `${name}.${attempt}`
  const objects = new Set([...state.ledger.map(({ object }) => object), ...state.Skipped])
  const brought: State = {
    ...then,
    ...(name === 'rollback-skip' && {
      ledger: state.ledger,
      Skipped: [...objects].filter((object) => !target.Holds.includes(object)),
    }),
    watermark: Math.max(state.watermark, then.watermark),
  }
  const restores = safeguards.has('a rollback brings back the state of its target')
  const next: State = { ...(restores ? brought : state), file: `state of ${id}`, owner: id }
  const snapshot: Snapshot = {
    ...target,
    id,
    commitId: name,
    parent: target.id,
    sequence: metadata.lastSequence + 1,
    state: next,
    until: null,
  }
  const backTo = safeguards.has('a rollback sets main to its target first') ? { backTo: target.id } : {}
  return {
    what: `goes from ${main.id} back to ${target.id}`,
    update: { kind: 'snapshot', snapshot, state: next, DecidedOn: decidedOn, ...backTo },
    written: [next.file!],
    head: decidedOn,
    target: target.id,
  }
}

// Purge

/** All removals are old enough; what landed and is not merged holds it back. */
function purgeCommit(
  { metadata, landing }: World,
  { name, attempt }: Upkeep,
  { changes }: Scenario,
  safeguards: Safeguards,
): Prepared | null {
  const { state, main } = metadata
  const merged = state.ledger.map(({ object }) => object)
  const notMerged = landing.filter((object) => !merged.includes(object)).map((object) => changes[object]!.version)
  const bound = safeguards.has('a purge stops at what is not merged') ? Math.min(...notMerged, 10) - 1 : 9
  const entries = Object.entries(state.tombstones) as [Key, number][]
  const purged = entries.filter(([, version]) => version <= bound)
  const wasMade = metadata.snapshots.some(({ commitId }) => commitId === name)
  if (purged.length === 0 || wasMade) return null
  const upTo = Math.max(...purged.map(([, version]) => version))
  const id = `${name}.${attempt}`
  const rises = safeguards.has('the watermark rises where tombstones go')
  const next: State = {
    ...state,
    file: `state of ${id}`,
    tombstones: Object.fromEntries(entries.filter(([, version]) => version > bound)),
    watermark: rises ? Math.max(state.watermark, upTo) : state.watermark,
  }
  const what = `forgets removals up to version ${upTo}`
  if (!safeguards.has('state changes only with a snapshot')) {
    return { what, update: { kind: 'properties', state: next }, written: [next.file!] }
  }
  const state_ = { ...next, owner: id }
  const sequence = metadata.lastSequence + 1
  const snapshot = { ...mainOf(metadata)!, id, commitId: name, parent: main, sequence, state: state_, until: null }
  return { what, update: { kind: 'snapshot', snapshot, state: state_ }, written: [next.file!] }
}

// Expire

/** All but main, and the snapshot that says which state belongs to it. */
function expireCommit({ metadata }: World): Prepared | null {
  const main = mainOf(metadata)
  const owner = main && stateOwner(metadata, main)
  const removed = metadata.snapshots.filter((snapshot) => snapshot !== main && snapshot !== owner)
  if (removed.length === 0) return null
  const ids = removed.map(({ id }) => id)
  return { what: `picks ${ids.join(', ')}`, update: { kind: 'remove-snapshots', ids }, removed }
}

function removedAlone(world: World, removed: readonly Snapshot[], safeguards: Safeguards): string[] {
  const named = namedBy(world.metadata)
  const grace = safeguards.has('expire leaves the files of snapshots that were current within a day')
  for (const file of grace ? inUse(removed, world.now) : []) named.add(file)
  return removed.flatMap(filesOf).filter((file) => !named.has(file))
}

// Clean

function* cleanSteps(world: World, task: Upkeep, become: Become, safeguards: Safeguards): Generator<Step<World>> {
  const list = (from: readonly string[]) => {
    const grace = safeguards.has('clean leaves what is younger than a day')
    return from.filter(
      (file) => !grace || (world.files[file] !== undefined && world.now - world.files[file].writtenAt > GRACE),
    )
  }
  const read = (from: readonly string[]) => {
    const named = namedBy(world.metadata)
    const asks = safeguards.has('clean asks the metadata of the last day')
    for (const file of asks ? inUse(world.removed, task.step === 'begin' ? world.now : task.startedAt) : [])
      named.add(file)
    return from.filter((file) => !named.has(file))
  }
  const [first, second] = safeguards.has('clean lists before it reads what is named') ? [list, read] : [read, list]
  const saying = (step: typeof list) => (step === list ? 'lists the old files' : 'reads what is named')
  switch (task.step) {
    case 'begin': {
      const files = first === list ? list(Object.keys(world.files)) : [...namedBy(world.metadata)]
      yield { what: `clean ${saying(first)}`, to: become({ step: 'look', files, startedAt: world.now }) }
      return
    }
    case 'look': {
      const files =
        second === read ? read(task.files) : list(Object.keys(world.files)).filter((file) => !task.files.includes(file))
      yield { what: `clean ${saying(second)}`, to: become({ step: 'delete', files }) }
      return
    }
    case 'delete':
      yield* deleteFiles(world, task, become, task.files)
  }
}

function* deleteFiles(
  world: World,
  { name }: Upkeep,
  become: Become,
  files: readonly string[],
): Generator<Step<World>> {
  const what = files.length === 0 ? `${name} deletes nothing` : `${name} deletes ${files.join(', ')}`
  yield { what, to: ended(become, { ...world, files: without(world.files, files) }) }
}

export function namedBy({ snapshots, state }: Metadata): Set<string> {
  return new Set([...snapshots.flatMap(filesOf), ...(state.file === null ? [] : [state.file])])
}

function filesOf({ files, state }: Snapshot): string[] {
  return [...files, ...(state?.file ? [state.file] : [])]
}

/** Files of snapshots that were current within the last day. */
function inUse(snapshots: readonly Snapshot[], now: number): string[] {
  return snapshots.filter(({ until }) => until === null || until > now - GRACE).flatMap(filesOf)
}
