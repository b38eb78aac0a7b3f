// An object that comes piece by piece, from memory that is used again: what stands in the end, and what is left where it breaks off.

import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { DamagedObjectError } from '../src/errors.ts'
import type { FileContent } from '../src/files/merge-context.ts'
import { localStore } from '../src/store/local.ts'
import { memoryStore } from '../src/store/memory.ts'
import type { ByteStream } from '../src/store/object-store.ts'
import { createObject } from '../src/store/stored-object.ts'
import { serveTask, storeAt } from '../src/threads/task-port.ts'

const PIECES = 40
const PIECE_BYTES = 150_000
const EXPECTED = Buffer.concat(Array.from({ length: PIECES }, (_, i) => Buffer.alloc(PIECE_BYTES, i)))

const folder = mkdtempSync(join(realpathSync(tmpdir()), 'byte-stream-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Two buffers in turn, and what the reader did. */
function stream({ failAt = PIECES }: { failAt?: number } = {}) {
  const seen = { asked: 0, isEnded: false }
  async function* pieces(): ByteStream {
    const buffers = [0, 1].map(() => new Uint8Array(new SharedArrayBuffer(PIECE_BYTES)))
    try {
      for (let i = 0; i < PIECES; i++) {
        if (i === failAt) throw new DamagedObjectError('old.parquet', 'a page does not match its checksum')
        seen.asked++
        yield buffers[i % 2]!.fill(i)
      }
    } finally {
      seen.isEnded = true
    }
  }
  return { seen, pieces: pieces() }
}

describe.each([['durable'], ['not waiting for the disk']])('a %s local folder', (kind) => {
  const store = localStore({ durable: kind === 'durable' })
  let place = ''
  beforeEach(() => {
    place = mkdtempSync(join(folder, 'place-'))
  })

  it('holds all pieces as they were when they came', async () => {
    await createObject(store, `file://${place}/new`, stream().pieces)
    expect(Buffer.compare(readFileSync(join(place, 'new')), EXPECTED)).toBe(0)
  })

  it('holds nothing of a stream that fails, and tells its error', async () => {
    const creating = createObject(store, `file://${place}/new`, stream({ failAt: 7 }).pieces)
    await expect(creating).rejects.toThrow(DamagedObjectError)
    expect(readdirSync(place)).toEqual([])
  })

  it('leaves an object that stands as it is', async () => {
    writeFileSync(join(place, 'new'), 'old')
    await expect(createObject(store, `file://${place}/new`, stream().pieces)).rejects.toThrow('another writer')
    expect(readdirSync(place)).toEqual(['new'])
    expect(readFileSync(join(place, 'new'), 'utf8')).toBe('old')
  })
})

it('is held, and sent again, for a store that takes no streams', async () => {
  const store = memoryStore()
  store.inject({ operation: 'put', fault: { kind: 'fail', failure: { kind: 'unknown', cause: new Error('reset') } } })
  await createObject(store, 'memory://lake/new', stream().pieces)
  expect(Buffer.compare(store.snapshot().get('memory://lake/new')!.bytes, EXPECTED)).toBe(0)
})

describe('a stream of another thread', () => {
  /** Creates a file from a task's end of a port; `createFile` is at the other end. */
  async function create(content: FileContent, createFile: (content: FileContent) => Promise<string>): Promise<unknown> {
    const { port1, port2 } = new MessageChannel()
    const { store, finish } = storeAt(port2)
    const takeMemory = async (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes))
    const served = serveTask(port1, { get: async () => ({ kind: 'missing' }), createFile, takeMemory })
    await finish(() => store.createFile(content))
    return served.finally(() => port1.close())
  }

  it('brings the pieces to the store, one after the other', async () => {
    const path = `file://${folder}/from-thread`
    const created = create(stream().pieces, async (content) => {
      await createObject(localStore(), path, content)
      return path
    })
    expect(await created).toBe(path)
    expect(Buffer.compare(readFileSync(join(folder, 'from-thread')), EXPECTED)).toBe(0)
  })

  it('tells its error to the store, and through it to the task', async () => {
    const created = create(stream({ failAt: 3 }).pieces, async (content) => {
      await createObject(localStore(), `file://${folder}/failed`, content)
      return 'created'
    })
    await expect(created).rejects.toThrow('a page does not match its checksum')
  })

  it('ends where the store wants no more of it', async () => {
    const { seen, pieces } = stream()
    const created = create(pieces, async (content) => {
      for await (const _ of content as ByteStream) if (seen.asked === 5) break
      throw new Error('no space left')
    })
    await expect(created).rejects.toThrow('no space left')
    expect(seen).toEqual({ asked: 5, isEnded: true })
  })
})
