#!/usr/bin/env node
// The command line `lastwrite` as a process.

import { enableCompileCache } from 'node:module'

// Three quarters of a short command are spent on compiling it, else.
enableCompileCache()
const { runCommandLine } = await import('./command-line.ts')
const { DONE, exitCodeOf } = await import('./exit-codes.ts')

// `lastwrite history … | head` closes the pipe when it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? DONE : exitCodeOf(error))
})
process.exitCode = await runCommandLine(process.argv.slice(2))
