// Lays the worker's image out where no container engine is, and starts lastwrite in it: npm run image:root -- <debian> <node>
//
// <debian> and <node> are folders that stand for the images of these names in packages/batch-worker/Dockerfile: a root that debootstrap
// made, and a copy of it with Node and npm in /usr/local. Needs root. lastwrite runs as the image's user with nothing in its environment
// but what the image sets, on a root that is mounted read-only but for /tmp.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildStages, run, type Stage, sizeOf } from './image-root/build.ts'

const TARGET = 'worker'
const BYTES_MAX_MIB = 250
const DEFINITION = {
  table: 'orders',
  source: '123456789012/eu-west-1',
  key: ['pk'],
  columns: { pk: 'string', status: 'string' },
}
const LINE = {
  ...{
    format: 'lastwrite/1',
    table: 'orders',
    source: '123456789012/eu-west-1',
    stream: '2026-11-22T08:00:00.000',
    sequence: '1',
  },
  ...{ operation: 'insert', at: 1795507200, keys: { pk: { S: 'a' } }, item: { pk: { S: 'a' }, status: { S: 'open' } } },
}

const [debian, node] = process.argv.slice(2)
if (debian === undefined || node === undefined) throw new Error('usage: npm run image:root -- <debian> <node>')
const source = join(import.meta.dirname, '..')
const work = mkdtempSync(join(tmpdir(), 'lastwrite-image-'))
try {
  const bases = new Map([
    ['DEBIAN', debian],
    ['NODE', node],
  ])
  const stages = buildStages(join(source, 'packages/batch-worker/Dockerfile'), source, bases, work, TARGET)
  const stage = stages.get(TARGET)!
  for (const { step, mebibytes } of stage.layers) console.log(`${mebibytes.toFixed(1).padStart(7)} MiB  ${step}`)
  const total = sizeOf(stage.root)
  console.log(`${total.toFixed(1).padStart(7)} MiB  in all`)
  if (total > BYTES_MAX_MIB) throw new Error(`the image has ${total.toFixed(1)} MiB, more than ${BYTES_MAX_MIB}`)
  start(stage)
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** In a mount namespace of its own, so nothing stays mounted. */
function start({ root, user, environment, entrypoint }: Stage): void {
  const files = join(work, 'files')
  mkdirSync(join(files, 'landing'), { recursive: true })
  writeFileSync(join(files, 'orders.json'), JSON.stringify(DEFINITION))
  writeFileSync(join(files, 'landing/1'), `${JSON.stringify(LINE)}\n`)
  run('chown', ['--recursive', user, files])
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const lastwrite = ['chroot', `--userspec=${user}`, root, 'env', '-i', ...variables, ...entrypoint].join(' ')
  const script = `set -eux
mount --bind ${root} ${root}
mount -o remount,bind,ro ${root}
mount --bind ${files} ${root}/tmp
if chroot --userspec=${user} ${root} touch /app/written; then exit 1; fi
${lastwrite} --version
${lastwrite} init /tmp/lake/orders --definition /tmp/orders.json
${lastwrite} merge /tmp/lake/orders --landing /tmp/landing`
  run('unshare', ['--mount', 'sh', '-c', script])
}
