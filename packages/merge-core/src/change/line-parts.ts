// What a line says, whichever of the two forms it has: the common ground of change-line.ts and stream-record.ts.

import type { QuarantineReason } from './scanned-lines.ts'
import { SECONDS_END } from './time-text.ts'

/** JSON values are stretches [start, end) of the text; absent ones have start −1. */
export interface LineParts {
  readonly stream: string
  /** Decimal digits, if the line is right. */
  readonly sequence: string
  readonly operation: 'insert' | 'modify' | 'remove'
  /** Epoch seconds. */
  readonly at: number
  readonly keysStart: number
  readonly keysEnd: number
  readonly itemStart: number
  readonly itemEnd: number
  readonly itemAtStart: number
  readonly itemAtEnd: number
  readonly oldStart: number
  readonly oldEnd: number
  /** The old image is whole: an attribute that it lacks was absent. Else it must name every attribute that is asked of it. */
  readonly oldIsWhole: boolean
  readonly isTtl: boolean
  readonly accepted: boolean
}

export interface Rejection {
  readonly reason: QuarantineReason
  readonly message: string
}

/** A line of another table is nobody's fault: it is counted, not kept. */
export type LineOutcome = LineParts | Rejection | 'other-table'

export function reject(reason: QuarantineReason, message: string): Rejection {
  return { reason, message }
}

/** At most 100 characters of a value, for a message. */
export function excerpt(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}

/** Epoch seconds from a JSON number's text; null where it is none or not a time of the years 1970 to 9999. */
export function secondsOf(text: string): number | null {
  const seconds = /^[\d.eE+-]+$/.test(text) ? Number(text) : Number.NaN
  return seconds >= 0 && seconds < SECONDS_END ? seconds : null
}
