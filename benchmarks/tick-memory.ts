// Peak memory and time of a small tick on a large table: 1,000 clustered changes (80 % updates, 15 % inserts, 5 % removals of the most
// recent keys) merged into a table of 10 M rows, in a process of its own, as `lastwrite merge` runs it.
//
// The table is built once, by merging the inserts of all rows, and kept in the system's folder for temporary files.
// usage: node benchmarks/tick-memory.ts [rows, default 10,000,000]

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { createTable, mergeLanding, nodeEnvironment, openTable, parseTableDefinition } from '@lastwrite/merge-core'
import { localStore } from '@lastwrite/merge-core/store/local'
import { orderLine, orders } from './orders.ts'

const ROWS = Number(process.argv[2] ?? 10_000_000)
const TICK = 1_000
const OBJECT_LINES = 25_000
const PEAK_BYTES_MAX = 512 * 1024 * 1024

const folder = join(tmpdir(), `lastwrite-tick-${ROWS}`)
const location = `file://${folder}/orders`
const environment = nodeEnvironment(localStore())

if (process.argv[3] === 'tick') await tick()
else await run()

async function run(): Promise<void> {
  if (!existsSync(join(folder, 'built'))) await build()
  const landing = join(folder, `tick-${Date.now()}`)
  mkdirSync(landing)
  writeFileSync(join(landing, 'changes.gz'), gzipSync(tickLines().join('\n')))
  const output = execFileSync(process.execPath, [fileURLToPath(import.meta.url), String(ROWS), 'tick', landing], {
    encoding: 'utf8',
  })
  const { report, peakBytes } = JSON.parse(output) as {
    report: Awaited<ReturnType<typeof mergeLanding>>
    peakBytes: number
  }
  const mib = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  console.log(`table of ${ROWS.toLocaleString('en')} rows, tick of ${TICK.toLocaleString('en')} clustered changes`)
  console.log(`  ${report.seconds.total.toFixed(2)} s; peak memory ${mib(peakBytes)} (at most ${mib(PEAK_BYTES_MAX)})`)
  console.log(
    `  read ${mib(report.bytes.read)}, written ${mib(report.bytes.written)}, copied ${mib(report.bytes.copied)}`,
  )
  console.log(
    `  row groups: ${report.rowGroups.encoded} encoded, ${report.rowGroups.copied} copied; lines applied: ${report.lines.applied}`,
  )
  if (peakBytes > PEAK_BYTES_MAX) process.exitCode = 1
}

async function build(): Promise<void> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const table = await createTable(location, parseTableDefinition(JSON.stringify(orders)), environment)
  for (let row = 0; row < ROWS; row += 10 * OBJECT_LINES) {
    const landing = join(folder, 'landing', String(row).padStart(9, '0'))
    mkdirSync(landing, { recursive: true })
    for (let start = row; start < Math.min(row + 10 * OBJECT_LINES, ROWS); start += OBJECT_LINES) {
      const lines = Array.from({ length: Math.min(OBJECT_LINES, ROWS - start) }, (_, i) =>
        orderLine('insert', start + i, start + i),
      )
      writeFileSync(join(landing, `${start}.gz`), gzipSync(lines.join('\n'), { level: 1 }))
    }
    await mergeLanding(table, [`file://${landing}/`])
    rmSync(landing, { recursive: true })
    process.stderr.write(`\rbuilding the table: ${Math.round((100 * row) / ROWS)} %`)
  }
  process.stderr.write('\n')
  writeFileSync(join(folder, 'built'), '')
}

function tickLines(): string[] {
  const version = ROWS + Math.floor(Date.now() / 1000)
  return Array.from({ length: TICK }, (_, i) => {
    if (i % 20 < 16) return orderLine('modify', ROWS - 1 - i, version + i)
    return i % 20 < 19
      ? orderLine('insert', ROWS + version + i, version + i)
      : orderLine('remove', ROWS - 1 - i, version + i)
  })
}

async function tick(): Promise<void> {
  const report = await mergeLanding(await openTable(location, environment), [`file://${process.argv[4]}/`])
  console.log(JSON.stringify({ report, peakBytes: process.resourceUsage().maxRSS * 1024 }))
}
