// Spark as an engine that stays up: one session for all tasks of a test file.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ClusterEngine } from '@lastwrite/merge-core'
import { pythonProgram } from '../../../scripts/parts.ts'

const STDERR_SHOWN = 4000

export interface SparkSession extends ClusterEngine {
  /** Task files that it has done. */
  readonly done: number
  close(): Promise<void>
}

export function openSparkSession(): SparkSession {
  const child = spawn(pythonProgram, [join(import.meta.dirname, 'spark_session.py')], {
    env: { ...process.env, TZ: 'UTC', PYTHONUTF8: '1', PYTHONDONTWRITEBYTECODE: '1' },
  })
  let stderr = ''
  let done = 0
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_SHOWN)
  })
  const waiting: PromiseWithResolvers<void>[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const asked = waiting.shift()
    const error = JSON.parse(line) as string | null
    if (error === null) asked?.resolve()
    else asked?.reject(new Error(`${error}\n${stderr}`))
  })
  child.on('exit', (code) => {
    for (const asked of waiting.splice(0)) asked.reject(new Error(`Spark ended with ${code}\n${stderr}`))
  })
  return {
    missing: async () => null,
    run: (taskFiles) => {
      done += taskFiles.length
      const asked = Promise.withResolvers<void>()
      waiting.push(asked)
      child.stdin.write(`${JSON.stringify(taskFiles)}\n`)
      return asked.promise
    },
    get done() {
      return done
    },
    async close() {
      child.stdin.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}
