// What every object store must do, as one suite: each store's own test file calls it with a way to open an empty store.

import { describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import type { GetResult, ObjectPart, ObjectStore, PutResult } from '../src/store/object-store.ts'
import { randomFrom } from './random-from.ts'

export interface StoreUnderTest {
  readonly store: ObjectStore
  /** Where the test's objects go; no slash at its end. */
  readonly root: string
}

export interface StoreNature {
  /** What a tag tells apart: all versions of an object, or only contents, as S3's tag does. */
  readonly tagOf: 'version' | 'content'
}

const RACERS = 16
const CREATE = { kind: 'create' } as const
const OVERWRITE = { kind: 'overwrite' } as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const letters = bytes('abcdefghijklmnopqrstuvwxyz')

function written(result: PutResult): PutResult & { kind: 'ok' } {
  if (result.kind !== 'ok') throw new Error(`expected a written object, got ${result.kind}`, { cause: result })
  return result
}

function read(result: GetResult): string {
  if (result.kind !== 'ok') throw new Error(`expected an object, got ${result.kind}`, { cause: result })
  return new TextDecoder().decode(result.bytes)
}

export function describeObjectStore(
  name: string,
  open: () => Promise<StoreUnderTest>,
  { tagOf }: StoreNature = { tagOf: 'version' },
): void {
  describe(`${name} as an object store`, () => {
    it('returns what was put, with the tag and size that the put told', async () => {
      const { store, root } = await open()
      const { etag, objectBytes } = written(await store.put(`${root}/a/b/c.bin`, letters, CREATE))
      const got = await store.get(`${root}/a/b/c.bin`)
      expect(got).toMatchObject({ kind: 'ok', etag, objectBytes: 26 })
      expect(objectBytes).toBe(26)
      expect(read(got)).toBe('abcdefghijklmnopqrstuvwxyz')
    })

    it('keeps an empty object apart from none', async () => {
      const { store, root } = await open()
      const { etag } = written(await store.put(`${root}/empty`, [], CREATE))
      expect(await store.get(`${root}/empty`)).toEqual({ kind: 'ok', bytes: new Uint8Array(), etag, objectBytes: 0 })
      expect(read(await store.get(`${root}/empty`, { range: { suffix: 8 } }))).toBe('')
      expect(await store.get(`${root}/none`)).toEqual({ kind: 'missing' })
      const listed = await store.list(root)
      expect(listed).toMatchObject({ kind: 'ok', objects: [{ path: `${root}/empty`, etag, objectBytes: 0 }] })
    })

    it('creates an object once', async () => {
      const { store, root } = await open()
      written(await store.put(`${root}/x`, bytes('first'), CREATE))
      expect(await store.put(`${root}/x`, bytes('second'), CREATE)).toEqual({ kind: 'conflict' })
      expect(read(await store.get(`${root}/x`))).toBe('first')
    })

    it('lets one of 16 racing creators win, and stores its bytes', async () => {
      const { store, root } = await open()
      for (let round = 0; round < 20; round++) {
        const path = `${root}/race/${round}`
        const racers = Array.from({ length: RACERS }, (_, racer) => store.put(path, bytes(`racer ${racer}`), CREATE))
        const results = await Promise.all(racers)
        const winners = results.flatMap((result, racer) => (result.kind === 'ok' ? [racer] : []))
        expect(winners).toHaveLength(1)
        expect(results.filter((result) => result.kind === 'conflict')).toHaveLength(RACERS - 1)
        expect(read(await store.get(path))).toBe(`racer ${winners[0]}`)
      }
    })

    it('replaces only the version that the tag names', async () => {
      const { store, root } = await open()
      const first = written(await store.put(`${root}/x`, bytes('first'), CREATE))
      const second = written(await store.put(`${root}/x`, bytes('second'), { kind: 'replace', etag: first.etag }))
      expect(second.etag).not.toBe(first.etag)
      expect(await store.put(`${root}/x`, bytes('stale'), { kind: 'replace', etag: first.etag })).toEqual({
        kind: 'conflict',
      })
      expect(read(await store.get(`${root}/x`))).toBe('second')
    })

    it('does not create by replacing: what is gone is missing', async () => {
      const { store, root } = await open()
      const { etag } = written(await store.put(`${root}/x`, letters, CREATE))
      await store.delete(`${root}/x`)
      expect(await store.put(`${root}/x`, letters, { kind: 'replace', etag })).toEqual({ kind: 'missing' })
      expect(await store.put(`${root}/folder/y`, letters, { kind: 'replace', etag })).toEqual({ kind: 'missing' })
      expect(await store.list(root)).toEqual({ kind: 'ok', objects: [] })
    })

    it(`gives every ${tagOf} of an object a tag of its own, however fast they follow and though the size stays`, async () => {
      const { store, root } = await open()
      const contentOf = (n: number) => bytes(String(tagOf === 'version' ? n % 10 : n).padStart(3, '0'))
      let { etag } = written(await store.put(`${root}/x`, contentOf(0), CREATE))
      const tags = new Set([etag])
      for (let version = 1; version <= 200; version++) {
        const content = contentOf(version)
        etag = written(await store.put(`${root}/x`, content, version % 2 ? { kind: 'replace', etag } : OVERWRITE)).etag
        tags.add(etag)
      }
      expect(tags.size).toBe(201)
    })

    it('loses no increment of a counter that 16 writers replace by its tag', async () => {
      const { store, root } = await open()
      const path = `${root}/counter`
      written(await store.put(path, bytes('000'), CREATE))
      const increment = async (): Promise<void> => {
        for (;;) {
          const got = await store.get(path)
          const next = String(Number(read(got)) + 1).padStart(3, '0')
          if (got.kind !== 'ok') throw new Error(got.kind)
          const put = await store.put(path, bytes(next), { kind: 'replace', etag: got.etag })
          if (put.kind === 'ok') return
          expect(put).toEqual({ kind: 'conflict' })
        }
      }
      const writer = async (): Promise<void> => {
        for (let i = 0; i < 5; i++) await increment()
      }
      await Promise.all(Array.from({ length: RACERS }, writer))
      expect(read(await store.get(path))).toBe('080')
    })

    it('overwrites whatever stands', async () => {
      const { store, root } = await open()
      written(await store.put(`${root}/hint`, bytes('1'), OVERWRITE))
      const { etag } = written(await store.put(`${root}/hint`, bytes('2'), OVERWRITE))
      expect(await store.get(`${root}/hint`)).toEqual({ kind: 'ok', bytes: bytes('2'), etag, objectBytes: 1 })
    })

    it('reads ranges and suffixes', async () => {
      const { store, root } = await open()
      const path = `${root}/letters`
      written(await store.put(path, letters, CREATE))
      expect(read(await store.get(path, { range: { start: 0, end: 3 } }))).toBe('abc')
      expect(read(await store.get(path, { range: { start: 23, end: 26 } }))).toBe('xyz')
      expect(read(await store.get(path, { range: { start: 5, end: 5 } }))).toBe('')
      expect(read(await store.get(path, { range: { suffix: 2 } }))).toBe('yz')
      expect(read(await store.get(path, { range: { suffix: 0 } }))).toBe('')
      expect(read(await store.get(path, { range: { suffix: 1000 } }))).toBe('abcdefghijklmnopqrstuvwxyz')
      expect(await store.get(path, { range: { suffix: 2 } })).toMatchObject({ kind: 'ok', objectBytes: 26 })
    })

    it('calls an object that is too short for the range corrupt, never gives fewer bytes', async () => {
      const { store, root } = await open()
      written(await store.put(`${root}/letters`, letters, CREATE))
      const result = await store.get(`${root}/letters`, { range: { start: 20, end: 27 } })
      expect(result.kind).toBe('corrupt')
      expect(String(result.kind === 'corrupt' && result.cause)).toMatch(/letters: holds 26 bytes, \[20, 27\)/)
      expect((await store.get(`${root}/letters`, { range: { start: 30, end: 31 } })).kind).toBe('corrupt')
    })

    it('pins the ranges of one object to one version', async () => {
      const { store, root } = await open()
      const path = `${root}/letters`
      const { etag } = written(await store.put(path, letters, CREATE))
      expect(read(await store.get(path, { etag, range: { start: 0, end: 1 } }))).toBe('a')
      const next = written(await store.put(path, letters.toReversed(), { kind: 'replace', etag }))
      expect(await store.get(path, { etag, range: { start: 1, end: 2 } })).toEqual({ kind: 'conflict' })
      expect(read(await store.get(path, { etag: next.etag, range: { start: 1, end: 2 } }))).toBe('y')
      await store.delete(path)
      expect(await store.get(path, { etag: next.etag })).toEqual({ kind: 'missing' })
    })

    it('never shows part of a version while it is replaced', async () => {
      const { store, root } = await open()
      const path = `${root}/torn`
      const version = (digit: number): Uint8Array => new Uint8Array(100_000 + digit).fill(48 + digit)
      written(await store.put(path, version(0), OVERWRITE))
      let writing = true
      const write = async (): Promise<void> => {
        for (let i = 1; i <= 50; i++) written(await store.put(path, version(i % 10), OVERWRITE))
        writing = false
      }
      let reads = 0
      const readAll = async (): Promise<void> => {
        while (writing) {
          const got = await store.get(path)
          if (got.kind !== 'ok') throw new Error(got.kind)
          const digit = got.bytes[0]! - 48
          expect(got.bytes.length).toBe(100_000 + digit)
          expect(got.bytes.every((byte) => byte === 48 + digit)).toBe(true)
          reads++
        }
      }
      await Promise.all([write(), readAll(), readAll()])
      expect(reads).toBeGreaterThan(0)
    })

    it('makes an object of bytes and stretches of others', async () => {
      const { store, root } = await open()
      const source = written(await store.put(`${root}/source`, letters, CREATE))
      const stretch = (start: number, end: number) =>
        ({ kind: 'copy', from: `${root}/source`, etag: source.etag, start, end }) as const
      const parts = [stretch(23, 26), { kind: 'bytes', bytes: bytes('-') } as const, stretch(0, 3), stretch(4, 4)]
      expect(written(await store.put(`${root}/made`, parts, CREATE)).objectBytes).toBe(7)
      expect(read(await store.get(`${root}/made`))).toBe('xyz-abc')
    })

    it('copies long stretches whole', async () => {
      const { store, root } = await open()
      const long = new Uint8Array(9_000_001).map((_, i) => i % 251)
      const { etag } = written(await store.put(`${root}/long`, long, CREATE))
      const part = { kind: 'copy', from: `${root}/long`, etag, start: 1, end: 9_000_000 } as const
      written(await store.put(`${root}/copy`, [part], CREATE))
      const got = await store.get(`${root}/copy`)
      expect(got.kind === 'ok' && Buffer.compare(got.bytes, long.subarray(1, 9_000_000))).toBe(0)
    })

    it('joins any row of parts, in whatever order stretches come, and wherever they come to lie', async () => {
      const { store, root } = await open()
      const random = randomFrom(7)
      const below = (n: number) => Math.floor(random() * n)
      const noise = (length: number) => Uint8Array.from({ length }, () => below(256))
      const sources = await Promise.all(
        [0, 1].map(async (n) => {
          const content = noise(1000 + below(1000))
          return { path: `${root}/source-${n}`, content, put: await store.put(`${root}/source-${n}`, content, CREATE) }
        }),
      )
      for (let round = 0; round < 60; round++) {
        const parts: ObjectPart[] = []
        const pieces: Uint8Array[] = []
        let made = 0
        for (let count = below(6); count >= 0; count--) {
          const { path: from, content, put } = sources[below(2)]!
          // Every other stretch stays at its place, as the first row groups of a file do.
          const start = random() < 0.5 && made < content.length ? made : below(content.length)
          const end = start + below(content.length - start + 1)
          const isCopy = random() < 0.7
          const piece = isCopy ? content.subarray(start, end) : noise(below(300))
          const { etag } = written(put)
          parts.push(isCopy ? { kind: 'copy', from, etag, start, end } : { kind: 'bytes', bytes: piece })
          pieces.push(piece)
          made += piece.length
        }
        const path = `${root}/made-${round}`
        expect(written(await store.put(path, parts, CREATE)).objectBytes).toBe(made)
        const got = await store.get(path)
        expect(got.kind === 'ok' && Buffer.compare(got.bytes, Buffer.concat(pieces))).toBe(0)
      }
      for (const { path, content } of sources) {
        const got = await store.get(path)
        expect(got.kind === 'ok' && Buffer.compare(got.bytes, content)).toBe(0)
      }
    })

    it.each([0.99, 0.8, 0.5])(
      'keeps the first %d of a large object at its place and puts other bytes behind',
      async (share) => {
        const { store, root } = await open()
        const old = new Uint8Array(12_000_000).map((_, i) => i % 251)
        const behind = new Uint8Array(100_001).fill(255)
        const { etag } = written(await store.put(`${root}/old`, old, CREATE))
        const end = share * old.length
        const kept = { kind: 'copy', from: `${root}/old`, etag, start: 0, end } as const
        const { objectBytes } = written(
          await store.put(`${root}/new`, [kept, { kind: 'bytes', bytes: behind }], CREATE),
        )
        expect(objectBytes).toBe(end + behind.length)
        const got = await store.get(`${root}/new`)
        expect(got.kind === 'ok' && Buffer.compare(got.bytes, Buffer.concat([old.subarray(0, end), behind]))).toBe(0)
      },
    )

    it('writes nothing where a source is gone, another version, or too short', async () => {
      const { store, root } = await open()
      const { etag } = written(await store.put(`${root}/source`, letters, CREATE))
      const stretch = { kind: 'copy', from: `${root}/source`, etag, start: 0, end: 5 } as const
      const put = (part: typeof stretch) => store.put(`${root}/made`, [{ kind: 'bytes', bytes: letters }, part], CREATE)
      expect(await put({ ...stretch, etag: 'another' })).toEqual({ kind: 'conflict' })
      expect((await put({ ...stretch, end: 27 } as never)).kind).toBe('corrupt')
      await store.delete(`${root}/source`)
      expect(await put(stretch)).toEqual({ kind: 'missing' })
      expect(await store.list(root)).toEqual({ kind: 'ok', objects: [] })
    })

    it('lists what starts with the prefix, in the order of the UTF-8 bytes', async () => {
      const { store, root } = await open()
      // U+FF5E sorts above U+1F600 as JavaScript compares, below it as bytes do.
      const names = ['d/x', 'd-1/y', 'da/b/c', 'd/a/z', 'd/\u{1f600}', 'd/\uff5e', 'd/é', 'd/Z', 'e/x', 'd/x y=%2F+']
      const paths = names.map((name) => `${root}/${name}`)
      for (const path of paths) written(await store.put(path, letters, CREATE))
      const ordered = paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      for (const prefix of ['', '/', '/d', '/d/', '/d/x', '/da/b', '/da/b/', '/da/b/c', '/nothing', '/d/x/']) {
        const listed = await store.list(root + prefix)
        if (listed.kind !== 'ok') throw new Error(listed.kind)
        expect(listed.objects.map(({ path }) => path)).toEqual(ordered.filter((path) => path.startsWith(root + prefix)))
      }
    })

    it('lists what comes behind a location, whether something stands there or not', async () => {
      const { store, root } = await open()
      const paths = ['a', 'a/x', 'b/1', 'b/1/x', 'b/10', 'b/2', 'b/\u{1f600}', 'b/\uff5e', 'c'].map(
        (name) => `${root}/${name}`,
      )
      for (const path of paths.filter((path) => !/\/(a|b\/1)$/.test(path)))
        written(await store.put(path, letters, CREATE))
      for (const after of ['b/1', 'b/1/x', 'b/1z', 'b/2', 'b/\uff5e', 'b/\u{1f600}', 'b/\u{1f601}']) {
        const listed = await store.list(`${root}/b/`, { after: `${root}/${after}` })
        if (listed.kind !== 'ok') throw new Error(listed.kind)
        const isBehind = (path: string) => Buffer.compare(Buffer.from(path), Buffer.from(`${root}/${after}`)) > 0
        const inOrder = paths.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        const behind = inOrder.filter(
          (path) => path.startsWith(`${root}/b/`) && !path.endsWith('/b/1') && isBehind(path),
        )
        expect(listed.objects.map(({ path }) => path)).toEqual(behind)
      }
    })

    it('lists tags that pin the objects, sizes and times', async () => {
      const { store, root } = await open()
      written(await store.put(`${root}/a`, letters, CREATE))
      const listed = await store.list(`${root}/`)
      if (listed.kind !== 'ok') throw new Error(listed.kind)
      const [object] = listed.objects
      expect(object).toMatchObject({ path: `${root}/a`, objectBytes: 26, modifiedMs: expect.any(Number) })
      expect(read(await store.get(`${root}/a`, { etag: object!.etag }))).toBe('abcdefghijklmnopqrstuvwxyz')
    })

    it('deletes, and deletes again', async () => {
      const { store, root } = await open()
      written(await store.put(`${root}/folder/a`, letters, CREATE))
      expect(await store.delete(`${root}/folder/a`)).toEqual({ kind: 'ok' })
      expect(await store.delete(`${root}/folder/a`)).toEqual({ kind: 'ok' })
      expect(await store.delete(`${root}/never/was`)).toEqual({ kind: 'ok' })
      expect(await store.get(`${root}/folder/a`)).toEqual({ kind: 'missing' })
      expect(await store.list(root)).toEqual({ kind: 'ok', objects: [] })
      written(await store.put(`${root}/folder/a`, bytes('again'), CREATE))
      expect(read(await store.get(`${root}/folder/a`))).toBe('again')
    })

    it('hands out bytes that are the caller’s own, and keeps its own apart from what it was given', async () => {
      const { store, root } = await open()
      const given = bytes('given')
      written(await store.put(`${root}/x`, given, CREATE))
      given.fill(0)
      const got = await store.get(`${root}/x`)
      if (got.kind !== 'ok') throw new Error(got.kind)
      expect(read(got)).toBe('given')
      got.bytes.fill(0)
      expect(got.bytes.byteOffset + got.bytes.buffer.byteLength).toBe(5)
      expect(read(await store.get(`${root}/x`))).toBe('given')
    })

    it.each([
      ['a relative step', '/a/../b'],
      ['a step that stays', '/a/./b'],
      ['two slashes', '/a//b'],
      ['a line feed', '/a\nb'],
      ['a NUL', '/a\0b'],
      ['a C1 control', '/a\u0085b'],
      ['half a surrogate pair', '/a\ud800b'],
      ['a folder', '/a/'],
      ['more than 1,024 bytes', `/${'1234567/'.repeat(127)}12345678`],
      ['a step of 256 bytes', `/${'é'.repeat(128)}`],
    ])('refuses a location with %s, with an error that quotes it', async (_, path) => {
      const { store, root } = await open()
      await expect(store.put(root + path, letters, CREATE)).rejects.toThrow(InputError)
      await expect(store.get(root + path)).rejects.toThrow(`location ${JSON.stringify(root + path)}: `)
      await expect(store.delete(root + path)).rejects.toThrow(InputError)
      if (path !== '/a/') await expect(store.list(root + path)).rejects.toThrow(InputError)
    })
  })
}
