// What must come of each call to S3 that goes wrong in each way: said here by rules, checked by s3-faulty-calls.test.ts and
// s3-faulty-merges.test.ts.
//
//   1  An answer is one of the store's outcome classes, by its name (object-store.ts).
//   2  What can be sent twice is sent again while it is throttled or unknown, so that a fault must hit every attempt to be seen. What
//      makes an object visible goes out once, and its first answer is the call's.
//   3  A merge makes good what a second look can settle: conflicts and unknown ends of creates under names that nobody else uses. It
//      ends with the exit code of what is left (semantics, "Exit codes of the worker").

import type { Failure, ObjectStore } from '../src/store/object-store.ts'
import type { S3FaultProxy, WireFault, WireRequest } from './fault-proxy.ts'
import type { S3Server } from './s3-servers.ts'

export const OPERATIONS = ['get', 'range', 'list', 'put-create', 'put-replace', 'upload-part-copy', 'complete'] as const
export const FAULTS = [
  '403',
  '404',
  '409',
  '412',
  '429',
  '500',
  '503',
  'error in 200',
  'reset before',
  'reset after',
  'truncated',
  'stalled',
  'late',
] as const
/** `every second`: of the requests for one object, from the first on. */
export const PATTERNS = ['first', 'every second', 'all'] as const

export interface Cell {
  readonly operation: (typeof OPERATIONS)[number]
  readonly fault: (typeof FAULTS)[number]
  readonly pattern: (typeof PATTERNS)[number]
}

/**
 * Left out, 12 of 273: lists carry no condition that could fail (412), and neither they nor reads take part in what writers conflict
 * about (409).
 */
function isPossible({ operation, fault }: Cell): boolean {
  if (fault === '409') return !['get', 'range', 'list'].includes(operation)
  return !(fault === '412' && operation === 'list')
}

/** Objects that are put together of parts. */
export const isOfParts = ({ operation }: Pick<Cell, 'operation'>): boolean =>
  operation === 'upload-part-copy' || operation === 'complete'

export const CELLS: readonly Cell[] = OPERATIONS.flatMap((operation) =>
  FAULTS.flatMap((fault) => PATTERNS.map((pattern) => ({ operation, fault, pattern }))),
).filter(isPossible)

export const nameOf = ({ operation, fault, pattern }: Cell): string => `${operation} × ${fault} × ${pattern}`

// On the wire

/** What a store waits for in cells that end in silence; a server on a busy machine takes seconds to put parts together. */
const patienceFor = (cell: Pick<Cell, 'operation'>) => ({
  idleMsMax: isOfParts(cell) ? 5_000 : 2_000,
  callMsMax: isOfParts(cell) ? 20_000 : 10_000,
  bytesPerMsMin: 2 * 1024,
})
/** Longer than a store waits, for a copy of 6 MiB too; shorter than two attempts. */
const lateMsOf = (cell: Pick<Cell, 'operation'>): number => (isOfParts(cell) ? 10_000 : 3_000)
const isSilent = ({ fault }: Cell): boolean => fault === 'stalled' || fault === 'late'

function wireFault({ operation, fault }: Cell): WireFault {
  switch (fault) {
    case '403':
      return { kind: 'answer', status: 403, code: 'AccessDenied' }
    case '404':
      return { kind: 'answer', status: 404, code: notFoundCode(operation) }
    case '409':
      return { kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }
    case '412':
      return { kind: 'answer', status: 412, code: 'PreconditionFailed' }
    case '429':
      return { kind: 'answer', status: 429, code: 'TooManyRequests' }
    case '500':
      return { kind: 'answer', status: 500, code: 'InternalError' }
    case '503':
      return { kind: 'answer', status: 503, code: 'SlowDown' }
    case 'error in 200':
      return { kind: 'answer', status: 200, code: 'InternalError' }
    case 'reset before':
      return { kind: 'reset-before' }
    case 'reset after':
      return { kind: 'reset-after' }
    case 'late':
      return { kind: 'late', ms: lateMsOf({ operation }) }
    default:
      return { kind: fault }
  }
}

/** A create and a list are of things that need not be there: what can be missing is the bucket. */
function notFoundCode(operation: Cell['operation']): string {
  if (operation === 'put-create' || operation === 'list') return 'NoSuchBucket'
  return operation === 'complete' ? 'NoSuchUpload' : 'NoSuchKey'
}

/** A store whose requests below the folder meet the cell's fault, and those of them so far that are of the cell's operation. */
export function openFaulty(
  server: S3Server,
  proxy: S3FaultProxy,
  cell: Cell,
  folder: string,
): { readonly store: ObjectStore; readonly sent: readonly WireRequest[] } {
  const sent: WireRequest[] = []
  const countOf = (path: string): number => sent.filter((request) => request.path === path).length
  proxy.watch(folder, (request) => {
    if (request.operation !== cell.operation) return null
    sent.push(request)
    const isHit = {
      first: sent.length === 1,
      'every second': countOf(request.path) % 2 === 1,
      all: true,
    }
    return isHit[cell.pattern] ? wireFault(cell) : null
  })
  const patience = isSilent(cell) ? patienceFor(cell) : {}
  return { store: server.openStore({ endpoint: proxy.endpoint, random: () => 0, ...patience }), sent }
}

// Of one call

/** `settings`: the operator has to change something first, which is thrown. */
export type CallOutcome = 'ok' | Failure['kind'] | 'settings'

/** Rule 1. */
function answerOutcome({ operation, fault }: Cell): CallOutcome {
  switch (fault) {
    case '403':
      return 'denied'
    case '404':
      if (operation === 'put-create' || operation === 'list') return 'settings'
      // The upload is gone: ended by nobody knows whom.
      return operation === 'complete' ? 'unknown' : 'missing'
    case '409':
    case '412':
      return 'conflict'
    case '429':
    case '503':
      return 'throttled'
    default:
      return 'unknown'
  }
}

export const isSentOnce = ({ operation }: Pick<Cell, 'operation'>): boolean =>
  operation === 'put-create' || operation === 'put-replace' || operation === 'complete'

/** Rule 2. */
export function callOutcome(cell: Cell): CallOutcome {
  const answer = answerOutcome(cell)
  const isSentAgain = !isSentOnce(cell) && (answer === 'throttled' || answer === 'unknown')
  return isSentAgain && cell.pattern !== 'all' ? 'ok' : answer
}

/** Whether what was put stands in the end: the server may have acted although it told nobody. */
export function putStands(cell: Cell): boolean {
  if (callOutcome(cell) === 'ok') return true
  switch (cell.fault) {
    case 'reset after':
    case 'stalled':
      return isSentOnce(cell)
    case 'truncated':
      // Of a put the request is cut, of a completion the answer.
      return cell.operation === 'complete'
    case 'late':
      // By then the upload of a late completion is abandoned.
      return cell.operation === 'put-create' || cell.operation === 'put-replace'
    default:
      return false
  }
}

// Of a whole merge

export type ExitCode = 0 | 10 | 20 | 21

/** Rule 3. */
export function mergeExitCode(cell: Cell): ExitCode {
  const outcome = answerOutcome(cell)
  switch (outcome) {
    case 'denied':
    case 'settings':
      return 20
    case 'missing':
      // The probe replaces what it made just before, and refuses a server that does not know it. What is read first in ranges is state,
      // which another writer may have superseded.
      if (cell.operation === 'put-replace') return 20
      return cell.operation === 'range' ? 10 : 21
    default:
      return isMadeGood(cell) ? 0 : 10
  }
}

function isMadeGood(cell: Cell): boolean {
  switch (cell.operation) {
    // The probe takes no unclear answer, and a read that is another version's can only be made by a new run.
    case 'put-replace':
      return false
    case 'get':
    case 'range':
      return answerOutcome(cell) !== 'conflict' && cell.pattern !== 'all'
    case 'list':
      return cell.pattern !== 'all'
    default:
      return cell.pattern !== 'all' || (answerOutcome(cell) === 'unknown' && putStands(cell))
  }
}
