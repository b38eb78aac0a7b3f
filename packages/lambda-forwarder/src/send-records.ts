// Sends records to Firehose in rounds: a round sends all that is pending, what failed is the next one.
//
// PutRecordBatch answers 200 with failures inside, and a call without an answer may have been taken. So each round costs what failed
// and no more, waits with full jitter, and the last one ends before the function would be stopped.

import { setTimeout as sleep } from 'node:timers/promises'
import { chunkCalls, type PackedRecord } from './pack-lines.ts'

/**
 * One PutRecordBatch, sent once. Says for each record, by position, whether it was taken.
 * Throws where nobody knows, or none was.
 */
export type PutRecords = (data: readonly Uint8Array[], signal: AbortSignal) => Promise<readonly boolean[]>

export interface SendSettings {
  readonly putRecords: PutRecords
  /** Until the function is stopped. */
  readonly remainingMs: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Told of a call that threw. */
  readonly onCallFailed: (error: unknown) => void
}

export interface Sent {
  readonly undelivered: readonly PackedRecord[]
  /** Records that were sent again. */
  readonly resent: number
}

/** Left for the answer, and for what the runtime does after it. */
const MARGIN_MS = 1_000
/** Firehose answers in tens of milliseconds. */
const CALL_MS_MAX = 10_000
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 5_000

export async function sendRecords(records: readonly PackedRecord[], settings: SendSettings): Promise<Sent> {
  const { putRecords, remainingMs, random, onCallFailed } = settings
  const leftMs = () => remainingMs() - MARGIN_MS
  let pending = records
  let resent = 0
  for (let round = 0; ; round++) {
    const failed: PackedRecord[] = []
    for (const call of chunkCalls(pending)) failed.push(...(await send(call)))
    if (failed.length === 0) return { undelivered: [], resent }
    const waitMs = random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** round)
    if (leftMs() <= waitMs) return { undelivered: failed, resent }
    await sleep(waitMs)
    resent += failed.length
    pending = failed
  }

  /** Returns what was not taken, as far as known. */
  async function send(call: readonly PackedRecord[]): Promise<readonly PackedRecord[]> {
    const timeoutMs = Math.floor(Math.min(CALL_MS_MAX, leftMs()))
    if (timeoutMs <= 0) return call
    try {
      const taken = await putRecords(
        call.map((record) => record.data),
        AbortSignal.timeout(timeoutMs),
      )
      return call.filter((_, i) => taken[i] !== true)
    } catch (error) {
      onCallFailed(error)
      return call
    }
  }
}
