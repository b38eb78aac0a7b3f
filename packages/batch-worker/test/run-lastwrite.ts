// Runs the command line in a folder of its own: in this process, which is fast, or in one of its own, as its users do.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runCommandLine } from '../src/command-line.ts'

export const LASTWRITE = fileURLToPath(new URL('../bin/lastwrite.mjs', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Workspace {
  readonly folder: string
  /** In this process, one command after the other. */
  readonly lastwrite: (...words: string[]) => Promise<Outcome>
  readonly lastwriteWith: (environment: Record<string, string>, ...words: string[]) => Promise<Outcome>
  readonly lastwriteProcess: (...words: string[]) => Promise<Outcome>
  /** Writes a file, with its folders. */
  readonly write: (path: string, content: string | Uint8Array) => void
  readonly remove: () => void
}

export function newWorkspace(): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-cli-'))
  return {
    folder,
    lastwrite: (...words) => runHere(words, folder, {}),
    lastwriteWith: (environment, ...words) => runHere(words, folder, environment),
    lastwriteProcess: (...words) => runProcess(process.execPath, [LASTWRITE, ...words], folder, {}),
    write: (path, content) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), content)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Two commands at a time would print into each other. */
let before: Promise<unknown> = Promise.resolve()

function runHere(...[words, folder, environment]: Parameters<typeof runAlone>): Promise<Outcome> {
  const outcome = before.then(() => runAlone(words, folder, environment))
  before = outcome.catch(() => {})
  return outcome
}

async function runAlone(
  words: readonly string[],
  folder: string,
  environment: Record<string, string>,
): Promise<Outcome> {
  const { stdout, stderr, env, exitCode } = process
  const [cwd, writeOut, writeErr] = [process.cwd(), stdout.write, stderr.write]
  const said = { stdout: '', stderr: '' }
  const listen = (to: 'stdout' | 'stderr') => (text: string | Uint8Array) => {
    said[to] += String(text)
    return true
  }
  try {
    process.chdir(folder)
    process.env = { ...env, ...environment }
    stdout.write = listen('stdout')
    stderr.write = listen('stderr')
    const code = await runCommandLine(words)
    return { code, ...said }
  } finally {
    stdout.write = writeOut
    stderr.write = writeErr
    process.env = env
    process.exitCode = exitCode
    process.chdir(cwd)
  }
}

export function runProcess(
  program: string,
  words: readonly string[],
  folder: string,
  environment: Record<string, string>,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { cwd: folder, env: { ...process.env, ...environment } })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
