// Bundles the command line into packages/batch-worker/dist: node packages/batch-worker/dist/lastwrite.mjs merge …
// and the Lambda function into packages/lambda-forwarder/dist.
//
// For containers and wherever the start counts: from the sources a run resolves and loads over a hundred files, and each thread that it
// starts does so again. Packages with native code, or with files of their own to find, stay outside.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'rolldown'
import { bundleForwarder } from './bundle-forwarder.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'packages/batch-worker/dist')
const THREAD = "new URL('./worker.ts', import.meta.url)"

await rm(dist, { recursive: true, force: true })
await build({
  input: {
    lastwrite: join(root, 'packages/batch-worker/bin/lastwrite.mjs'),
    worker: join(root, 'packages/merge-core/src/threads/worker.ts'),
  },
  platform: 'node',
  external: ['@duckdb/node-api', 'apache-arrow', 'piscina', 'snappy'],
  plugins: [
    {
      name: 'threads start from the bundle',
      transform(code, id) {
        if (!id.endsWith('/threads/pool.ts')) return null
        if (!code.includes(THREAD)) throw new Error(`${id}: ${THREAD} is no longer how a thread's file is named`)
        return code.replace(THREAD, THREAD.replace('worker.ts', 'worker.mjs'))
      },
    },
  ],
  output: { dir: dist, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
  logLevel: 'warn',
})

await bundleForwarder(join(root, 'packages/lambda-forwarder/dist'))
