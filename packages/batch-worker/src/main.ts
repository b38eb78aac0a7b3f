// The command line `lastwrite` as a process.

import { runCommandLine } from './command-line.ts'
import { DONE, exitCodeOf, TRY_AGAIN } from './exit-codes.ts'
import { endSoon, listenForSignals } from './signals.ts'

listenForSignals()

// `lastwrite history … | head` closes the pipe when it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? DONE : exitCodeOf(error))
})
process.exitCode = await runCommandLine(process.argv.slice(2))
if (process.exitCode === TRY_AGAIN) endSoon()
