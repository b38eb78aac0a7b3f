import { TryAgainError } from '../errors.ts'
import type { Table } from '../table.ts'

const ATTEMPTS_MAX = 20
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 5_000

/**
 * Tries until an attempt answers. An attempt loads the table anew; it answers `lost` where another writer was first, or nobody knows
 * whether it was made: the next one has to look.
 * @throws TryAgainError where every attempt was lost
 */
export async function untilCommitted<T>(
  { location, environment }: Table,
  attempt: (number: number) => Promise<T | 'lost'>,
): Promise<T> {
  for (let number = 1; number <= ATTEMPTS_MAX; number++) {
    const outcome = await attempt(number)
    if (outcome !== 'lost') return outcome
    await environment.sleep(environment.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** number))
  }
  throw new TryAgainError(
    `${location}: lost the race to commit ${ATTEMPTS_MAX} times; run again when fewer writers are active`,
  )
}
