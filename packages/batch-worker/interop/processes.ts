// The command line as processes that a test starts, kills and waits for.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { LASTWRITE } from '../test/run-lastwrite.ts'

/** @param environment beside that of this process */
export function startLastwrite(folder: string, environment: NodeJS.ProcessEnv, words: readonly string[]): ChildProcess {
  return spawn(process.execPath, [LASTWRITE, ...words], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/** The exit code, or the signal that ended it. */
export async function endOf(child: ChildProcess): Promise<number | string> {
  const [code, signal] = await once(child, 'exit')
  return code ?? signal
}
