// Runs a command with the project's own tools first in the path: node scripts/with-tools.mjs <command> [argument…]
//
// The machine may have an older Node and no pnpm. Where node_modules is not what the lockfile says it is installed first, and
// brings the Node that everything else runs on; so this file alone must do with Node 20.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')
const PNPM = 'pnpm@12.21.0'

const [command, ...args] = process.argv.slice(2)
if (command === undefined) {
  console.error('usage: node scripts/with-tools.mjs <command> [argument…]')
  process.exit(20)
}
if (!isInstalled()) {
  console.error(`installing the packages of pnpm-lock.yaml with ${PNPM}`)
  const status = run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile'], { stdio: ['ignore', 2, 2], cwd: root })
  if (status !== 0) {
    console.error(`the installation failed (exit ${status}): are the npm registry and npx in reach?`)
    process.exit(status)
  }
}
process.exit(run(command, args, { stdio: 'inherit' }))

/** pnpm leaves a copy of the lockfile that it installed. */
function isInstalled() {
  try {
    const installed = readFileSync(join(root, 'node_modules', '.pnpm', 'lock.yaml'), 'utf8')
    return installed === readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8')
  } catch {
    return false
  }
}

function run(program, programArgs, options) {
  const env = { ...process.env, PATH: bin + delimiter + process.env.PATH }
  const { status, signal, error } = spawnSync(program, programArgs, { ...options, env })
  if (error) {
    console.error(`${program}: ${error.message}`)
    return 127
  }
  return status ?? 128 + constants.signals[signal]
}
