// Runs the command line as its users do: in a process of its own, in a folder of its own.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const LASTWRITE = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Workspace {
  readonly folder: string
  readonly lastwrite: (...words: string[]) => Promise<Outcome>
  readonly lastwriteWith: (environment: Record<string, string>, ...words: string[]) => Promise<Outcome>
  /** Writes a file, with its folders. */
  readonly write: (path: string, content: string | Uint8Array) => void
  readonly remove: () => void
}

export function newWorkspace(): Workspace {
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-cli-'))
  const lastwriteWith = (environment: Record<string, string>, ...words: string[]) =>
    runProcess(process.execPath, [LASTWRITE, ...words], folder, environment)
  return {
    folder,
    lastwrite: (...words) => lastwriteWith({}, ...words),
    lastwriteWith,
    write: (path, content) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), content)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
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
