// How many requests are under way at once.
//
// A server that throttles halves the limit, every answer raises it a little again, so that it swings about what the server takes
// (additive increase, multiplicative decrease). Requests that were under way when the limit fell tell nothing new: what they say of
// the load was so before. Only the first throttled one that was started after a cut makes the next.

export interface ConcurrencyLimit {
  /** How many may be under way by now. */
  readonly limit: number
  run<T>(act: () => Promise<T>, isThrottled: (error: unknown) => boolean): Promise<T>
}

export function concurrencyLimit(limitMax: number): ConcurrencyLimit {
  const waiting: (() => void)[] = []
  let limit = limitMax
  let running = 0
  let cuts = 0

  function startNext(): void {
    while (running < Math.floor(limit) && waiting.length > 0) {
      running++
      waiting.shift()!()
    }
  }

  return {
    get limit() {
      return Math.floor(limit)
    },
    async run(act, isThrottled) {
      await new Promise<void>((start) => {
        waiting.push(start)
        startNext()
      })
      const cutsBefore = cuts
      try {
        const result = await act()
        limit = Math.min(limitMax, limit + 1 / limit)
        return result
      } catch (error) {
        if (isThrottled(error) && cuts === cutsBefore) {
          limit = Math.max(1, limit / 2)
          cuts++
        }
        throw error
      } finally {
        running--
        startNext()
      }
    },
  }
}
