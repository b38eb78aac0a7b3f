// A CPU profile of the thread that it runs in (V8's format, `.cpuprofile`: flame charts of DevTools, speedscope).

import { Session } from 'node:inspector/promises'

/** Samples a second would be too coarse for the steps of a small merge. */
const INTERVAL_MICROS = 500

/** Starts it; what comes back ends it and gives the profile. */
export async function startProfile(): Promise<() => Promise<object>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_MICROS })
  await session.post('Profiler.start')
  return async () => {
    const { profile } = await session.post('Profiler.stop')
    session.disconnect()
    return profile
  }
}
