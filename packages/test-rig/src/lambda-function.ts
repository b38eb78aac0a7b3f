// A bundled function in execution environments of its own, as Lambda runs it: one event at a time in each, more of them where events
// come at once, killed when the time is up, and whenever the test likes.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { DynamoDBBatchResponse, DynamoDBStreamEvent } from 'aws-lambda'

export interface LambdaFunction {
  /** Throws where the function does, where it took too long, and where it was killed. */
  invoke(event: DynamoDBStreamEvent): Promise<DynamoDBBatchResponse>
  /** Kills an environment that is at work, if one is. Says whether one was. */
  killOne(random: () => number): boolean
  /** All that the environments printed. */
  readonly log: string
  stop(): Promise<void>
}

export interface FunctionSettings {
  /** Path of the module whose `handler` is called. */
  readonly bundle: string
  readonly environment: Readonly<Record<string, string>>
  readonly timeoutMs: number
}

export function lambdaFunction({ bundle, environment, timeoutMs }: FunctionSettings): LambdaFunction {
  const idle: ChildProcess[] = []
  const busy = new Set<ChildProcess>()
  let log = ''

  async function newEnvironment(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, 'lambda-runtime.mjs'), {
      // Nothing of this process's own settings.
      env: { PATH: process.env.PATH, BUNDLE: bundle, ...environment },
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const output of [child.stdout!, child.stderr!]) {
      output.setEncoding('utf8').on('data', (text: string) => {
        log += text
      })
    }
    await answerOf(child)
    return child
  }

  return {
    async invoke(event) {
      const child = idle.pop() ?? (await newEnvironment())
      busy.add(child)
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
      try {
        const answer = answerOf(child)
        child.send({ event, timeoutMs })
        const { response, error } = await answer
        idle.push(child)
        if (error !== undefined) throw new Error(error)
        return response!
      } finally {
        clearTimeout(timer)
        busy.delete(child)
      }
    },
    killOne(random) {
      const child = [...busy][Math.floor(random() * busy.size)]
      child?.kill('SIGKILL')
      return child !== undefined
    },
    get log() {
      return log
    },
    async stop() {
      for (const child of idle.splice(0)) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
    },
  }
}

interface Answer {
  readonly response?: DynamoDBBatchResponse
  readonly error?: string
}

/** The next message of an environment; throws where it ends without one. */
function answerOf(child: ChildProcess): Promise<Answer> {
  const ended = new AbortController()
  const answer = once(child, 'message', { signal: ended.signal }).then(([message]) => message as Answer)
  const exit = once(child, 'exit', { signal: ended.signal }).then(([code, signal]) => {
    throw new Error(`the environment ended with ${code ?? signal}`)
  })
  return Promise.race([answer, exit]).finally(() => {
    ended.abort()
    for (const left of [answer, exit]) left.catch(() => {})
  })
}
