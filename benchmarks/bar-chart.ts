// Horizontal bars as SVG, readable on light and dark ground, without a script or a font of its own.

export interface Bar {
  readonly label: string
  /** Seconds; absent: no bar, the text alone. */
  readonly value?: number
  /** Smallest and largest of the values whose median is shown. */
  readonly range?: readonly [number, number]
  /** Written at the bar's end. */
  readonly text: string
  readonly emphasis: boolean
}

interface Scale {
  /** Of the way from the axis to the end, 0 to 1. */
  readonly at: (value: number) => number
  readonly ticks: readonly number[]
  readonly logarithmic: boolean
}

/** Beyond this the short bars of a linear scale cannot be told apart. */
const LINEAR_SPREAD_MAX = 20
const LINEAR_TICKS_MAX = 6

const BARS_WIDTH = 400
const TEXT_WIDTH = 150
const LETTER_WIDTH = 7
const BAR_HEIGHT = 16
const ROW_HEIGHT = 26
const HEAD_HEIGHT = 52
const FOOT_HEIGHT = 30

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 15px; font-weight: 600 }
  .note { fill: #59636e }
  .grid { stroke: #d1d9e0 }
  .bar { fill: #8c959f }
  .own { fill: #0969da }
  .range { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    .grid { stroke: #3d444d }
    .bar { fill: #656c76 }
    .own { fill: #4493f8 }
    .range { stroke: #f0f6fc }
  }`

/** Bars in the order given; lengths on a linear scale from 0, or on a logarithmic one where they differ too much. */
export function barChart(title: string, note: string, bars: readonly Bar[]): string {
  const left = Math.max(...bars.map((bar) => bar.label.length)) * LETTER_WIDTH + 16
  const bottom = HEAD_HEIGHT + bars.length * ROW_HEIGHT
  const width = left + BARS_WIDTH + TEXT_WIDTH
  const scale = scaleOf(bars.flatMap((bar) => [bar.value ?? [], bar.range ?? []].flat()))
  const x = (value: number) => round(left + scale.at(value) * BARS_WIDTH)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom + FOOT_HEIGHT}" width="${width}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<text class="title" x="8" y="20">${escaped(title)}</text>`,
    `<text class="note" x="8" y="38">wall seconds${scale.logarithmic ? ', log scale' : ''}; ${escaped(note)}</text>`,
    ...scale.ticks.flatMap((tick) => [
      `<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="${HEAD_HEIGHT}" y2="${bottom}"/>`,
      `<text class="note" x="${x(tick)}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`,
    ]),
    ...bars.flatMap((bar, i) => barLines(bar, HEAD_HEIGHT + i * ROW_HEIGHT, left, x)),
    '</svg>\n',
  ].join('\n')
}

function barLines({ label, value, range, text, emphasis }: Bar, top: number, left: number, x: (v: number) => number) {
  const middle = top + ROW_HEIGHT / 2
  const end = value === undefined ? left : Math.max(x(value), ...(range ?? []).map(x))
  const lines = [`<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${escaped(label)}</text>`]
  if (value !== undefined) {
    const size = `width="${round(x(value) - left)}" height="${BAR_HEIGHT}"`
    const kind = emphasis ? 'bar own' : 'bar'
    lines.push(`<rect class="${kind}" x="${left}" y="${middle - BAR_HEIGHT / 2}" ${size}/>`)
  }
  if (range !== undefined) {
    lines.push(`<line class="range" x1="${x(range[0])}" x2="${x(range[1])}" y1="${middle}" y2="${middle}"/>`)
  }
  return [...lines, `<text x="${round(end + 8)}" y="${middle + 4}">${escaped(text)}</text>`]
}

function scaleOf(values: readonly number[]): Scale {
  const [min, max] = [Math.min(...values), Math.max(...values)]
  if (values.length === 0 || max <= 0) return { at: () => 0, ticks: [], logarithmic: false }
  return min > 0 && max / min > LINEAR_SPREAD_MAX ? logarithmicScale(min, max) : linearScale(max)
}

function linearScale(max: number): Scale {
  const rough = 10 ** Math.floor(Math.log10(max / LINEAR_TICKS_MAX))
  const step = [1, 2, 5, 10].map((factor) => factor * rough).find((one) => max / one <= LINEAR_TICKS_MAX)!
  const ticks = Array.from({ length: Math.floor(max / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)))
  return { at: (value) => value / max, ticks, logarithmic: false }
}

/** From half the smallest value, so that its bar can be seen. */
function logarithmicScale(min: number, max: number): Scale {
  const [from, to] = [Math.log10(min / 2), Math.log10(max)]
  const decades = Array.from({ length: Math.floor(to) - Math.ceil(from) + 1 }, (_, i) => Math.ceil(from) + i)
  const ticks = decades.map((decade) => Number((10 ** decade).toPrecision(6)))
  return { at: (value) => (Math.log10(value) - from) / (to - from), ticks, logarithmic: true }
}

const round = (value: number): number => Math.round(value * 10) / 10

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
