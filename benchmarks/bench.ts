// Whole merges, side by side: node benchmarks/bench.ts [option…]   (npm run bench -- [option…])
//
//   --workload W1,W4     default W1,W2,W3,W4,W5,W7,W8; see workloads.ts
//   --size S             S (1 M rows), M (10 M), L (60 M), or for example 3M; W6 is for S
//   --contestants a,b    default lastwrite,duckdb
//   --reps 3             turns; in each turn every contestant merges once into a fresh copy of its table
//   --threads 2          that each contestant may use
//   --json out.json      where to write all timings
//   --rebuild            make the contestants' tables anew, not only those whose code changed
//
// A time counts only if the table is the expected one afterwards (generate.py). Exits with 1 where one is not.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { rivalsPython } from '../scripts/parts.ts'
import { withLock } from '../scripts/process-lock.ts'
import type { BaseData, Contestant, MergedBytes } from './contestants/contestant.ts'
import { contestants } from './contestants/contestants.ts'
import { bundleProgram, merge } from './contestants/lastwrite.ts'
import {
  benchLock,
  type Changes,
  changesName,
  checkParts,
  forgetTables,
  freshTable,
  liveFolder,
  prepareBase,
  prepareChanges,
  python,
  removalLines,
  tableName,
} from './prepare.ts'
import { machine, type Results, summarize, summaryTable, type Timing } from './results.ts'
import { type TableShape, type Workload, workloadsOf } from './workloads.ts'

const STDERR_SHOWN = 4_000

interface Case {
  readonly size: string
  readonly workload: Workload
}

const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', default: 'W1,W2,W3,W4,W5,W7,W8' },
    size: { type: 'string', default: 'S' },
    contestants: { type: 'string', default: 'lastwrite,duckdb' },
    reps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    json: { type: 'string' },
    rebuild: { type: 'boolean', default: false },
  },
})

const chosen = options.contestants.split(',').map(contestantOf)
const cases = options.workload.split(',').flatMap((name) => workloadsOf(name, options.size))
/** Merges that did not end well, and have no time. */
const failures: string[] = []
process.exitCode = await withLock(benchLock, bench)

async function bench(): Promise<number> {
  checkParts()
  bundleProgram()
  if (options.rebuild) for (const contestant of chosen) forgetTables(contestant)
  const runs: Timing[] = []
  const results: Results = { machine: machine(), threads: Number(options.threads), versions: await versions(), runs }
  for (const one of cases) {
    const timings = await timeCase(one)
    if (timings.length === 0) continue
    runs.push(...timings)
    // After each workload: a run of hours that is interrupted leaves what it has.
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`)
    const { name, title } = one.workload
    console.log(`\n${summaryTable(`${name} ${title}, ${one.size}`, summarize(timings))}`)
  }
  const wrong = runs.filter((run) => !run.verified).length
  console.log(`\n${runs.length} merges, ${wrong} with a wrong result, ${failures.length} failed`)
  return wrong + failures.length > 0 || runs.length === 0 ? 1 : 0
}

async function timeCase({ size, workload }: Case): Promise<Timing[]> {
  const { name, table } = workload
  const taking = chosen.filter((one) => takes(one, workload))
  if (taking.length === 0) return []
  const base = prepareBase(table)
  const changes = prepareChanges(workload)
  const timings: Timing[] = []
  for (let rep = 1; rep <= Number(options.reps); rep++) {
    for (const contestant of taking) {
      const place = `${name} ${size}, turn ${rep}: ${contestant.name}`
      try {
        await makeTable(contestant, workload, base)
        const cost = measure(contestant, liveFolder(contestant), changes.landing)
        const verified = await isExpected(contestant, base, changes)
        process.stderr.write(`${place} ${cost.wall_s.toFixed(2)} s${verified ? '' : ', WRONG RESULT'}\n`)
        timings.push({ workload: name, size, contestant: contestant.name, rep, ...cost, verified })
      } catch (error) {
        // The others' turns still count.
        process.stderr.write(`${place}: ${(error as Error).message}\n`)
        failures.push(place)
      }
    }
  }
  return timings
}

function takes(contestant: Contestant, { name, table, ownOnly }: Workload): boolean {
  if (ownOnly) return contestant.name.startsWith('lastwrite')
  return contestant.takes?.(name, table.rows) ?? true
}

/** Puts the table as the workload finds it into the contestant's live folder. */
async function makeTable(contestant: Contestant, workload: Workload, base: BaseData): Promise<void> {
  const { start, table } = workload
  const rows = tableName(table)
  switch (start) {
    case 'nothing':
      return freshTable(contestant, `${rows}-empty`, (live) =>
        contestant.prepare({ ...base, rows: 0, parquet: '' }, live),
      )
    case 'rows':
      return freshTable(contestant, rows, (live) => contestant.prepare(base, live))
    case 'merged':
      return freshTable(contestant, `${rows}-${changesName(workload.changes)}`, async (live) => {
        await makeTable(contestant, { ...workload, start: 'rows' }, base)
        const { landing } = prepareChanges({ ...workload, again: false })
        measure(contestant, live, landing)
      })
    case 'tombstones':
      return freshTable(contestant, `${rows}-tombstones`, async (live) => {
        await makeTable(contestant, { ...workload, start: 'rows' }, base)
        mergeRemovals(live, table)
      })
  }
}

function mergeRemovals(live: string, table: TableShape): void {
  const lines = removalLines(table, table.rows)
  merge(live, lines)
  rmSync(lines, { recursive: true })
}

type Cost = Omit<Timing, 'workload' | 'size' | 'contestant' | 'rep' | 'verified'>

/** Merges into the live table. */
function measure(contestant: Contestant, live: string, landing: string): Cost {
  const run = contestant.command(live, landing, Number(options.threads))
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-bench-'))
  try {
    const args = [join(import.meta.dirname, 'measure.py'), folder, ...run.argv]
    const { status, stdout } = spawnSync(rivalsPython.program, args, {
      encoding: 'utf8',
      env: { ...process.env, ...run.env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    if (status !== 0) throw new Error(`measure.py ended with ${status}`)
    const { exit, ...cost } = JSON.parse(stdout) as {
      wall_s: number
      cpu_s: number
      rss_mb: number
      bytes_read: number
      exit: number
    }
    if (exit !== 0) {
      const said = readFileSync(join(folder, 'stderr'), 'utf8').slice(-STDERR_SHOWN)
      throw new Error(`${contestant.name} ended with ${exit}: ${run.argv.join(' ')}\n${said}`)
    }
    const bytes = mergedBytes(contestant, readFileSync(join(folder, 'stdout'), 'utf8'))
    return {
      ...cost,
      bytes_read: bytes.bytes_read ?? cost.bytes_read,
      bytes_encoded: bytes.bytes_encoded ?? null,
      bytes_copied: bytes.bytes_copied ?? null,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function mergedBytes(contestant: Contestant, stdout: string): MergedBytes {
  if (contestant.mergedBytes !== undefined) return contestant.mergedBytes(stdout)
  const last = stdout.trim().split('\n').at(-1)!
  return last.startsWith('{') ? (JSON.parse(last) as MergedBytes) : {}
}

async function isExpected(contestant: Contestant, { attributes }: BaseData, { expected }: Changes): Promise<boolean> {
  const relation = await contestant.result(liveFolder(contestant))
  const found = JSON.parse(python(join(import.meta.dirname, 'checksum.py'), JSON.stringify(attributes), relation))
  return found.rows === expected.rows && found.checksum === expected.checksum
}

async function versions(): Promise<Record<string, string>> {
  return Object.assign({}, ...(await Promise.all(chosen.map((contestant) => contestant.versions()))))
}

function contestantOf(name: string): Contestant {
  const found = contestants.find((contestant) => contestant.name === name)
  if (found === undefined) {
    throw new Error(`contestant ${JSON.stringify(name)}: there are ${contestants.map((one) => one.name).join(', ')}`)
  }
  return found
}
