// One process at a time: a lock is a symbolic link that names the process that holds it.

import { mkdirSync, readlinkSync, symlinkSync, unlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for the lock `path`, acts, lets go. The lock of a process that is gone is taken over. */
export async function withLock<T>(path: string, act: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(path), { recursive: true })
  let waiting = false
  while (!takeLock(path)) {
    if (!waiting) console.error(`waiting for the process that holds ${path}`)
    waiting = true
    await sleep(500)
  }
  try {
    return await act()
  } finally {
    unlinkSync(path)
  }
}

function takeLock(path: string): boolean {
  try {
    symlinkSync(String(process.pid), path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  try {
    process.kill(Number(readlinkSync(path)), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') unlinkSync(path)
  }
  return false
}
