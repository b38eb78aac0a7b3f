// A run of `merge` (merge.ts, merge-batch.ts, commit-merge.ts, commit-snapshot.ts).
//
//   list      the landing objects
//   prepare   load the table; look for a commit of ours whose answer was lost; fold, merge, write files
//   commit    refuse files that are too old, send; from `prepare` again unless it was made

import { descendsFromOwner, send } from './catalog.ts'
import type { Step } from './explore.ts'
import type { Safeguards } from './safeguards.ts'
import {
  type Commit,
  type Key,
  type MergeRun,
  mainOf,
  newRun,
  type Scenario,
  type Snapshot,
  type State,
  type StoredFile,
  spend,
  type TaskResult,
  type World,
} from './world.ts'

/** In half days (COMMIT_AGE_MAX_MS). */
export const COMMIT_AGE_MAX = 1

export function* mergeSteps(
  world: World,
  index: number,
  scenario: Scenario,
  safeguards: Safeguards,
): Generator<Step<World>> {
  const run = world.runs[index]!
  const { commitId } = run
  const become = (next: Partial<MergeRun>, on = world): World => ({
    ...on,
    runs: on.runs.with(index, { ...run, ...next }),
  })
  /** Nothing of an ended run matters but its name and what it said. */
  const end = (reported: readonly string[] | null, on = world): World => {
    return become({ ...newRun(commitId), step: 'ended', reported }, on)
  }
  if (run.step !== 'list' && run.step !== 'ended' && world.chances.crashes > 0) {
    yield { what: `${commitId} is killed`, to: end(null, spend(world, 'crashes')) }
  }
  switch (run.step) {
    case 'list': {
      // Runs are alike: it does not matter which of them is first.
      if (index > 0 && world.runs[index - 1]!.step === 'list') return
      const to = become({ step: 'prepare', listed: world.landing, startedAt: world.now })
      yield { what: `${commitId} lists ${world.landing.join(', ')}`, to }
      return
    }
    case 'prepare': {
      const ending = endOf(world, run, scenario, safeguards)
      if (ending !== null) yield { what: `${commitId} ${ending.what}`, to: end(ending.reported) }
      else yield prepare(world, run, become, scenario, safeguards)
      return
    }
    case 'commit':
      yield* commit(world, run, become, end, scenario, safeguards)
      return
    case 'write-tombstones': {
      const { metadata } = world
      const state = {
        ...metadata.state,
        tombstones: { ...metadata.state.tombstones, ...stateOf(run.commit!).tombstones },
      }
      yield {
        what: `${commitId} writes its tombstones`,
        to: end(run.objects, { ...world, metadata: { ...metadata, state } }),
      }
    }
  }
}

type Become = (next: Partial<MergeRun>, on?: World) => World
type End = (reported: readonly string[] | null, on?: World) => World

/** Why a run does not go on to merge. */
function endOf(
  { metadata }: World,
  run: MergeRun,
  { attempts }: Scenario,
  safeguards: Safeguards,
): { what: string; reported: readonly string[] | null } | null {
  if (run.attempt > attempts) return { what: `gives up after ${attempts} attempts`, reported: null }
  if (!descendsFromOwner(metadata) && safeguards.has('a merge refuses a main that was set back by others')) {
    return { what: 'refuses a main that was set back', reported: null }
  }
  const made = run.attempts.find(({ snapshot }) => metadata.snapshots.some(({ id }) => id === snapshot))
  if (made !== undefined) return { what: `finds ${made.snapshot} in the history`, reported: made.objects }
  if (objectsLeft(metadata.state, run, safeguards).length === 0) return { what: 'finds nothing to merge', reported: [] }
  return null
}

function objectsLeft({ ledger }: State, run: MergeRun, safeguards: Safeguards): readonly string[] {
  if (run.attempt > 1 && !safeguards.has('the ledger is read again for each attempt')) return run.objects
  return run.listed.filter((object) => !ledger.some((entry) => entry.object === object))
}

function prepare(world: World, run: MergeRun, become: Become, scenario: Scenario, safeguards: Safeguards): Step<World> {
  const { commitId, attempt } = run
  const { metadata } = world
  const { state, main } = metadata
  const objects = objectsLeft(state, run, safeguards)
  const id = `${commitId}.${attempt}`
  const name = safeguards.has('names are never used twice') ? id : `version ${metadata.version + 1}`
  const written: Record<string, StoredFile> = { [`state of ${name}`]: { row: null, writtenAt: world.now } }
  const results: Record<string, TaskResult> = { ...run.results }
  let { tombstones } = state
  let files = mainOf(metadata)?.files ?? []
  for (const key of keysOf(objects, scenario)) {
    const stored = files.filter((file) => world.files[file]?.row?.key === key)
    const version = Math.max(0, ...stored.map((file) => world.files[file]!.row!.version))
    const changes = fold(objects, key, scenario, state, version)
    const identity = JSON.stringify([stored, changes])
    const fits = results[key]?.identity === identity
    if (
      !fits &&
      (!(key in results) || safeguards.has('a result is used again only for the task that it was made for'))
    ) {
      const row = Math.max(changes.put, version) > changes.removal ? Math.max(changes.put, version) : 0
      const added = row === 0 || row === version ? null : `${key} of ${name}`
      if (added !== null) written[added] = { row: { key, version: row }, writtenAt: world.now }
      results[key] = { identity, removed: row === version ? [] : stored, added }
    }
    const { removed, added } = results[key]!
    files = [...files.filter((file) => !removed.includes(file)), ...(added === null ? [] : [added])]
    if (changes.removal > Math.max(version, state.watermark)) tombstones = { ...tombstones, [key]: changes.removal }
  }
  const ledger = [...state.ledger, ...objects.map((object) => ({ object, snapshot: id }))]
  const next: State = { ...state, file: `state of ${name}`, ledger, tombstones, owner: id }
  const Holds = [...(mainOf(metadata)?.Holds ?? []), ...objects].sort()
  const snapshot: Snapshot = {
    id,
    commitId,
    parent: main,
    sequence: metadata.lastSequence + 1,
    files,
    state: next,
    until: null,
    Holds,
  }
  const on = { ...world, files: { ...world.files, ...written } }
  return {
    what: `${commitId} merges ${objects.join(', ')} into ${main ?? 'the empty table'} and writes the files of ${id}`,
    to: become(
      {
        step: 'commit',
        objects,
        commit: { base: metadata, update: { kind: 'snapshot', snapshot, state: next }, sentAt: 0 },
        written: Object.keys(written),
        results,
      },
      safeguards.has('the ledger changes with the snapshot')
        ? on
        : { ...on, metadata: { ...metadata, state: { ...state, ledger } } },
    ),
  }
}

function keysOf(objects: readonly string[], { changes }: Scenario): Set<Key> {
  return new Set(objects.map((object) => changes[object]!.key))
}

/** The versions of the put and of the removal that can still win; 0 where there is none. */
function fold(
  objects: readonly string[],
  key: Key,
  { changes }: Scenario,
  { tombstones, watermark }: State,
  stored: number,
): { put: number; removal: number } {
  const ofKey = objects.map((object) => changes[object]!).filter((change) => change.key === key)
  const highest = (operation: string) =>
    Math.max(0, ...ofKey.filter((change) => change.operation === operation).map((change) => change.version))
  const removal = highest('remove')
  const put = highest('put')
  const isBarred = put < Math.max(removal, tombstones[key] ?? 0) || (stored === 0 && put <= watermark)
  return { put: isBarred ? 0 : put, removal }
}

function* commit(
  world: World,
  run: MergeRun,
  become: Become,
  end: End,
  scenario: Scenario,
  safeguards: Safeguards,
): Generator<Step<World>> {
  const { commitId, objects, written } = run
  const { id } = (run.commit!.update as { snapshot: Snapshot }).snapshot
  if (world.now - run.startedAt > COMMIT_AGE_MAX && safeguards.has('files over half a day old are not committed')) {
    yield { what: `${commitId} does not commit files over half a day old`, to: end(null) }
    return
  }
  const tombstonesLater = !safeguards.has('the tombstones change with the snapshot')
  const request = tombstonesLater ? withTombstones(run.commit!, run.commit!.base.state.tombstones) : run.commit!
  for (const { world: after, answer, what } of send(world, request, scenario, safeguards)) {
    const to = (): World => {
      if (answer === 'committed')
        return tombstonesLater ? become({ step: 'write-tombstones' }, after) : end(objects, after)
      const looks = safeguards.has(
        answer === 'unknown'
          ? 'the history is searched after a lost answer'
          : 'the history is searched after a conflict',
      )
      const attempts = looks ? [...run.attempts, { snapshot: id, objects }] : run.attempts
      const cleans = answer === 'unknown' && !safeguards.has('nothing is cleaned up after a lost answer')
      const on = cleans ? { ...after, files: without(after.files, written) } : after
      return become({ step: 'prepare', attempt: run.attempt + 1, commit: null, written: [], attempts }, on)
    }
    yield { what: `${commitId} commits ${id}: ${what}`, to: to() }
  }
}

function stateOf({ update }: Commit): State {
  return (update as { state: State }).state
}

function withTombstones(commit: Commit, tombstones: State['tombstones']): Commit {
  const state = { ...stateOf(commit), tombstones }
  return { ...commit, update: { ...commit.update, state } as Commit['update'] }
}

export function without(files: World['files'], names: readonly string[]): World['files'] {
  return Object.fromEntries(Object.entries(files).filter(([name]) => !names.includes(name)))
}
