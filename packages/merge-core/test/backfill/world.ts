// A DynamoDB table with a history, told once: what its stream says, what an export of any time holds, what it is in the end. So a
// backfill is right where the table is what the history ends in, whatever came when.

import type { TableSpec } from '../change-sets.ts'
import { type HandChange, handTable } from '../hand-changes.ts'

/** Epoch seconds. */
export const BEGINNING = 1_795_334_400

export interface Image {
  readonly region: string
  readonly note: string
}

export interface Write {
  readonly pk: string
  /** Epoch seconds; no two writes of a key share one. */
  readonly at: number
  readonly before: Image | null
  readonly after: Image | null
}

export interface World {
  readonly spec: TableSpec
  readonly writes: readonly Write[]
}

export type Draw = (below: number) => number

const REGIONS = ['A', 'B', 'C']

/** Keys that come, change, move, go and come back, `seconds` long. */
export function drawWorld(draw: Draw, keys: number, seconds: number): World {
  const partitionBy = [[], ['bucket(pk, 4)'], ['identity(region)']][draw(3)]!
  const spec = handTable(partitionBy, { row_group_rows: 3 })
  const writes: Write[] = []
  for (let key = 0; key < keys; key++) {
    let image: Image | null = null
    for (let at = BEGINNING + draw(seconds); at < BEGINNING + seconds; at += 1 + draw(seconds)) {
      const goes: boolean = image !== null && draw(4) === 0
      const after: Image | null = goes ? null : { region: REGIONS[draw(3)]!, note: `${key} at ${at - BEGINNING}` }
      writes.push({ pk: `k${key}`, at, before: image, after })
      image = after
    }
  }
  return { spec, writes: writes.sort((a, b) => a.at - b.at) }
}

/** The items just before the time. */
export function itemsAt({ writes }: World, at: number): Map<string, Image> {
  const items = new Map<string, Image>()
  for (const write of writes) {
    if (write.at >= at) break
    if (write.after === null) items.delete(write.pk)
    else items.set(write.pk, write.after)
  }
  return items
}

/** What the stream says of the writes from a time on. Numbers ascend along the history. */
export function streamChanges({ writes }: World, from: number): HandChange[] {
  return writes.flatMap(({ pk, at, before, after }, i) =>
    at < from
      ? []
      : [
          {
            pk,
            sequence: 1000 + i,
            at,
            ...(before !== null && { from: before.region }),
            ...(after !== null && { to: after.region, note: after.note }),
          },
        ],
  )
}

export function exportLines(items: ReadonlyMap<string, Image>): object[] {
  return [...items].map(([pk, { region, note }]) => ({
    Item: { pk: { S: pk }, region: { S: region }, note: { S: note } },
  }))
}

/** As an incremental export tells the window: the last image of each key that was written in it. */
export function exportedChanges(world: World, from: number, to: number): object[] {
  const before = itemsAt(world, from)
  const after = itemsAt(world, to)
  const written = new Set(world.writes.filter(({ at }) => at >= from && at < to).map(({ pk }) => pk))
  const imageOf = (pk: string, image: Image | undefined) =>
    image && { pk: { S: pk }, region: { S: image.region }, note: { S: image.note } }
  return [...written].map((pk) => ({
    Metadata: { WriteTimestampMicros: { N: String(to * 1_000_000) } },
    Keys: { pk: { S: pk } },
    OldImage: imageOf(pk, before.get(pk)),
    NewImage: imageOf(pk, after.get(pk)),
  }))
}
