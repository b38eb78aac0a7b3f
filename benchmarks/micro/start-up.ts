// How long `lastwrite merge` takes before it does anything, from the bundle (ours as containers run it) and from the sources.
//
// A small table whose landing objects are all merged already. "To the first read" ends the process where the table's metadata is first
// looked for, "nothing to do" runs to the end; both are whole processes, as their parent sees them. A thread is a worker of the pool
// from its creation until it has loaded its program and ended. The compile caches are warm; the ways take turns, medians count. Beside
// them stands what Node itself takes. It does not show: the first start after an installation, when nothing is compiled yet.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import { orderLine, orders } from '../orders.ts'

const REPETITIONS = Number(process.argv[2] ?? 15)
const ROOT = join(import.meta.dirname, '../..')
const BUNDLE = join(ROOT, 'packages/batch-worker/dist/lastwrite.mjs')
const SOURCES = join(ROOT, 'packages/batch-worker/bin/lastwrite.mjs')
const BUNDLED_THREAD = join(ROOT, 'packages/batch-worker/dist/worker.mjs')
const SOURCE_THREAD = join(ROOT, 'packages/merge-core/src/threads/worker.ts')
/** Ends the process where it would list a folder: the first that a merge asks of its table. */
const END_AT_FIRST_READ = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs/promises'
  import { syncBuiltinESMExports } from 'node:module'
  fs.readdir = () => process.exit(0)
  syncBuiltinESMExports()
`)}`
const ROWS = 1000

process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
execFileSync(process.execPath, [join(ROOT, 'scripts/bundle.ts')])
const folder = mkdtempSync(join(tmpdir(), 'lastwrite-start-up-'))
const table = join(folder, 'lake/orders')
const landing = join(folder, 'landing')
const merge = ['merge', table, '--landing', landing]

const ways: readonly (readonly [name: string, run: () => void | Promise<void>])[] = [
  ['node that does nothing', () => node('-e', '0')],
  ['to the first read, bundle', () => node('--import', END_AT_FIRST_READ, BUNDLE, ...merge)],
  ['to the first read, sources', () => node('--import', END_AT_FIRST_READ, SOURCES, ...merge)],
  ['nothing to do, bundle', () => node(BUNDLE, ...merge)],
  ['nothing to do, sources', () => node(SOURCES, ...merge)],
  ['a thread, bundle', () => thread(BUNDLED_THREAD)],
  ['a thread, sources', () => thread(SOURCE_THREAD)],
]

function node(...words: string[]): void {
  execFileSync(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] })
}

function thread(file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(pathToFileURL(file), { workerData: { profile: false } })
    worker.on('error', reject)
    worker.on('exit', () => resolve())
  })
}

try {
  mkdirSync(landing)
  writeFileSync(join(folder, 'orders.table.json'), JSON.stringify(orders))
  const lines = Array.from({ length: ROWS }, (_, order) => orderLine('insert', order, order))
  writeFileSync(join(landing, 'orders-1.gz'), gzipSync(`${lines.join('\n')}\n`))
  node(BUNDLE, 'init', table, '--definition', join(folder, 'orders.table.json'))
  node(BUNDLE, ...merge, '--threads', '1')

  const millis = ways.map((): number[] => [])
  for (let repetition = 0; repetition <= REPETITIONS; repetition++) {
    for (const [index, [, run]] of ways.entries()) {
      const started = performance.now()
      await run()
      if (repetition > 0) millis[index]!.push(performance.now() - started)
    }
  }
  for (const [index, [name]] of ways.entries()) {
    const sorted = millis[index]!.sort((a, b) => a - b)
    const [median, least] = [sorted[sorted.length >> 1]!, sorted[0]!]
    console.log(`${name.padEnd(28)} ${median.toFixed(0).padStart(5)} ms   least ${least.toFixed(0).padStart(5)} ms`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
