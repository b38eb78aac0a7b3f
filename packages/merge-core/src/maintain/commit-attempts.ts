import { TryAgainError } from '../errors.ts'
import type { Table } from '../table.ts'

const ATTEMPTS_MAX = 20
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 20_000

/**
 * Tries until an attempt answers. An attempt loads the table anew; it answers `lost` where another writer was first, or nobody knows
 * whether it was made: the next one has to look.
 *
 * An attempt is lost to whoever commits while it lasts. So the time to wait grows from the time that one takes: however slow the store
 * or the machine is, with each loss fewer are trying at once.
 * @throws TryAgainError where every attempt was lost
 */
export async function untilCommitted<T>(
  { location, environment }: Table,
  attempt: (number: number) => Promise<T | 'lost'>,
): Promise<T> {
  const { nowMs, random, sleep } = environment
  for (let number = 1; number <= ATTEMPTS_MAX; number++) {
    const startMs = nowMs()
    const outcome = await attempt(number)
    if (outcome !== 'lost') return outcome
    const unitMs = Math.max(BACKOFF_FIRST_MS, nowMs() - startMs)
    await sleep(random() * Math.min(BACKOFF_MAX_MS, unitMs * 2 ** number))
  }
  throw new TryAgainError(
    `${location}: lost the race to commit ${ATTEMPTS_MAX} times; run again when fewer writers are active`,
  )
}
