// What there is in the model: a table behind a pointer, files, landing objects, and those who work on them.
//
// A landing object holds one change of one key. A partition holds one key, and a data file the row of it. State files hold what metadata
// repeats here, so only their being there counts. Time goes by in half days. What starts with a capital letter below is no part of the
// protocol: it is kept to judge by.

export type Key = 'a' | 'b'

export interface Change {
  readonly key: Key
  readonly version: number
  readonly operation: 'put' | 'remove'
  /** Delivered before under another name. */
  readonly isCopy?: true
}

export interface State {
  /** Null before the first commit. */
  readonly file: string | null
  readonly ledger: readonly { readonly object: string; readonly snapshot: string }[]
  /** Version of the removal of each key. */
  readonly tombstones: Readonly<Partial<Record<Key, number>>>
  readonly watermark: number
  /** The snapshot that it belongs to. */
  readonly owner: string | null
  /** Objects that a rollback left out for good. */
  readonly Skipped: readonly string[]
}

export interface Snapshot {
  readonly id: string
  readonly commitId: string
  readonly parent: string | null
  readonly sequence: number
  readonly files: readonly string[]
  /** Null for one of another engine. */
  readonly state: State | null
  /** When main left it; null while it is main. */
  readonly until: number | null
  /** The objects whose changes it is to hold. */
  readonly Holds: readonly string[]
}

export interface Metadata {
  readonly version: number
  readonly main: string | null
  readonly lastSequence: number
  readonly snapshots: readonly Snapshot[]
  /** What the properties say. */
  readonly state: State
}

export type Update =
  | {
      readonly kind: 'snapshot'
      readonly snapshot: Snapshot
      readonly state: State
      /** Of a rollback: where main is set first, and the head that was looked at. */
      readonly backTo?: string
      readonly DecidedOn?: string
    }
  | { readonly kind: 'remove-snapshots'; readonly ids: readonly string[] }
  | { readonly kind: 'properties'; readonly state: State }

/** A request to the catalog. */
export interface Commit {
  readonly base: Metadata
  readonly update: Update
  readonly sentAt: number
}

export interface StoredFile {
  /** Null for a state file. */
  readonly row: { readonly key: Key; readonly version: number } | null
  readonly writtenAt: number
}

export interface TaskResult {
  readonly identity: string
  readonly removed: readonly string[]
  readonly added: string | null
}

export interface MergeRun {
  readonly commitId: string
  readonly step: 'list' | 'prepare' | 'commit' | 'write-tombstones' | 'ended'
  readonly listed: readonly string[]
  readonly startedAt: number
  readonly attempt: number
  /** Of this attempt. */
  readonly objects: readonly string[]
  readonly commit: Commit | null
  readonly written: readonly string[]
  readonly results: Readonly<Record<string, TaskResult>>
  /** Snapshots whose commit did not end well for sure, with their objects. */
  readonly attempts: readonly { readonly snapshot: string; readonly objects: readonly string[] }[]
  /** Objects that it says it merged; null where it ended by an error, or was killed. */
  readonly reported: readonly string[] | null
}

export type UpkeepName = 'rollback-reapply' | 'rollback-skip' | 'purge' | 'expire' | 'clean'

export interface Upkeep {
  readonly name: UpkeepName
  readonly step: 'begin' | 'look' | 'commit' | 'delete' | 'ended'
  readonly startedAt: number
  readonly attempt: number
  readonly commit: Commit | null
  /** Of a rollback: the head that was looked at, and where to go back to. */
  readonly head: string | null
  readonly target: string | null
  /** Of clean: files that were old enough; then of clean and expire: what to delete. */
  readonly files: readonly string[]
  readonly removed: readonly Snapshot[]
}

export interface Query {
  readonly openedAt: number
  readonly files: readonly string[]
}

/** How often each may still happen. */
export interface Chances {
  /** The server acts, nobody hears of it. */
  readonly lostAnswers: number
  /** The request acts later than its sender waits, or never. */
  readonly delays: number
  /** An SDK sends a request again that had acted, and reports what the second one met. */
  readonly resends: number
  readonly crashes: number
  readonly rewrites: number
  readonly foreignRollbacks: number
  readonly foreignExpires: number
  /** Another engine deletes metadata files that are not current. */
  readonly metadataDeletions: number
  readonly propertyChanges: number
  readonly halfDays: number
  readonly queries: number
}

export interface World {
  readonly now: number
  readonly landing: readonly string[]
  readonly metadata: Metadata
  /** Metadata files of lower versions are gone, their names free. */
  readonly oldestVersion: number
  readonly files: Readonly<Record<string, StoredFile>>
  readonly runs: readonly MergeRun[]
  readonly upkeep: readonly Upkeep[]
  readonly inFlight: readonly Commit[]
  readonly queries: readonly Query[]
  /** Snapshots that were taken out of the metadata: older metadata files still know them. */
  readonly removed: readonly Snapshot[]
  readonly chances: Chances
  /** The objects of each merge that was committed, by snapshot. */
  readonly Made: Readonly<Record<string, readonly string[]>>
  readonly WatermarkMax: number
  /** What went wrong on the way here and can not be seen from here. */
  readonly Wrong: string | null
}

export interface Scenario {
  /** A folder and Glue compare the whole pointer, a REST server compares main. */
  readonly catalog: 'folder' | 'rest'
  readonly changes: Readonly<Record<string, Change>>
  /** Landed before anything begins; the rest of `changes` lands whenever. */
  readonly landed: readonly string[]
  readonly runs: number
  readonly attempts: number
  readonly upkeep?: readonly UpkeepName[]
  readonly chances?: Partial<Chances>
}

const NO_CHANCES: Chances = {
  lostAnswers: 0,
  delays: 0,
  resends: 0,
  crashes: 0,
  rewrites: 0,
  foreignRollbacks: 0,
  foreignExpires: 0,
  metadataDeletions: 0,
  propertyChanges: 0,
  halfDays: 0,
  queries: 0,
}

export function newWorld({ landed, runs, upkeep = [], chances }: Scenario): World {
  const state: State = { file: null, ledger: [], tombstones: {}, watermark: 0, owner: null, Skipped: [] }
  return {
    now: 0,
    landing: landed,
    metadata: { version: 1, main: null, lastSequence: 0, snapshots: [], state },
    oldestVersion: 1,
    files: {},
    runs: Array.from({ length: runs }, (_, i) => newRun(`run ${i + 1}`)),
    upkeep: upkeep.map(newUpkeep),
    inFlight: [],
    queries: [],
    removed: [],
    chances: { ...NO_CHANCES, ...chances },
    Made: {},
    WatermarkMax: 0,
    Wrong: null,
  }
}

export function newRun(commitId: string): MergeRun {
  return {
    commitId,
    step: 'list',
    listed: [],
    startedAt: 0,
    attempt: 1,
    objects: [],
    commit: null,
    written: [],
    results: {},
    attempts: [],
    reported: null,
  }
}

function newUpkeep(name: UpkeepName): Upkeep {
  return {
    name,
    step: 'begin',
    startedAt: 0,
    attempt: 1,
    commit: null,
    head: null,
    target: null,
    files: [],
    removed: [],
  }
}

export function mainOf({ main, snapshots }: Metadata): Snapshot | null {
  return snapshots.find(({ id }) => id === main) ?? null
}

export function spend(world: World, chance: keyof Chances): World {
  return { ...world, chances: { ...world.chances, [chance]: world.chances[chance] - 1 } }
}
