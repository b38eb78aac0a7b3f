import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Change, Publication } from '../demo/changes.ts'
import { type Landed, landDeliveries } from '../demo/landing.ts'

const FIRST_HOUR = 1779461400

const publications = [0, 1, 2].map(
  (i): Publication => ({
    version: `${i}`,
    publishedAt: FIRST_HOUR + i * 3600,
    changes: Array.from({ length: 9000 }, (_, j): Change => {
      const names = { feature: `f${j}`, browser: 'b' }
      const item = j % 10 === i ? null : { ...names, version_added: `${i}` }
      const operation = item === null ? 'remove' : i === 0 ? 'insert' : 'modify'
      return { operation, sequence: 10n ** 22n + BigInt(i * 9000 + j), at: FIRST_HOUR + i, ...names, item }
    }),
  }),
)

let folder: string
let landed: Landed[]

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lastwrite-demo-'))
  landed = await land(join(folder, 'one'))
})
afterAll(() => rmSync(folder, { recursive: true }))

async function land(into: string): Promise<Landed[]> {
  const deliveries: Landed[] = []
  for await (const delivery of landDeliveries(into, [[publications[0]!], publications.slice(1)]))
    deliveries.push(delivery)
  return deliveries
}

function objectsIn(of: string): Map<string, string> {
  const files = readdirSync(join(folder, of), { recursive: true, encoding: 'utf8' })
    .filter((file) => statSync(join(folder, of, file)).isFile())
    .sort()
  return new Map(files.map((file) => [file, gunzipSync(readFileSync(join(folder, of, file))).toString('utf8')]))
}

function linesIn(objects: Map<string, string>): string[] {
  return [...objects.values()].flatMap((text) => text.split('\n').slice(0, -1))
}

it('lands every change, some of them twice and one object a delivery late', () => {
  const lines = linesIn(objectsIn('one'))
  const sequences = new Set(lines.map((line) => JSON.parse(line).sequence))
  expect(sequences.size).toBe(27000)
  expect(lines).toHaveLength(landed.reduce((sum, delivery) => sum + delivery.lines, 0))
  expect(landed.map((delivery) => delivery.twice > 0)).toEqual([true, true])
  expect(landed[0]!.late).toBe(0)
  expect(landed[1]!.late).toBeGreaterThan(0)
})

it('names objects as Firehose does, by the hour of their arrival', () => {
  const names = [...objectsIn('one').keys()]
  expect(names).toHaveLength(landed.reduce((sum, delivery) => sum + delivery.objects, 0))
  for (const name of names) {
    expect(name).toMatch(
      /^2026\/05\/22\/1[4-7]\/lastwrite-compat-1-2026-05-22-1[4-7]-\d\d-\d\d-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz$/,
    )
  }
})

it('keeps no order of the lines', () => {
  const sequences = linesIn(objectsIn('one')).map((line) => BigInt(JSON.parse(line).sequence))
  const falls = sequences.filter((sequence, i) => i > 0 && sequence < sequences[i - 1]!)
  expect(falls.length).toBeGreaterThan(sequences.length / 3)
})

it('lands the same objects every time', async () => {
  await land(join(folder, 'two'))
  expect(objectsIn('two')).toEqual(objectsIn('one'))
})
