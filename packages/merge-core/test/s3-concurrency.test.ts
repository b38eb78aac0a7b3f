import { describe, expect, it } from 'vitest'
import { concurrencyLimit } from '../src/store/s3/concurrency-limit.ts'

const throttled = new Error('SlowDown')
const isThrottled = (error: unknown): boolean => error === throttled

/** Requests that end when the test says so. */
function requests() {
  const open: PromiseWithResolvers<void>[] = []
  let most = 0
  return {
    get under() {
      return open.length
    },
    get most() {
      return most
    },
    act: () => {
      const request = Promise.withResolvers<void>()
      open.push(request)
      most = Math.max(most, open.length)
      return request.promise
    },
    end: (count: number) => open.splice(0, count).forEach((request) => void request.resolve()),
    throttle: (count: number) => open.splice(0, count).forEach((request) => void request.reject(throttled)),
  }
}

/** Lets everything run that waits for nothing but promises. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('the limit of concurrency', () => {
  it('is never passed, and nothing waits while it is not reached', async () => {
    const limit = concurrencyLimit(4)
    const server = requests()
    const all = Array.from({ length: 10 }, () => limit.run(server.act, isThrottled))
    for (let ended = 0; ended < 10; ended += 2) {
      await settle()
      expect(server.under).toBe(Math.min(4, 10 - ended))
      server.end(2)
    }
    await Promise.all(all)
    expect(server.most).toBe(4)
  })

  it('is halved once for all requests that were under way when the server throttled, never below one', async () => {
    const limit = concurrencyLimit(16)
    const server = requests()
    for (const expected of [8, 4, 2, 1, 1]) {
      const all = Array.from({ length: limit.limit }, () => limit.run(server.act, isThrottled).catch(() => {}))
      await settle()
      server.throttle(server.under)
      await Promise.all(all)
      expect(limit.limit).toBe(expected)
    }
  })

  it('rises again by about one for each round of answers', async () => {
    const limit = concurrencyLimit(16)
    const server = requests()
    const failing = limit.run(server.act, isThrottled).catch(() => {})
    await settle()
    server.throttle(1)
    await failing
    expect(limit.limit).toBe(8)
    const all = Array.from({ length: 200 }, () => limit.run(server.act, isThrottled))
    for (let round = 0; server.under > 0 || round === 0; round++) {
      await settle()
      expect(server.under).toBeLessThanOrEqual(Math.min(16, 9 + round))
      server.end(server.under)
      await settle()
    }
    await Promise.all(all)
    expect(limit.limit).toBe(16)
  })
})
