// CPU profiles of a run: one file a thread, for flame charts (DevTools, speedscope).

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Profiles {
  /** Of a thread that ended. */
  readonly add: (profile: object, thread: number) => void
  /** Ends the profile of this thread and writes all of them. */
  readonly write: () => Promise<void>
}

/** Starts profiling this thread. */
export async function profilesIn(folder: string): Promise<Profiles> {
  await mkdir(folder, { recursive: true })
  const { startProfile } = await import('@lastwrite/merge-core/profiler')
  const end = await startProfile()
  const profiles = new Map<string, object>()
  return {
    add: (profile, thread) => profiles.set(`thread-${thread}`, profile),
    write: async () => {
      profiles.set('main', await end())
      for (const [name, profile] of profiles)
        await writeFile(join(folder, `${name}.cpuprofile`), JSON.stringify(profile))
    },
  }
}
