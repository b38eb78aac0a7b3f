// Objects that are named by what they hold, so that writing the same lines again writes nothing.

import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { ObjectStore } from '../store/object-store.ts'
import { createByContent } from '../store/stored-object.ts'

export interface WrittenObjects {
  /** Locations of the objects that were made, or would have been in a dry run. */
  readonly created: string[]
  /** Of those that stood already. */
  readonly standing: string[]
  lines: number
  bytes: number
}

export interface ContentWriter {
  add(line: Uint8Array): Promise<void>
  /** Writes what is left. Lines that follow begin an object of their own. */
  flush(): Promise<void>
}

/** Bounds what a writer holds, and what a merge reads at once. */
const OBJECT_BYTES = 8 * 1024 * 1024
const NEWLINE = Buffer.from('\n')

/** Where a row of lines is cut into objects depends on the lines alone. */
export function contentWriter(
  store: ObjectStore,
  folder: string,
  written: WrittenObjects,
  { dryRun }: { readonly dryRun: boolean },
): ContentWriter {
  let lines: Uint8Array[] = []
  let bytes = 0
  const writer: ContentWriter = {
    async add(line) {
      if (bytes > 0 && bytes + line.length > OBJECT_BYTES) await writer.flush()
      lines.push(line, NEWLINE)
      bytes += line.length + 1
    },
    async flush() {
      if (lines.length === 0) return
      const text = Buffer.concat(lines, bytes)
      const path = `${folder}${createHash('sha256').update(text).digest('hex')}.ndjson.gz`
      const made = dryRun
        ? await wouldCreate(store, path)
        : await createByContent(store, path, await promisify(gzip)(text))
      written[made].push(path)
      written.lines += lines.length / 2
      written.bytes += bytes
      lines = []
      bytes = 0
    },
  }
  return writer
}

async function wouldCreate(store: ObjectStore, path: string): Promise<'created' | 'standing'> {
  return (await store.get(path, { range: { suffix: 1 } })).kind === 'ok' ? 'standing' : 'created'
}
