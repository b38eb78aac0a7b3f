import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { QuarantinedLine } from '../../src/change/scanned-lines.ts'
import { TryAgainError } from '../../src/errors.ts'
import { quarantineObject, writeQuarantine } from '../../src/protected/quarantine.ts'
import type { StateFolder } from '../../src/protected/state-file.ts'
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts'

const STATE = 'memory://lake/_lastwrite/orders-1'

function folderOver(store: MemoryStore): StateFolder {
  let files = 0
  return { store, location: STATE, newName: () => `attempt-${files++}` }
}

function quarantinedLine(line: number, text: Uint8Array): QuarantinedLine {
  return { line, reason: 'invalid-json', message: 'no {', text }
}

describe('lines in quarantine', () => {
  it('are kept whole with their reason, also where they are no text', async () => {
    const store = memoryStore()
    // Lines are slices of a larger text.
    const text = Buffer.from('before"one"\u2028é\0after')
    const notText = Uint8Array.of(0xff, 0xfe, 0x00)
    const path = await writeQuarantine(folderOver(store), 'commit-7', [
      { object: 's3://landing/1.gz', lines: [quarantinedLine(3, text.subarray(6, -5)), quarantinedLine(9, notText)] },
      { object: 's3://landing/2.gz', lines: [quarantinedLine(1, new Uint8Array(0))] },
    ])
    expect(path).toBe(`${STATE}/quarantine/commit-7-attempt-0.ndjson.gz`)
    const content = gunzipSync(store.snapshot().get(path)!.bytes).toString()
    expect(content.endsWith('\n')).toBe(true)
    const head = { reason: 'invalid-json', message: 'no {' }
    expect(
      content
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { ...head, object: 's3://landing/1.gz', line: 3, text: '"one"\u2028é\0' },
      { ...head, object: 's3://landing/1.gz', line: 9, base64: '//4A' },
      { ...head, object: 's3://landing/2.gz', line: 1, text: '' },
    ])
  })
})

describe('an object in quarantine', () => {
  const from = 'memory://landing/orders/1.gz'

  async function landed(bytes: Uint8Array) {
    const store = memoryStore({ objects: [[from, bytes]] })
    const listed = await store.list('memory://landing/')
    if (listed.kind !== 'ok') throw new Error('no list')
    return { store, folder: folderOver(store), object: listed.objects[0]! }
  }

  it.each([[Uint8Array.of(1, 2, 3)], [new Uint8Array(0)]])('is a copy of all its bytes: %o', async (bytes) => {
    const { store, folder, object } = await landed(bytes)
    const path = await quarantineObject(folder, object)
    expect(path.startsWith(`${STATE}/quarantine/objects/`)).toBe(true)
    expect(store.snapshot().get(path)!.bytes).toEqual(bytes)
  })

  it('is copied once, whoever else copied it', async () => {
    const { store, folder, object } = await landed(Uint8Array.of(1, 2, 3))
    const path = await quarantineObject(folder, object)
    expect(await quarantineObject(folder, object)).toBe(path)
    expect(store.snapshot().size).toBe(2)
  })

  it('is not taken for another version of its name', async () => {
    const { store, folder, object } = await landed(Uint8Array.of(1, 2, 3))
    store.plant(from, Uint8Array.of(4))
    await expect(quarantineObject(folder, object)).rejects.toThrow(TryAgainError)
    expect(store.snapshot().size).toBe(1)
  })
})
