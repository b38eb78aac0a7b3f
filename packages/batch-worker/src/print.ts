// Everything that a command says goes through here: results to standard output, all else to standard error.

/** Facts, one a line: a name and what there is to say of it. Facts without a word are left out. */
export function printFacts(facts: readonly (readonly [string, string])[]): void {
  const width = Math.max(...facts.map(([name]) => name.length))
  for (const [name, text] of facts) if (text !== '') print(`${name.padEnd(width)}  ${text}`)
}

/** Where everything is merged; hours before `openSince` were not looked at. */
export function nothingToDo(table: string, objects: { alreadyMerged: number; openSince: string | null }): string {
  const since = objects.openSince === null ? '' : ` since ${objects.openSince}`
  return `${table}: nothing to do, ${counted(objects.alreadyMerged, 'object')}${since} already merged`
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function warn(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(toJson(value, 2))
}

/** JSON text in which a bigint is a number with all its digits, and bytes are base64. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, jsonPart, indent)
}

/** Asks the holder for the value, since a Buffer has turned itself into an object of numbers by now. */
function jsonPart(this: Record<string, unknown>, name: string, part: unknown): unknown {
  if (typeof part === 'bigint') return exactNumber(part.toString())
  const value = this[name]
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : part
}

/** A number that JSON.stringify writes digit by digit as `text` has it. */
export function exactNumber(text: string): unknown {
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text)
}

/** Of a whole number: `12,345`. */
export function count(value: number | bigint): string {
  // Not by Intl: to load its tables takes as long as all else that a run with nothing to do does.
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}

/** `12,345 rows`, `1 row`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

/** `812 B`, `4.5 KiB`, `128.0 MiB`. */
export function byteSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4)
  return `${(bytes / 1024 ** power).toFixed(1)} ${['KiB', 'MiB', 'GiB', 'TiB'][power - 1]}`
}

/** The partition of a table without partitions has no name. */
export function partitionName(partition: string): string {
  return partition === '' ? '(whole table)' : partition
}

/** `2026-11-24T08:00:00.000Z`. */
export function isoTime(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString()
}

/** `10 merged · 2 broken · 1 of another table`, without the parts that are zero. */
export function breakdown(parts: Readonly<Record<string, number>>): string {
  return Object.entries(parts)
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => `${count(value)} ${WORDS[name] ?? name}`)
    .join(' · ')
}

/** What the counts of reports and plans are called, where their name is not a word. */
const WORDS: Readonly<Record<string, string>> = {
  open: 'can still win',
  otherTable: 'of another table',
  ttlKept: 'kept as expired',
  alreadyMerged: 'already merged',
  movedOut: 'moved out',
  copyPart: 'copied parts',
}

/** `2.45: plan 0.03 · scan 0.40`, in seconds. */
export function secondsOfSteps(total: number, steps: Readonly<Record<string, number>>): string {
  const each = Object.entries(steps).map(([step, seconds]) => `${step} ${seconds.toFixed(2)}`)
  return `${total.toFixed(2)}: ${each.join(' · ')}`
}
