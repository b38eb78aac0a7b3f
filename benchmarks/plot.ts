// Charts and tables of a results file, for the two READMEs: node benchmarks/plot.ts benchmarks/results/<file>.json
//
// One bar chart a workload, as SVG beside the results file, and the sections between the marks `<!-- whole merges -->` and
// `<!-- /whole merges -->`. The same results give the same bytes. A time without a right result is not shown.

import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { withSection } from '../scripts/marked-section.ts'
import { type Bar, barChart } from './bar-chart.ts'
import { ownOf, type Results, type Summary, summarize } from './results.ts'
import { rowsOfSize, workloadsOf } from './workloads.ts'

const SECTION = 'whole merges'
const OWN = 'lastwrite'
const SPARK = 'spark-iceberg'

/** The merges of one chart: a workload on a table, or several that ask one question (W9, W10, W11). */
interface Group {
  /** `W1-M`; `W10`. */
  readonly name: string
  readonly title: string
  readonly cases: readonly Case[]
}

interface Case {
  readonly title: string
  /** The fastest first, wrong results last. */
  readonly summaries: readonly Summary[]
}

/** In the order of the results. */
function groupsOf({ runs }: Results): Group[] {
  const places = Map.groupBy(runs, ({ workload, size }) => {
    const [family] = workload.split('-')
    return family === 'W10' ? family : `${family}-${size}`
  })
  return [...places].map(([name, its]) => {
    const cases = [...Map.groupBy(its, ({ workload, size }) => `${workload} ${size}`).values()].map((same) => ({
      title: titleOf(same[0]!),
      summaries: summarize(same).toSorted((a, b) => Number(b.verified) - Number(a.verified)),
    }))
    const [family, size] = name.split('-')
    const rows = size === undefined ? '' : `, ${rowsOfSize(size).toLocaleString('en')} rows`
    return { name, title: cases.length === 1 ? `${family} ${cases[0]!.title}${rows}` : `${family}${rows}`, cases }
  })
}

function titleOf({ workload, size }: { workload: string; size: string }): string {
  const known = workloadsOf(workload.split('-')[0]!, size)
  const found = known.find((one) => one.workload.name === workload && one.size === size)
  if (found === undefined) throw new Error(`results hold the workload ${workload} ${size}, which workloads.ts lacks`)
  return found.workload.title
}

/** SVG by file name. */
export function charts(results: Results): Map<string, string> {
  const repetitions = Math.max(...results.runs.map((run) => run.rep))
  const note = `median of ${repetitions} and range, whole process, ${results.threads} threads`
  return new Map(
    groupsOf(results).map((group) => [`${group.name}.svg`, barChart(group.title, note, group.cases.flatMap(barsOf))]),
  )
}

function barsOf({ title, summaries }: Case, _: number, { length }: readonly Case[]): Bar[] {
  return summaries.map(({ contestant, wall, ratio, verified }) => ({
    label: length > 1 ? `${contestant} · ${title}` : contestant,
    ...(verified ? { value: wall.median, range: [wall.min, wall.max] as const } : {}),
    text: verified ? [`${wall.median.toFixed(2)} s`, ...ratioText(contestant, ratio)].join(' · ') : 'wrong result',
    emphasis: contestant === OWN,
  }))
}

function ratioText(contestant: string, ratio: number | null): string[] {
  return ratio === null || contestant === OWN ? [] : [`${ratio.toFixed(1)} ×`]
}

/** Markdown with every figure, a chart and a table for each workload. */
export function fullReport(results: Results, chartFolder: string, source: string): string {
  const sections = groupsOf(results).flatMap((group) => [
    `### ${group.title}`,
    `![${group.title}: wall seconds](${chartFolder}/${group.name}.svg)`,
    figures(group),
  ])
  return [provenance(results, source), ...sections].join('\n\n')
}

function figures({ cases }: Group): string {
  const head = ['', 'wall s', 'min–max', '× lastwrite', 'CPU s', 'RSS MB', 'encoded MB', 'copied MB']
  const rows = cases.flatMap(({ title, summaries }) =>
    summaries.map((one) => {
      const label = cases.length > 1 ? `${one.contestant}, ${title}` : one.contestant
      if (!one.verified) return [label, 'wrong result', ...head.slice(2).map(() => '')]
      const { median, min, max } = one.wall
      const wall = [median.toFixed(2), `${min.toFixed(2)}–${max.toFixed(2)}`, one.ratio?.toFixed(2) ?? '']
      return [label, ...wall, one.cpu.toFixed(1), one.rss.toFixed(0), megabytes(one.encoded), megabytes(one.copied)]
    }),
  )
  return markdownTable(head, rows)
}

/** Markdown with one line a workload: ours, the fastest other, Spark. */
export function shortReport(results: Results, chartFolder: string, source: string): string {
  const groups = groupsOf(results)
  const rows = groups.flatMap(({ name, title, cases }) =>
    cases.flatMap((one) => {
      const label = cases.length > 1 ? `${title}: ${one.title}` : title
      const right = one.summaries.filter((summary) => summary.verified)
      const ownName = ownOf(right.map(({ contestant }) => contestant))
      const own = right.find(({ contestant }) => contestant === ownName)
      const rival = right.find(({ contestant }) => !contestant.startsWith(OWN))
      const spark = right.find(({ contestant }) => contestant === SPARK)
      if (own === undefined || rival === undefined) return []
      return [
        [
          `[${label}](${chartFolder}/${name}.svg)`,
          own.contestant === OWN ? costs(own) : `${own.contestant} ${costs({ ...own, ratio: null })}`,
          `${rival.contestant} ${costs(rival)}`,
          costs(spark),
        ],
      ]
    }),
  )
  const head = ['wall s / RSS MB / encoded MB', 'lastwrite', 'the fastest other', 'Spark, MERGE INTO of Iceberg']
  return [provenance(results, source), markdownTable(head, rows)].join('\n\n')
}

function costs(summary: Summary | undefined): string {
  if (summary === undefined) return '–'
  const { contestant, wall, rss, encoded, ratio } = summary
  const figures = [wall.median.toFixed(2), rss.toFixed(0), megabytes(encoded) || '?'].join(' / ')
  return [figures, ...ratioText(contestant, ratio).map((text) => `**${text}**`)].join(' · ')
}

function provenance({ machine, threads, versions }: Results, source: string): string {
  const { cpu, cores, memory_gb: memory, system } = machine
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const place = `${cpu}, ${cores} cores, ${memory} GB, ${system}, ${threads} threads each`
  return `[${basename(source)}](${source}): ${place}. ${programs.join(', ')}.`
}

const megabytes = (bytes: number | null): string => (bytes === null ? '' : (bytes / 1e6).toFixed(1))

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

function plot(path: string): void {
  const results = JSON.parse(readFileSync(path, 'utf8')) as Results
  const folder = dirname(path)
  for (const chart of globSync(join(folder, '*.svg'))) rmSync(chart)
  for (const [name, svg] of charts(results)) writeFileSync(join(folder, name), svg)
  const readmes = [
    { readme: join(import.meta.dirname, 'README.md'), report: fullReport },
    { readme: join(import.meta.dirname, '..', 'README.md'), report: shortReport },
  ]
  for (const { readme, report } of readmes) {
    const from = (target: string) => relative(dirname(readme), target).replaceAll('\\', '/')
    const section = report(results, from(folder), from(path))
    writeFileSync(readme, withSection(readFileSync(readme, 'utf8'), SECTION, section, readme))
  }
}

if (import.meta.main) {
  const [path] = process.argv.slice(2)
  if (path === undefined) throw new Error('which results? node benchmarks/plot.ts benchmarks/results/<file>.json')
  plot(path)
}
