// What a run of the benchmark leaves: one record for each merge that was timed, and what is said of them.

import { arch, cpus, totalmem, type } from 'node:os'

/** Bytes are those of data and metadata; null where the contestant does not count them. */
export interface Timing {
  readonly workload: string
  readonly size: string
  readonly contestant: string
  readonly rep: number
  readonly wall_s: number
  /** Of all processes. */
  readonly cpu_s: number
  /** Of the largest process. */
  readonly rss_mb: number
  readonly bytes_read: number | null
  readonly bytes_encoded: number | null
  readonly bytes_copied: number | null
  /** Whether the table is the expected one. */
  readonly verified: boolean
}

export interface Results {
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memory_gb: number
    readonly system: string
  }
  readonly threads: number
  readonly versions: Readonly<Record<string, string>>
  readonly runs: readonly Timing[]
}

export interface Summary {
  readonly contestant: string
  readonly wall: { readonly median: number; readonly min: number; readonly max: number }
  /** Its median wall time over that of lastwrite; null without lastwrite. */
  readonly ratio: number | null
  readonly cpu: number
  readonly rss: number
  readonly encoded: number | null
  readonly copied: number | null
  readonly verified: boolean
}

/** What the others are held against: lastwrite as it is by default, or else the variant of it that took part. */
export function ownOf(contestants: readonly string[]): string | undefined {
  return contestants.find((name) => name === 'lastwrite') ?? contestants.find((name) => name.startsWith('lastwrite'))
}

/** One line for each contestant of a workload, the fastest first; all but `wall` are medians. */
export function summarize(runs: readonly Timing[]): Summary[] {
  const names = [...new Set(runs.map((run) => run.contestant))]
  const own = runs.filter((run) => run.contestant === ownOf(names)).map((run) => run.wall_s)
  return names
    .map((contestant) => {
      const its = runs.filter((run) => run.contestant === contestant)
      const walls = its.map((run) => run.wall_s)
      const counted = (pick: (run: Timing) => number | null) => {
        const values = its.map(pick).filter((value) => value !== null)
        return values.length === 0 ? null : median(values)
      }
      return {
        contestant,
        wall: { median: median(walls), min: Math.min(...walls), max: Math.max(...walls) },
        ratio: own.length === 0 ? null : median(walls) / median(own),
        cpu: median(its.map((run) => run.cpu_s)),
        rss: median(its.map((run) => run.rss_mb)),
        encoded: counted((run) => run.bytes_encoded),
        copied: counted((run) => run.bytes_copied),
        verified: its.every((run) => run.verified),
      }
    })
    .sort((a, b) => a.wall.median - b.wall.median)
}

/** A table in text. A contestant with a wrong result has no times. */
export function summaryTable(title: string, summaries: readonly Summary[]): string {
  const head = ['', 'wall s', 'min–max', '× lastwrite', 'CPU s', 'RSS MB', 'encoded MB', 'copied MB']
  const rows = summaries.map((one) => {
    if (!one.verified) return [one.contestant, 'WRONG RESULT', ...head.slice(2).map(() => '')]
    const { median: middle, min, max } = one.wall
    const numbers = [one.ratio === null ? '' : one.ratio.toFixed(2), one.cpu.toFixed(1), one.rss.toFixed(0)]
    const bytes = [one.encoded, one.copied].map((count) => (count === null ? '' : (count / 1e6).toFixed(1)))
    return [one.contestant, middle.toFixed(2), `${min.toFixed(2)}–${max.toFixed(2)}`, ...numbers, ...bytes]
  })
  const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return [title, ...[head, ...rows].map((cells) => `  ${line(cells)}`)].join('\n')
}

export function machine(): Results['machine'] {
  const [first] = cpus()
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${arch()}`,
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
