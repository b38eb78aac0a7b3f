// Starts Spark for the tasks of a merge, and waits for it.
//
// Whatever starts a Spark job and ends when the job has ended will do: spark-submit on this machine, on YARN or Kubernetes. It is given
// the job's script and the task files as its last arguments. emr-serverless.ts asks a service instead.

import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { debuglog } from 'node:util'
import { type ClusterEngine, InputError, TryAgainError } from '@lastwrite/merge-core'

export const SPARK_SUBMIT = 'spark-submit --master local[*]'

/** The job's script: spark/README.md. */
export const MERGE_TASK = join(import.meta.dirname, '..', 'spark', 'merge_task.py')
/** The job's own exit code for what is refused. */
export const REFUSED = 20
/** With those of a shell that did not find the program, or may not start it. */
const FIX_INPUT_CODES: readonly (number | null)[] = [126, 127, REFUSED]
const LINES_SHOWN = 20

/** `NODE_DEBUG=lastwrite-spark` shows what Spark says while it runs. */
const debug = debuglog('lastwrite-spark')

/** @param submit the command with its options; words are parted by blanks, quotes keep them together */
export function sparkEngine(submit: string): ClusterEngine {
  const [program, ...options] = wordsOf(submit) as [string, ...string[]]
  return {
    run: (taskFiles, signal) => runToEnd(program, [...options, MERGE_TASK, ...taskFiles], signal),
    missing: async () => ((await isFound(program)) ? null : `${program} is not found`),
  }
}

function wordsOf(command: string): string[] {
  const words = command.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []
  if (words.length === 0) throw new InputError('--spark-submit is empty; write a command such as spark-submit')
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}

async function isFound(program: string): Promise<boolean> {
  const folders = program.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter)
  const found = await Promise.all(
    folders.map((folder) => isExecutable(folder === '' ? program : join(folder, program))),
  )
  return found.includes(true)
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** @throws TryAgainError, InputError with the last lines that Spark wrote */
async function runToEnd(program: string, words: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  // A process group of its own: the JVM, and its Python, end with it.
  const child = spawn(program, words, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => {
      debug(line)
      lines.push(line)
      if (lines.length > LINES_SHOWN) lines.shift()
    })
  }
  const stop = () => endGroup(child.pid)
  signal?.addEventListener('abort', stop)
  process.on('exit', stop)
  const ended = Promise.withResolvers<void>()
  const fail = (what: string, again: boolean) => {
    const said = lines.length === 0 ? '' : `; it said last:\n${lines.join('\n')}`
    const Failure = again ? TryAgainError : InputError
    ended.reject(new Failure(`${program}: ${what}; nothing of it is visible${said}`))
  }
  child.on('error', (error) => fail(`cannot be started (${error.message}); install it or give --spark-submit`, false))
  child.on('close', (code, killed) => {
    if (code === 0) ended.resolve()
    else if (FIX_INPUT_CODES.includes(code)) fail(`ended with exit code ${code}; mend what it says`, false)
    else fail(`ended with ${code === null ? killed : `exit code ${code}`}; run again, or with --engine node`, true)
  })
  try {
    await ended.promise
  } finally {
    signal?.removeEventListener('abort', stop)
    process.off('exit', stop)
  }
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended already.
  }
}
