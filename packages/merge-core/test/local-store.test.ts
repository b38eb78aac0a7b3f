import { execFile, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { InputError } from '../src/errors.ts'
import { localStore } from '../src/store/local.ts'
import { describeObjectStore } from './object-store-contract.ts'

const folders: string[] = []
function newFolder(): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'local-store-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const CREATE = { kind: 'create' } as const

describeObjectStore('a durable local folder', async () => ({ store: localStore(), root: `file://${newFolder()}` }))
describeObjectStore('a local folder that does not wait for the disk', async () => ({
  store: localStore({ durable: false }),
  root: `file://${newFolder()}`,
}))

describe('a local folder', () => {
  const store = localStore({ durable: false })
  let folder = ''
  beforeEach(() => {
    folder = newFolder()
  })

  async function paths(prefix: string): Promise<string[]> {
    const listed = await store.list(prefix)
    if (listed.kind !== 'ok') throw new Error(listed.kind)
    return listed.objects.map(({ path }) => path)
  }

  it('takes file:///x, file:/x and /x for the same file, and lists in the form it was asked with', async () => {
    for (const root of [`file://${folder}`, `file:${folder}`, folder]) {
      await store.put(`${root}/t/x`, bytes('x'), { kind: 'overwrite' })
      expect(await paths(`${root}/`)).toEqual([`${root}/t/x`])
    }
    expect(readdirSync(join(folder, 't'))).toEqual(['x'])
  })

  it.each(['s3://bucket/x', 'file://host/x', 'relative/x', 'http:/x', 'file:///', ''])(
    'refuses %j, which is no local file',
    async (path) => {
      await expect(store.get(path)).rejects.toThrow(InputError)
    },
  )

  it('takes names as they stand, without URL decoding', async () => {
    await store.put(`file://${folder}/a=%2F +?#&/x`, bytes('x'), CREATE)
    expect(readFileSync(join(folder, 'a=%2F +?#&', 'x'), 'utf8')).toBe('x')
  })

  it('leaves nothing beside an object, won or lost', async () => {
    await store.put(`${folder}/x`, bytes('1'), CREATE)
    await store.put(`${folder}/x`, bytes('2'), CREATE)
    const got = await store.get(`${folder}/x`)
    const etag = got.kind === 'ok' ? got.etag : ''
    await store.put(`${folder}/x`, bytes('3'), { kind: 'replace', etag })
    await store.put(`${folder}/x`, bytes('4'), { kind: 'replace', etag })
    await store.put(`${folder}/y`, [{ kind: 'copy', from: `${folder}/x`, etag, start: 0, end: 1 }], CREATE)
    expect(readdirSync(folder)).toEqual(['x'])
  })

  it('is not disturbed by what a killed process left behind, and does not list it', async () => {
    for (let n = 0; n < 5000; n += n < 200 ? 1 : 100)
      writeFileSync(join(folder, `.lastwrite-${process.pid}-${n}.tmp`), 'half an obj')
    const left = readdirSync(folder).length
    await store.put(`${folder}/x`, bytes('whole'), CREATE)
    expect(await paths(folder)).toEqual([`${folder}/x`])
    expect(readdirSync(folder)).toHaveLength(left + 1)
  })

  it('does not list the checksum files of Hadoop, and will not write what it would not list', async () => {
    writeFileSync(join(folder, 'v1.metadata.json'), '{}')
    writeFileSync(join(folder, '.v1.metadata.json.crc'), 'crc')
    expect(await paths(folder)).toEqual([`${folder}/v1.metadata.json`])
    await expect(store.put(`${folder}/.x.tmp`, bytes('x'), CREATE)).rejects.toThrow(InputError)
  })

  it('follows symbolic links to files and folders, and passes over those that lead nowhere', async () => {
    const elsewhere = newFolder()
    writeFileSync(join(elsewhere, 'x'), 'x')
    symlinkSync(elsewhere, join(folder, 'linked'))
    symlinkSync(join(elsewhere, 'x'), join(folder, 'file'))
    symlinkSync(join(elsewhere, 'none'), join(folder, 'dangling'))
    expect(await paths(folder)).toEqual([`${folder}/file`, `${folder}/linked/x`])
  })

  it('stops at a file whose name is not UTF-8 instead of leaving it out', async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0x61, 0xff])]), 'x')
    await expect(store.list(folder)).rejects.toThrow(/not UTF-8; rename it/)
  })

  it('has no object where a folder stands, and says so when one is to be written', async () => {
    mkdirSync(join(folder, 'd'))
    writeFileSync(join(folder, 'f'), 'x')
    expect(await store.get(`${folder}/d`)).toEqual({ kind: 'missing' })
    expect(await store.get(`${folder}/f/x`)).toEqual({ kind: 'missing' })
    expect(await store.delete(`${folder}/f/x`)).toEqual({ kind: 'ok' })
    expect((await store.put(`${folder}/d`, bytes('x'), { kind: 'overwrite' })).kind).toBe('denied')
    await expect(store.put(`${folder}/f/x`, bytes('x'), CREATE)).rejects.toThrow(/a file stands where a folder must be/)
  })

  it('tells what it may not read from what is not there', async () => {
    mkdirSync(join(folder, 'closed'))
    writeFileSync(join(folder, 'closed', 'x'), 'x')
    chmodSync(join(folder, 'closed'), 0)
    // To root nothing is closed: look as somebody else.
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65534)
    try {
      expect(await store.get(`${folder}/closed/x`)).toMatchObject({ kind: 'denied', cause: { code: 'EACCES' } })
      expect((await store.put(`${folder}/closed/y`, bytes('y'), CREATE)).kind).toBe('denied')
      expect((await store.list(`${folder}/closed/`)).kind).toBe('denied')
      expect((await store.delete(`${folder}/closed/x`)).kind).toBe('denied')
    } finally {
      if (isRoot) process.seteuid?.(0)
      chmodSync(join(folder, 'closed'), 0o700)
    }
  })

  it('keeps most of a file that nobody may write to', async () => {
    const { etag } = (await store.put(`${folder}/x`, bytes('0123456789'), CREATE)) as { etag: string }
    chmodSync(join(folder, 'x'), 0o444)
    const kept = { kind: 'copy', from: `${folder}/x`, etag, start: 0, end: 9 } as const
    // Root may write to anything: put as somebody else.
    const isRoot = process.geteuid?.() === 0
    chmodSync(folder, 0o777)
    if (isRoot) process.seteuid?.(65534)
    try {
      expect(await store.put(`${folder}/y`, [kept, { kind: 'bytes', bytes: bytes('!') }], CREATE)).toMatchObject({
        kind: 'ok',
      })
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
    expect(readFileSync(join(folder, 'y'), 'utf8')).toBe('012345678!')
  })

  it('notices that another program wrote into a file in place', async () => {
    const { etag } = (await store.put(`${folder}/x`, bytes('one'), CREATE)) as { etag: string }
    writeFileSync(join(folder, 'x'), 'other')
    expect(await store.get(`${folder}/x`, { etag })).toEqual({ kind: 'conflict' })
    const part = { kind: 'copy', from: `${folder}/x`, etag, start: 0, end: 1 } as const
    expect(await store.put(`${folder}/y`, [part], CREATE)).toEqual({ kind: 'conflict' })
  })

  it.each([{ kind: 'replace' }, { kind: 'overwrite' }] as const)(
    'dates a version later than the one before, though the clock was set back: $kind',
    async ({ kind }) => {
      await store.put(`${folder}/x`, bytes('1'), CREATE)
      utimesSync(join(folder, 'x'), 4_000_000_000, 4_000_000_000)
      const got = await store.get(`${folder}/x`)
      const etag = got.kind === 'ok' ? got.etag : ''
      const before = statSync(join(folder, 'x'), { bigint: true }).mtimeNs
      const put = await store.put(`${folder}/x`, bytes('2'), { kind, etag })
      const after = statSync(join(folder, 'x'), { bigint: true }).mtimeNs
      expect(after).toBeGreaterThan(before)
      expect(await store.get(`${folder}/x`)).toMatchObject({ etag: put.kind === 'ok' && put.etag })
    },
  )

  it('lets nobody replace a version that a living process has claimed, and anybody one whose claimant died', async () => {
    const { etag } = (await store.put(`${folder}/x`, bytes('1'), CREATE)) as { etag: string }
    const claim = (number: number, pid: number) =>
      symlinkSync(`${hostname()}:${pid}`, join(folder, `.lastwrite-replace-${etag}-${number}.tmp`))
    const replace = () => store.put(`${folder}/x`, bytes('2'), { kind: 'replace', etag })
    const dead = spawnSync(process.execPath, ['--version']).pid
    claim(0, dead)
    claim(1, process.pid)
    expect(await replace()).toEqual({ kind: 'conflict' })
    unlinkSync(join(folder, `.lastwrite-replace-${etag}-1.tmp`))
    expect((await replace()).kind).toBe('ok')
    expect(await paths(folder)).toEqual([`${folder}/x`])
  })

  it('loses no increment of a counter that several processes replace by its tag', async () => {
    const increments = 50
    const program = `
      import { localStore } from ${JSON.stringify(new URL('../src/store/local.ts', import.meta.url).href)}
      const store = localStore({ durable: false })
      for (let done = 0; done < ${increments}; ) {
        const got = await store.get(process.argv[1])
        const next = String(Number(Buffer.from(got.bytes).toString()) + 1).padStart(3, '0')
        const put = await store.put(process.argv[1], Buffer.from(next), { kind: 'replace', etag: got.etag })
        if (put.kind === 'ok') done++
        else if (put.kind !== 'conflict') throw put.cause
      }`
    await store.put(`${folder}/counter`, bytes('000'), CREATE)
    const run = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, `${folder}/counter`])
    await Promise.all([run(), run(), run(), run()])
    expect(readFileSync(join(folder, 'counter'), 'utf8')).toBe(String(4 * increments))
  })
})
