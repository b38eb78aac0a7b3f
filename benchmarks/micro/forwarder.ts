// What the Lambda function costs: its bundle, its cold start, and CPU time by the number of records in an event.
//
// The bundle runs in a process of its own, as in Lambda; Firehose is another process that takes everything. A cold start is the import
// and the first invocation with one record, each time in a new process; medians count. CPU time is the process's own, all of it: reading the event is
// left out, for the runtime does that; encoding, base64, the signature and HTTP are in it. The event of 10,000 records is larger than
// Lambda's 6 MB: it shows that the cost is linear. Minima of the repetitions count, as the machine may be busy.

import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundleForwarder } from '../../scripts/bundle-forwarder.ts'

const REPETITIONS = Number(process.argv[2] ?? 9)
const SIZES = [1_000, 2_000, 5_000, 10_000]

const FIREHOSE = `
import { createServer } from 'node:http'
const server = createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const records = JSON.parse(Buffer.concat(chunks).toString()).Records
  response.end(JSON.stringify({ FailedPutCount: 0, RequestResponses: records.map(() => ({ RecordId: 'x' })) }))
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
`

const FUNCTION = `
const size = Number(process.argv[2])
const since = (cpu, ms) => {
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - ms, cpuMs: (user + system) / 1000 }
}
const [startCpu, startMs] = [process.cpuUsage(), performance.now()]
const { handler } = await import('./handler.mjs')
const imported = since(startCpu, startMs)
const context = { getRemainingTimeInMillis: () => 60_000 }
const record = (i) => ({
  eventName: 'MODIFY',
  eventSourceARN: 'arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-11-22T08:00:00.000',
  dynamodb: {
    ApproximateCreationDateTime: 1795334400,
    Keys: { pk: { S: 'k#' + i } },
    // Some 1,000 bytes as JSON.
    NewImage: Object.fromEntries([['pk', { S: 'k#' + i }], ...Array.from({ length: 12 }, (_, n) => ['attribute' + n, { S: 'value '.repeat(9) + i }])]),
    SequenceNumber: String(400000000024465870661n + BigInt(i)),
  },
})
const eventOf = (count) => JSON.parse(JSON.stringify({ Records: Array.from({ length: count }, (_, i) => record(i)) }))
const first = await invoke(1)
const cpuMs = []
for (let i = 0; size > 0 && i < ${REPETITIONS} + 3; i++) cpuMs.push((await invoke(size)).cpuMs)
process.stderr.write(JSON.stringify({ imported, first, cpuMs: Math.min(...cpuMs), bytes: JSON.stringify(record(1).dynamodb.NewImage).length }))
async function invoke(count) {
  const event = eventOf(count)
  const [beforeCpu, beforeMs] = [process.cpuUsage(), performance.now()]
  const { batchItemFailures } = await handler(event, context)
  if (batchItemFailures.length > 0) throw new Error('not all was delivered')
  return since(beforeCpu, beforeMs)
}
`

interface Time {
  readonly ms: number
  readonly cpuMs: number
}

interface Measured {
  readonly imported: Time
  readonly first: Time
  readonly cpuMs: number
  readonly bytes: number
}

const folder = mkdtempSync(join(tmpdir(), 'lastwrite-forwarder-'))
await bundleForwarder(folder)
writeFileSync(join(folder, 'firehose.mjs'), FIREHOSE)
writeFileSync(join(folder, 'function.mjs'), FUNCTION)
const firehose = fork(join(folder, 'firehose.mjs'), { execArgv: [] })
const [port] = await once(firehose, 'message')

function run(size: number): Measured {
  const env = {
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 's',
    AWS_ENDPOINT_URL_FIREHOSE: `http://127.0.0.1:${port}`,
    DELIVERY_STREAM: 'orders',
    OVERSIZE_LOCATION: 's3://bucket/oversize/',
  }
  const output = execFileSync('sh', ['-c', `"${process.execPath}" function.mjs ${size} 2>&1 >/dev/null`], {
    cwd: folder,
    env,
  })
  // Above it stands what the function logged, of a call that took too long, say.
  return JSON.parse(output.toString().trimEnd().split('\n').at(-1)!)
}

function median(times: readonly Time[]): string {
  const of = (pick: (time: Time) => number) =>
    times
      .map(pick)
      .sort((a, b) => a - b)
      [times.length >> 1]!.toFixed(0)
  return `${of((time) => time.ms)} ms (${of((time) => time.cpuMs)} ms CPU)`
}

try {
  const files = readdirSync(folder).filter((name) => !['firehose.mjs', 'function.mjs'].includes(name))
  const bytes = (names: readonly string[]) => names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  const kilobytes = (names: readonly string[]) => `${(bytes(names) / 1000).toFixed(0)} kB`
  const s3 = files.filter((name) => /^s3|event-streams/.test(name))
  console.log(
    `bundle          ${kilobytes(files)} minified, ${kilobytes(s3)} of it loaded with the first oversize item`,
  )
  const cold = Array.from({ length: REPETITIONS }, () => run(0))
  const [imported, first] = [cold.map((one) => one.imported), cold.map((one) => one.first)]
  console.log(`cold start      import ${median(imported)}, first invocation ${median(first)}`)
  for (const size of SIZES) {
    const { cpuMs, bytes } = run(size)
    const each = ((cpuMs * 1000) / size).toFixed(1)
    console.log(
      `${String(size).padStart(6)} records  ${cpuMs.toFixed(0).padStart(5)} ms CPU, ${each} ms per 1,000 of ${bytes} bytes`,
    )
  }
} finally {
  firehose.kill('SIGKILL')
  rmSync(folder, { recursive: true })
}
