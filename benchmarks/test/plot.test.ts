import { describe, expect, it } from 'vitest'
import { withSection } from '../../scripts/marked-section.ts'
import { barChart } from '../bar-chart.ts'
import { charts, fullReport, shortReport } from '../plot.ts'
import type { Results, Timing } from '../results.ts'

function timing(workload: string, size: string, contestant: string, rep: number, wall: number, more = {}): Timing {
  const bytes = { bytes_read: 9e6, bytes_encoded: 12_340_000, bytes_copied: null }
  return { workload, size, contestant, rep, wall_s: wall, cpu_s: 1.5, rss_mb: 250, ...bytes, verified: true, ...more }
}

function results(runs: Timing[]): Results {
  const machine = { cpu: 'Some <CPU>', cores: 2, memory_gb: 24, system: 'Linux x64' }
  return { machine, threads: 2, versions: { duckdb: '2.0.1', spark: '4.1.4' }, runs }
}

const w1 = [
  timing('W1', 'M', 'lastwrite', 1, 2),
  timing('W1', 'M', 'duckdb', 1, 5.5),
  timing('W1', 'M', 'lastwrite', 2, 1),
  timing('W1', 'M', 'duckdb', 2, 9),
  timing('W1', 'M', 'lastwrite', 3, 4),
  timing('W1', 'M', 'duckdb', 3, 5),
  timing('W1', 'M', 'spark-iceberg', 1, 50),
]

/** Cells of the rows of all tables in a Markdown text, heads apart. */
function cells(markdown: string): string[][] {
  const rows = markdown.split('\n').filter((line) => line.startsWith('|'))
  return rows.map((row) => row.slice(2, -2).split(' | ')).filter((row) => !row[1]!.startsWith('-'))
}

const numbers = (svg: string, pattern: RegExp) => [...svg.matchAll(pattern)].map((found) => Number(found[1]))
const barWidths = (svg: string) => numbers(svg, /<rect [^>]*width="([\d.]+)"/g)

describe('the report', () => {
  it('shows medians, ratios to lastwrite, memory and bytes, the fastest first', () => {
    const [, ...rows] = cells(fullReport(results(w1), 'charts', 'results/a.json'))
    expect(rows).toEqual([
      ['lastwrite', '2.00', '1.00–4.00', '1.00', '1.5', '250', '12.3', ''],
      ['duckdb', '5.50', '5.00–9.00', '2.75', '1.5', '250', '12.3', ''],
      ['spark-iceberg', '50.00', '50.00–50.00', '25.00', '1.5', '250', '12.3', ''],
    ])
  })

  it('says on what it was measured, with which versions, and names its source', () => {
    for (const report of [fullReport, shortReport]) {
      const text = report(results(w1), 'charts', 'results/a.json')
      expect(text).toContain('[a.json](results/a.json): Some <CPU>, 2 cores, 24 GB, Linux x64, 2 threads each')
      expect(text).toContain('duckdb 2.0.1, spark 4.1.4')
    }
  })

  it('shows no time of a wrong result, nor takes it for the fastest rival', () => {
    const wrong = timing('W1', 'M', 'polars', 1, 0.5, { verified: false })
    const full = cells(fullReport(results([...w1, wrong]), 'charts', 'a.json'))
    expect(full.at(-1)).toEqual(['polars', 'wrong result', '', '', '', '', '', ''])
    const [, [, , rival] = []] = cells(shortReport(results([...w1, wrong]), 'charts', 'a.json'))
    expect(rival).toBe('duckdb 5.50 / 250 / 12.3 · **2.8 ×**')
    const svg = charts(results([...w1, wrong])).get('W1-M.svg')!
    expect(barWidths(svg)).toHaveLength(3)
    expect(svg).toContain('wrong result')
  })

  it('names the fastest other and Spark beside lastwrite in the short form', () => {
    const [, row] = cells(shortReport(results(w1), 'benchmarks/results', 'a.json'))
    expect(row).toEqual([
      '[W1 tick, 10,000,000 rows](benchmarks/results/W1-M.svg)',
      '2.00 / 250 / 12.3',
      'duckdb 5.50 / 250 / 12.3 · **2.8 ×**',
      '50.00 / 250 / 12.3 · **25.0 ×**',
    ])
  })

  it('puts the tables of different sizes that ask one question under one heading', () => {
    const growth = ['1M', '30M'].map((size, i) => timing('W10', size, 'lastwrite', 1, 2 + i))
    const full = fullReport(results(growth), 'charts', 'a.json')
    expect(full.match(/^###.*$/gm)).toEqual(['### W10'])
    expect(cells(full).map(([name]) => name)).toEqual([
      '',
      'lastwrite, small, table of 1M',
      'lastwrite, small, table of 30M',
    ])
    expect([...charts(results(growth)).keys()]).toEqual(['W10.svg'])
  })

  it('refuses a workload that nobody defined', () => {
    expect(() => charts(results([timing('W99', 'M', 'lastwrite', 1, 1)]))).toThrow(/"W99"/)
  })
})

describe('the section of a README', () => {
  const text = 'a\n<!-- whole merges -->\nold\n<!-- /whole merges -->\nb\n'

  it('is replaced, and nothing else, however often', () => {
    const once = withSection(text, 'whole merges', 'new', 'README.md')
    expect(once).toBe('a\n<!-- whole merges -->\n\nnew\n\n<!-- /whole merges -->\nb\n')
    expect(withSection(once, 'whole merges', 'new', 'README.md')).toBe(once)
  })

  it.each([
    'no marks',
    '<!-- whole merges --> alone',
    '<!-- /whole merges --> <!-- whole merges -->',
    text + text,
    `${text}<!-- /whole merges -->`,
    `<!-- /whole merges -->${text}`,
  ])('is refused where the marks are not one pair: %j', (wrong) => {
    expect(() => withSection(wrong, 'whole merges', 'new', 'README.md')).toThrow(
      /^README.md needs one line <!-- whole merges -->/,
    )
  })
})

describe('a bar chart', () => {
  const bar = (value: number) => ({ label: `of ${value}`, value, text: `${value} s`, emphasis: false })

  it('draws lengths in proportion', () => {
    const widths = barWidths(barChart('t', 'n', [1, 2, 8].map(bar)))
    expect(widths[1]! / widths[0]!).toBeCloseTo(2)
    expect(widths[2]! / widths[0]!).toBeCloseTo(8)
  })

  it('draws equal factors as equal lengths where values differ too much to compare lengths, and says so', () => {
    const svg = barChart('t', 'n', [0.5, 5, 50].map(bar))
    const [first, second, third] = barWidths(svg) as [number, number, number]
    expect(second - first).toBeCloseTo(third - second, 0)
    expect(svg).toContain('log scale')
    expect(barChart('t', 'n', [1, 19].map(bar))).not.toContain('log scale')
  })

  it('labels its grid with the values that stand there', () => {
    const svg = barChart('t', 'n', [0.5, 5, 50].map(bar))
    const places = numbers(svg, /class="grid" x1="([\d.]+)"/g)
    const labels = numbers(svg, /text-anchor="middle">([\d.]+)</g)
    const axis = numbers(svg, /<rect [^>]*x="([\d.]+)"/g)[0]!
    const widths = barWidths(svg)
    const scale = (widths[1]! - widths[0]!) / Math.log(10)
    expect(labels).toEqual([1, 10])
    labels.forEach((label, i) => {
      expect(places[i]! - axis).toBeCloseTo(widths[0]! + scale * Math.log(label / 0.5), 0)
    })
  })

  it('keeps what strangers are called from becoming markup', () => {
    const svg = barChart('<a> & "b"', 'n', [{ ...bar(1), label: '</svg>' }])
    expect(svg).toContain('<title>&lt;a&gt; &amp; &quot;b&quot;</title>')
    expect(svg.match(/<\/svg>/g)).toHaveLength(1)
  })

  it('opens every element that it closes', () => {
    const open: string[] = []
    for (const [, closing, name, empty] of charts(results(w1))
      .get('W1-M.svg')!
      .matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
      if (closing === '/') expect(open.pop()).toBe(name)
      else if (empty === '') open.push(name!)
    }
    expect(open).toEqual([])
  })
})
