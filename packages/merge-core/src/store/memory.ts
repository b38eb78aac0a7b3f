// An object store in memory whose every call a test can watch, break or interrupt.
//
// Calls are numbered from 1 as they arrive. Acting takes no time: between the look at the condition and the write nothing else
// runs, so its conditional puts are atomic. Bytes are copied on the way in and on the way out.

import { resolveRange } from './byte-range.ts'
import { byLocation, parseLocation, parseObjectLocation } from './location.ts'
import type {
  DeleteResult,
  Failure,
  GetResult,
  ListResult,
  ObjectPart,
  ObjectStore,
  PutMode,
  PutResult,
} from './object-store.ts'

export type StoreOperation = 'get' | 'put' | 'list' | 'delete'

export interface StoreCall {
  /** 1 for the first call that the store ever got. */
  readonly number: number
  readonly operation: StoreOperation
  /** The object's location, or the prefix of a list. */
  readonly path: string
  /** Of a put. */
  readonly mode?: PutMode['kind']
}

export interface LoggedCall extends StoreCall {
  /** What the caller was told; `crash` where the call threw {@link SimulatedCrash}; `pending` while it runs. */
  readonly outcome: 'ok' | Failure['kind'] | 'crash' | 'pending'
}

/** What shall go wrong with a call. */
export type Fault =
  /** Answers with this failure and does not act. */
  | { readonly kind: 'fail'; readonly failure: Failure }
  /** Acts, then answers `unknown`. */
  | { readonly kind: 'lose-answer' }
  /** From here on every call throws {@link SimulatedCrash}; this one before it acts, or after. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' }
  /** Acts as ever, with a stretch of the test's own before or after: to plant what another writer does. */
  | { readonly kind: 'run'; readonly before?: () => unknown; readonly after?: () => unknown }

export interface FaultRule {
  /** The call with this number only. */
  readonly number?: number
  readonly operation?: StoreOperation
  readonly mode?: PutMode['kind']
  /** A part of the location, or a pattern. */
  readonly path?: string | RegExp
  /** How many of the matching calls are let through first. Default 0. */
  readonly skip?: number
  /** How many of the matching calls are hit. Default 1. */
  readonly times?: number
  readonly fault: Fault
}

/** Thrown by every call of a store that has crashed, as if the process had ended there. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash'
}

export interface StoredObject {
  readonly bytes: Uint8Array
  readonly etag: string
  readonly modifiedMs: number
}

export interface MemoryStoreOptions {
  /** Objects to begin with. The bytes are copied. */
  readonly objects?: Iterable<readonly [location: string, bytes: Uint8Array]>
  /** Rules, the first that matches wins; or a function that is asked at each call. More come with {@link MemoryStore.inject}. */
  readonly faults?: readonly FaultRule[] | ((call: StoreCall) => Fault | undefined)
  /** The time of a write in epoch milliseconds. Default: the number of the write. */
  readonly nowMs?: () => number
}

export interface MemoryStore extends ObjectStore {
  /** How many calls came so far. */
  readonly calls: number
  readonly log: readonly LoggedCall[]
  /** Adds a rule, before those that stand. */
  inject(rule: FaultRule): void
  /** Writes as another program would: unconditionally, unseen by rules, log and count. */
  plant(location: string, bytes: Uint8Array): void
  /** Removes as another program would. */
  uproot(location: string): void
  /** The stored objects by location, in the order of a list. The bytes are copies. */
  snapshot(): Map<string, StoredObject>
  /** A store with the same objects and tags and no faults, log or crash: what the next process finds. */
  clone(): MemoryStore
  /** Overwrites every buffer that a get has returned so far, to show who still reads one that it should have let go. */
  overwriteReturned(): void
}

/**
 * A store for tests. Locations may have any scheme. The tag counts the writes, so that no two versions share one.
 * @throws InputError (from its calls) for a location that no store takes
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const stored: Stored = { objects: new Map(), writes: 0, nowMs: options.nowMs }
  for (const [location, bytes] of options.objects ?? []) write(stored, location, bytes.slice())
  return openStore(stored, options.faults ?? [])
}

interface Stored {
  readonly objects: Map<string, StoredObject>
  writes: number
  readonly nowMs: (() => number) | undefined
}

/** Keeps `bytes` as they are: nobody else may hold them. */
function write(stored: Stored, location: string, bytes: Uint8Array): StoredObject {
  stored.writes++
  const object = { bytes, etag: `m${stored.writes}`, modifiedMs: stored.nowMs?.() ?? stored.writes }
  stored.objects.set(location, object)
  return object
}

function openStore(stored: Stored, faults: MemoryStoreOptions['faults'] & {}): MemoryStore {
  const { objects } = stored
  const log: { -readonly [K in keyof LoggedCall]: LoggedCall[K] }[] = []
  const returned: Uint8Array[] = []
  const rules = typeof faults === 'function' ? [faults] : faults.map(countedRule)
  let crashed = false

  async function call<T extends { readonly kind: string }>(
    operation: StoreOperation,
    path: string,
    act: () => T,
    mode?: PutMode['kind'],
  ): Promise<T | Failure> {
    const record = {
      number: log.length + 1,
      operation,
      path,
      ...(mode && { mode }),
      outcome: 'pending' as LoggedCall['outcome'],
    }
    log.push(record)
    const crash = (): never => {
      crashed = true
      record.outcome = 'crash'
      throw new SimulatedCrash(`at call ${record.number}: ${operation} ${path}`)
    }
    if (crashed) crash()
    const fault = firstFault(rules, record)
    // As over a wire, other calls may come first.
    await null
    if (crashed || (fault?.kind === 'crash' && fault.when === 'before')) crash()
    if (fault?.kind === 'fail') {
      record.outcome = fault.failure.kind
      return fault.failure
    }
    if (fault?.kind === 'run') await fault.before?.()
    const result = act()
    if (fault?.kind === 'crash') crash()
    if (fault?.kind === 'run') await fault.after?.()
    await null
    if (crashed) crash()
    if (fault?.kind === 'lose-answer') {
      record.outcome = 'unknown'
      return { kind: 'unknown', cause: new Error(`${path}: the answer to the ${operation} was lost`) }
    }
    record.outcome = result.kind as LoggedCall['outcome']
    return result
  }

  return {
    get calls() {
      return log.length
    },
    log,
    async get(path, getOptions = {}) {
      parseObjectLocation(path)
      return call('get', path, (): GetResult => {
        const object = objects.get(path)
        if (object === undefined) return { kind: 'missing' }
        if (getOptions.etag !== undefined && getOptions.etag !== object.etag) return { kind: 'conflict' }
        const range = resolveRange(path, getOptions.range, object.bytes.length)
        if (range.kind !== 'ok') return range
        const bytes = object.bytes.slice(range.start, range.end)
        returned.push(bytes)
        return { kind: 'ok', bytes, etag: object.etag, objectBytes: object.bytes.length }
      })
    },
    async put(path, content, mode) {
      parseObjectLocation(path)
      // Taken at the call: what the caller does to its buffers afterwards is its own.
      const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
      const taken = parts.map((part) => (part.kind === 'bytes' ? { ...part, bytes: part.bytes.slice() } : part))
      const act = (): PutResult => {
        const current = objects.get(path)
        if (mode.kind === 'create' && current !== undefined) return { kind: 'conflict' }
        if (mode.kind === 'replace' && current === undefined) return { kind: 'missing' }
        if (mode.kind === 'replace' && current?.etag !== mode.etag) return { kind: 'conflict' }
        const joined = joinParts(objects, taken)
        if (joined.kind !== 'ok') return joined
        return { kind: 'ok', etag: write(stored, path, joined.bytes).etag, objectBytes: joined.bytes.length }
      }
      return call('put', path, act, mode.kind)
    },
    async list(prefix, { after } = {}) {
      parseLocation(prefix)
      return call('list', prefix, (): ListResult => {
        const found = [...objects].filter(([path]) => path.startsWith(prefix))
        const listed = found.map(([path, { bytes, etag, modifiedMs }]) => ({
          path,
          etag,
          objectBytes: bytes.length,
          modifiedMs,
        }))
        const wanted = after === undefined ? listed : listed.filter((object) => byLocation(object, { path: after }) > 0)
        return { kind: 'ok', objects: wanted.sort(byLocation) }
      })
    },
    async delete(path) {
      parseObjectLocation(path)
      return call('delete', path, (): DeleteResult => {
        objects.delete(path)
        return { kind: 'ok' }
      })
    },
    inject(rule) {
      rules.unshift(countedRule(rule))
    },
    plant(location, bytes) {
      write(stored, location, bytes.slice())
    },
    uproot(location) {
      objects.delete(location)
    },
    snapshot() {
      const listed = [...objects].map(([path, object]) => ({ path, ...object, bytes: object.bytes.slice() }))
      return new Map(listed.sort(byLocation).map(({ path, ...object }) => [path, object]))
    },
    clone() {
      // Stored bytes are never changed, so both may hold them.
      return openStore({ ...stored, objects: new Map(objects) }, [])
    },
    overwriteReturned() {
      for (const bytes of returned.splice(0)) bytes.fill(0xa5)
    },
  }
}

type AskedRule = (call: StoreCall) => Fault | undefined

function firstFault(rules: readonly AskedRule[], call: StoreCall): Fault | undefined {
  for (const rule of rules) {
    const fault = rule(call)
    if (fault !== undefined) return fault
  }
  return undefined
}

function countedRule(rule: FaultRule): AskedRule {
  let letThrough = rule.skip ?? 0
  let left = rule.times ?? 1
  return (call) => {
    if (left === 0 || !matches(rule, call)) return undefined
    if (letThrough > 0) {
      letThrough--
      return undefined
    }
    left--
    return rule.fault
  }
}

function matches(rule: FaultRule, call: StoreCall): boolean {
  if (rule.number !== undefined && rule.number !== call.number) return false
  if (rule.operation !== undefined && rule.operation !== call.operation) return false
  if (rule.mode !== undefined && rule.mode !== call.mode) return false
  if (rule.path === undefined) return true
  return typeof rule.path === 'string' ? call.path.includes(rule.path) : rule.path.test(call.path)
}

function joinParts(
  objects: ReadonlyMap<string, StoredObject>,
  parts: readonly ObjectPart[],
): { readonly kind: 'ok'; readonly bytes: Uint8Array } | Failure {
  const stretches: Uint8Array[] = []
  for (const part of parts) {
    if (part.kind === 'bytes') stretches.push(part.bytes)
    else {
      const source = objects.get(part.from)
      if (source === undefined) return { kind: 'missing' }
      if (source.etag !== part.etag) return { kind: 'conflict' }
      const range = resolveRange(part.from, { start: part.start, end: part.end }, source.bytes.length)
      if (range.kind !== 'ok') return range
      stretches.push(source.bytes.subarray(range.start, range.end))
    }
  }
  const bytes = new Uint8Array(stretches.reduce((sum, stretch) => sum + stretch.length, 0))
  let filled = 0
  for (const stretch of stretches) {
    bytes.set(stretch, filled)
    filled += stretch.length
  }
  return { kind: 'ok', bytes }
}
