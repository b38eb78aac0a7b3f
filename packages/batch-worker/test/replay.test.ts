import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const TABLE = './lake/orders'
const REPLAY = ['replay', TABLE, '--landing', './landing']

const firehose = (...lines: string[]) =>
  `${JSON.stringify({ rawData: Buffer.from(lines.join('')).toString('base64') })}\n`

let space: Workspace

const json = async (...words: string[]) => JSON.parse((await space.lastwrite(...words, '--json')).stdout)

beforeAll(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', TABLE, '--definition', 'orders.table.json', '--no-fsync')
  space.write('landing/2026/11/24/08/a', 'no line\n')
  await space.lastwrite('merge', TABLE, '--landing', './landing', '--no-fsync')
  const lines = ['a', 'b'].map((pk, i) =>
    changeLine({ sequence: `${100000000000000000000n + BigInt(i)}`, pk, item: {} }),
  )
  space.write('errors/processing-failed/2026/11/24/08/orders-1', gzipSync(firehose(...lines) + firehose(lines[0]!)))
}, 60_000)
afterAll(() => space.remove())

describe('replay from the command line', () => {
  it('says what it would land, lands it, and then finds it there', async () => {
    const words = [...REPLAY, '--errors', './errors']
    expect(await json(...words, '--dry-run')).toMatchObject({ dryRun: true, lines: { landed: 3 }, exitCode: 0 })
    expect(await space.lastwrite(...words)).toEqual({
      code: 0,
      stdout: 'orders: 3 lines, 1 landing object written, 0 stood already\nobjects  1 read\nrecords  2 of Firehose\n',
      stderr: '',
    })
    expect(await json('merge', TABLE, '--landing', './landing')).toMatchObject({ lines: { applied: 2, superseded: 1 } })
    expect((await space.lastwrite(...words)).stdout).toMatch(/3 lines, 0 landing objects written, 1 stood already/)
    expect(await json('merge', TABLE, '--landing', './landing')).toMatchObject({ snapshot: null })
  })

  it('takes prefixes and flags from the environment, and the quarantine of the table', async () => {
    const environment = {
      LASTWRITE_ERRORS: './errors,./errors',
      LASTWRITE_QUARANTINE: '1',
      LASTWRITE_LANDING: './landing',
    }
    const { stdout, stderr } = await space.lastwriteWith(environment, 'replay', TABLE)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/4 lines, 1 landing object written, 1 stood already.*2 of Firehose · 1 quarantined/s)
    const two = await space.lastwriteWith({ ...environment, LASTWRITE_LANDING: 'a,b' }, 'replay', TABLE)
    expect(two).toMatchObject({ code: 20, stderr: expect.stringMatching(/say by --landing where/) })
  })

  it('names what it could not decode and what is broken, each with its exit code', async () => {
    space.write('bad/1', `${firehose('x')}{"a":1}\n`)
    const undecodable = await space.lastwrite(...REPLAY, '--errors', './bad', '--quiet')
    expect(undecodable).toMatchObject({ code: 20, stdout: '' })
    expect(undecodable.stderr).toMatch(/not decoded: 1 record, .*quarantine\/undecodable-[0-9a-f]{64}\.ndjson\.gz/)
    space.write('broken/1', gzipSync(firehose('x')).subarray(0, 30))
    const broken = await space.lastwrite(...REPLAY, '--errors', './broken')
    expect(broken).toMatchObject({ code: 21, stderr: expect.stringMatching(/broken: .*broken\/1: cannot be inflated/) })
  })

  it.each([
    [[], /give --errors <prefix>, --quarantine, or both/],
    [['--errors', './none'], /errors .*none: no such folder; correct --errors/],
  ])('refuses %j', async (words, message) => {
    expect(await space.lastwrite(...REPLAY, ...words)).toMatchObject({
      code: 20,
      stderr: expect.stringMatching(message),
    })
  })
})
