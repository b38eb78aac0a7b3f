import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const TABLE = './lake/orders'
const VERIFY = ['verify', TABLE, '--landing', './landing', '--against', './exports']

const ITEMS = ['a', 'b', 'c'].map((pk, i) => ({ pk: { S: pk }, status: { S: 'open' }, total: { N: `${i}.50` } }))

let space: Workspace

const json = async (...words: string[]) => JSON.parse((await space.lastwrite(...words, '--json')).stdout)

function writeExport(items: readonly object[]): void {
  const folder = 'exports/AWSDynamoDB/01795400000000-abcd'
  const md5 = (bytes: string | Uint8Array) => createHash('md5').update(bytes).digest('base64')
  const data = gzipSync(items.map((Item) => `${JSON.stringify({ Item })}\n`).join(''))
  const files = JSON.stringify({
    itemCount: items.length,
    md5Checksum: md5(data),
    dataFileS3Key: `${folder}/data/a.json.gz`,
  })
  const summary = JSON.stringify({
    exportTime: '2026-11-23T08:00:00.000Z',
    tableArn: 'arn:aws:dynamodb:eu-west-1:123456789012:table/orders',
    manifestFilesS3Key: `${folder}/manifest-files.json`,
    itemCount: items.length,
    outputFormat: 'DYNAMODB_JSON',
    exportType: 'FULL_EXPORT',
  })
  space.write(`${folder}/data/a.json.gz`, data)
  for (const [name, text] of [
    ['manifest-files', files],
    ['manifest-summary', summary],
  ] as const) {
    space.write(`${folder}/${name}.json`, text)
    space.write(`${folder}/${name}.md5`, md5(text))
  }
}

beforeAll(async () => {
  space = newWorkspace()
  space.write('orders.table.json', ORDERS_DEFINITION)
  await space.lastwrite('init', TABLE, '--definition', 'orders.table.json', '--no-fsync')
  const lines = ITEMS.map((item, i) =>
    changeLine({ sequence: `${100000000000000000000n + BigInt(i)}`, pk: item.pk.S, item }),
  )
  space.write('landing/2026/11/22/08/a', lines.join(''))
  writeExport(ITEMS)
}, 60_000)
afterAll(() => space.remove())

describe('verify from the command line', () => {
  it('waits until what has landed is merged', async () => {
    const { code, stderr } = await space.lastwrite(...VERIFY, '--now')
    expect({ code, stderr }).toMatchObject({
      code: 10,
      stderr: expect.stringMatching(/not merged: 1, .*merge them, then/),
    })
    await space.lastwrite('merge', TABLE, '--landing', './landing', '--no-fsync')
  })

  it('says that the table is equal to the export', async () => {
    expect(await space.lastwrite(...VERIFY, '--now')).toEqual({
      code: 0,
      stdout: 'orders: equal to the export of 2026-11-23T08:00:00.000Z\nitems        3\nkeys         3 equal\n',
      stderr: '',
    })
  })

  it('names what differs, prints up to a limit and writes all of it', async () => {
    writeExport([{ ...ITEMS[0]!, total: { N: '9.99' } }, { pk: { S: 'd' } }])
    const { code, stdout } = await space.lastwrite(...VERIFY, '--now', '--limit', '1', '--out', 'differences.ndjson')
    expect(code).toBe(21)
    expect(stdout).toMatch(/NOT EQUAL.*1 different · 1 in the export only · 2 in the table only/s)
    expect(stdout).toMatch(
      /{"pk":"a"} differs\n {2}total: 9\.99 in the export, 0\.50 in the table\n {2}row of 2026-11-22T/,
    )
    expect(stdout).toMatch(/… and 3 more; all are in differences\.ndjson\n$/)
    const lines = readFileSync(join(space.folder, 'differences.ndjson'), 'utf8').trimEnd().split('\n')
    const kinds = lines.map((line) => [JSON.parse(line).kind, JSON.parse(line).key.pk]).sort()
    expect(kinds).toEqual([
      ['different', 'a'],
      ['onlyInExport', 'd'],
      ['onlyInTable', 'b'],
      ['onlyInTable', 'c'],
    ])
    expect(lines.join('\n')).toContain('"total":9.99')
    expect(await json(...VERIFY, '--now')).toMatchObject({ equal: false, differences: [{}, {}, {}, {}] })
    writeExport(ITEMS)
  })

  it('names the one key whose row was altered by hand', async () => {
    const files = readdirSync(join(space.folder, 'lake/orders/data'), { recursive: true, withFileTypes: true })
      .filter((file) => file.name.endsWith('.parquet'))
      .map((file) => join(file.parentPath, file.name))
    const instance = await DuckDBInstance.create()
    const connection = await instance.connect()
    for (const file of files) {
      const altered = `select * replace (case when pk = 'b' then 'paid' else status end as status) from '${file}' order by pk`
      await connection.run(`copy (${altered}) to '${file}.altered' (format parquet)`)
      renameSync(`${file}.altered`, file)
    }
    connection.closeSync()
    instance.closeSync()
    const { code, stdout } = await space.lastwrite(...VERIFY, '--now')
    expect(code).toBe(21)
    expect(stdout).toMatch(
      /keys {9}2 equal\ndifferences {2}1 different\n\n{"pk":"b"} differs\n {2}status: "open" in the export, "paid" in the table\n/,
    )
  })

  it.each([
    [['--against', './none'], /against .*none: no such folder/],
    [['--against', './landing'], /no export lies there/],
    [['--limit', 'x'], /whole number/],
    [['--out', './none/x'], /--out .*none/],
  ])('refuses %j', async (words, message) => {
    const { code, stderr } = await space.lastwrite(...VERIFY, '--now', ...words)
    expect({ code, stderr }).toMatchObject({ code: 20, stderr: expect.stringMatching(message) })
  })
})
