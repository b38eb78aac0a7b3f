// The same merge on an S3 server and in a local folder, in turns: node benchmarks/s3.ts [workload] [size] [turns]   (npm run bench:s3 -- W4 M 3)
//
// The server is versitygw on loopback over a folder: what shows is what requests cost, without a network. Its table comes about by the
// same merges as the local one, is kept in the cache, and stands fresh before each turn. Both merges must say the same of lines and rows.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import type { MergeReport } from '@lastwrite/merge-core'
import { type S3Server, startS3 } from '../packages/merge-core/interop/s3-servers.ts'
import { withLock } from '../scripts/process-lock.ts'
import { bundleProgram, lastwriteNoFsync, mergeRows, PROGRAM } from './contestants/lastwrite.ts'
import { benchLock, changesName, freshTable, liveFolder, prepareBase, prepareChanges, tableName } from './prepare.ts'
import { workloadsOf } from './workloads.ts'

const [name = 'W4', size = 'M', turns = '3'] = process.argv.slice(2)
const { workload } = workloadsOf(name, size)[0]!
const base = prepareBase(workload.table)
const { landing } = prepareChanges(workload)
const rows = tableName(workload.table)
const localFolder = liveFolder(lastwriteNoFsync)
const served = { name: 'lastwrite-s3' }
const servedFolder = liveFolder(served)

bundleProgram()
await withLock(benchLock, async () => {
  for (let turn = 1; turn <= Number(turns); turn++) {
    await freshTable(lastwriteNoFsync, rows, (live) => lastwriteNoFsync.prepare(base, live))
    const local = await merge(join(localFolder, 'orders'), landing)
    await freshTable(served, `${rows}-${changesName(workload.changes)}`, fillServer)
    const bucket = readdirSync(join(servedFolder, 'objects')).find((name) => name.startsWith('lastwrite-'))
    const server = await startS3('versitygw', servedFolder)
    const s3 = await merge(`s3://${bucket}/orders`, `s3://${bucket}/landing`, server).finally(() => server.stop())
    console.log(`turn ${turn}: local ${local.said}\n        S3    ${s3.said}`)
    if (!isDeepStrictEqual(local.outcome, s3.outcome))
      throw new Error('the two merges say different things of lines or rows')
  }
})

/** The table, and the change lines that come. */
async function fillServer(folder: string): Promise<void> {
  const server = await startS3('versitygw', folder)
  try {
    const bucket = await server.newBucket()
    const table = `${bucket}/orders`
    await lastwrite(['init', table, '--definition', join(localFolder, 'definition.json')], server)
    await mergeRows(base, (lines) => lastwrite(['merge', table, '--landing', lines, '--threads', '2'], server))
    const store = server.openStore()
    for (const object of globSync('**/*.gz', { cwd: landing })) {
      const put = await store.put(`${bucket}/landing/${object}`, readFileSync(join(landing, object)), {
        kind: 'create',
      })
      if (put.kind !== 'ok') throw new Error(`${object}: ${put.kind}`)
    }
  } finally {
    await server.stop()
  }
}

async function merge(table: string, landing: string, server?: S3Server) {
  const durable = server === undefined ? ['--no-fsync'] : []
  const startMs = performance.now()
  const printed = await lastwrite(
    ['merge', table, '--landing', landing, '--threads', '2', '--json', ...durable],
    server,
  )
  const seconds = (performance.now() - startMs) / 1000
  const { lines, rows, bytes, requests, seconds: steps, peakMemoryBytes } = JSON.parse(printed) as MergeReport
  const said = { bytes, requests, steps, peakMib: Math.round(peakMemoryBytes! / 2 ** 20) }
  return { outcome: { lines, rows }, said: `${seconds.toFixed(2)} s ${JSON.stringify(said)}` }
}

async function lastwrite(words: readonly string[], server?: S3Server): Promise<string> {
  const env = { ...process.env, ...server?.environment }
  const program = spawn(process.execPath, [PROGRAM, ...words, '--quiet'], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed, [code]] = await Promise.all([text(program.stdout), once(program, 'exit')])
  if (code !== 0) throw new Error(`lastwrite ${words.join(' ')} ended with ${code}`)
  return printed
}
