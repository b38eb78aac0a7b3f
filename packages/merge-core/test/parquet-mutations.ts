// Reads mutated copies of one Parquet file; run by parquet-read-damage.test.ts in a process of its own, so that a crash, a hang or a
// blown-up heap ends that process and not the test.
//
// Arguments: file, first seed, count of seeds, 'sealed' to give the file a footer of ours first. Prints JSON: how many copies were
// refused, how many read to the same rows, and the seeds of those that read to others or threw another error.

import { readFileSync } from 'node:fs'
import type { Column } from '../src/columns/column.ts'
import { DamagedObjectError } from '../src/errors.ts'
import { encodeFileMetaData } from '../src/parquet/footer.ts'
import { readFooter } from '../src/parquet/read-footer.ts'
import { readRowGroup } from '../src/parquet/read-row-group.ts'
import { type Field, parsePrimitiveType } from '../src/primitive-type.ts'
import { bytesSource } from '../src/store/byte-source.ts'
import { randomFrom } from './random-from.ts'

const golden = new URL('golden/', import.meta.url)
const [file, first, count, mode] = process.argv.slice(2) as [string, string, string, string | undefined]
const stored = readFileSync(new URL(file, golden))
const original = mode === 'sealed' ? await seal(stored) : stored
const fields = await fieldsOf(original)
const expected = await read(original)
const result = { refused: 0, same: 0, other: [] as number[], unexpected: [] as string[], slowestMs: 0, rssMb: 0 }
for (let seed = Number(first); seed < Number(first) + Number(count); seed++) await tryMutation(seed)
result.rssMb = Math.round(process.resourceUsage().maxRSS / 1024)
process.stdout.write(JSON.stringify(result))

async function tryMutation(seed: number): Promise<void> {
  const start = performance.now()
  try {
    if ((await read(mutate(original, randomFrom(seed)))) === expected) result.same++
    else result.other.push(seed)
  } catch (error) {
    if (error instanceof DamagedObjectError) result.refused++
    else result.unexpected.push(`seed ${seed}: ${(error as Error).stack}`)
  }
  result.slowestMs = Math.max(result.slowestMs, Math.round(performance.now() - start))
}

/** The file with its footer written again by us, as if it were ours. */
async function seal(bytes: Uint8Array): Promise<Uint8Array> {
  const footer = await readFooter(bytesSource(file, bytes))
  const thrift = encodeFileMetaData({ ...footer, createdBy: 'lastwrite version 0.1.0 (build test)' })
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(thrift.length)
  tail.write('PAR1', 4)
  return Buffer.concat([bytes.subarray(0, footer.footerStart), thrift, tail])
}

async function fieldsOf(bytes: Uint8Array): Promise<Field[]> {
  const values = JSON.parse(readFileSync(new URL('values.json', golden), 'utf8')) as Record<string, { type: string }>
  const footer = await readFooter(bytesSource(file, bytes))
  return footer.leaves.map((leaf) => ({
    id: leaf.fieldId!,
    name: leaf.name,
    type: parsePrimitiveType(values[leaf.name]!.type)!,
    required: false,
  }))
}

async function read(bytes: Uint8Array): Promise<string> {
  const source = bytesSource(file, bytes)
  const footer = await readFooter(source)
  const parts: string[] = []
  for (let group = 0; group < footer.rowGroups.length; group++) {
    for (const column of await readRowGroup(source, footer, group, fields)) parts.push(contentOf(column))
  }
  return parts.join('\n')
}

// Everything a column says, its representation included: the same file gives the same memory.
function contentOf(column: Column): string {
  const hex = (data: ArrayBufferView) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
  const validity = column.validity === null ? 'none' : hex(column.validity)
  if (column.kind === 'dictionary') {
    // A dictionary may lose entries that no row uses.
    const used = Math.max(...column.indices) + 1
    return `${validity} ${hex(column.indices)} ${used} of ${contentOf(firstRows(column.dictionary, used) as Column)}`
  }
  if (column.kind === 'bytes') return `${validity} ${hex(column.starts)} ${hex(column.bytes)}`
  return `${validity} ${hex(column.data)}`
}

function firstRows(column: Column, rows: number): Column {
  if (column.kind === 'dictionary') throw new Error('a dictionary of dictionaries')
  if (column.kind === 'bytes') {
    const starts = column.starts.slice(0, rows + 1)
    return { ...column, rows, starts, bytes: column.bytes.subarray(0, starts[rows]) }
  }
  const width = column.data.length / column.rows
  return { ...column, rows, data: column.data.slice(0, rows * width) } as Column
}

function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit)
  // Page headers and the footer are small and matter most: half of all mutations strike the last quarter.
  const place = () => (random() < 0.5 ? below(bytes.length) : bytes.length - 1 - below(bytes.length >> 2))
  const copy = Uint8Array.from(bytes)
  const kind = below(10)
  if (kind === 0) return copy.subarray(0, below(bytes.length))
  if (kind === 1) copy[place()] = below(256)
  else if (kind === 2) copy.fill(below(2) * 255, place(), place())
  else if (kind === 3) copy.copyWithin(place(), place(), place())
  else copy[place()]! ^= 1 << below(8)
  return copy
}
