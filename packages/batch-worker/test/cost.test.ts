import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { billedFirehoseBytes, type CostInputs, mergeRequests, monthlyBill, PRICES } from '../src/cost-model.ts'
import { changeLine, ORDERS_DEFINITION } from './orders.ts'
import { newWorkspace, type Workspace } from './run-lastwrite.ts'

const MIB = 2 ** 20
const GIB = 2 ** 30
const SMALL: CostInputs = {
  writesPerSecond: 50,
  itemBytes: 1024,
  freshnessMinutes: 10,
  tableBytes: 10 * GIB,
  scatter: 0.02,
}

const usd = (inputs: CostInputs, service: string, what: string) =>
  monthlyBill(inputs).costs.find((cost) => cost.service === service && cost.what === what)!.usd

let space: Workspace
beforeAll(() => {
  space = newWorkspace()
})
afterAll(() => space.remove())

describe('the model of the bill', () => {
  it('is the arithmetic of a month by hand', () => {
    // Two batches every five seconds, 2,628,000 seconds a month; each has 125 lines of 1 KiB: 25 times 5 KB.
    const calls = 0.4 * 2_628_000
    expect(usd(SMALL, 'Lambda', 'requests')).toBeCloseTo((calls / 1e6) * 0.2, 10)
    expect(usd(SMALL, 'Firehose', 'ingestion, up to 5 KB a record')).toBeCloseTo(
      ((calls * 25 * 5120) / GIB) * 0.031,
      10,
    )
    // 50 ms a call and 60 µs a record, of 0.5 GB.
    const gbSeconds = 0.5 * (calls * 0.05 + 50 * 2_628_000 * 0.00006)
    expect(usd(SMALL, 'Lambda', 'GB-seconds')).toBeCloseTo(gbSeconds * 0.0000133334, 10)
    expect(usd(SMALL, 'S3', 'table')).toBeCloseTo(0.23, 10)
    // A merge every five minutes rewrites 1.6 of 80 files: 204.8 MiB, kept for 8.5 days.
    expect(usd(SMALL, 'S3', 'superseded files')).toBeCloseTo(0.2 * 288 * 8.5 * 0.023, 10)
    // 14 days of 50 KiB/s, a fourth of it after gzip.
    expect(usd(SMALL, 'S3', 'landing objects')).toBeCloseTo(((50 * 1024 * 86_400 * 14) / 4 / GIB) * 0.023, 10)
    // A merge uploads 1.6 files in 13 parts with a beginning and an end each; Firehose adds an object every five minutes.
    expect(usd(SMALL, 'S3', 'PUT and LIST')).toBeCloseTo(8760 * (7 + 1.6 * 15 + 6 + 1) * 0.000005, 10)
  })

  it('bills a merge of a few files by the minute, and the daily job', () => {
    const bill = monthlyBill({ ...SMALL, writesPerSecond: 0.01, tableBytes: MIB })
    expect(bill.merge.seconds).toBeLessThan(60)
    const minutes = 8760 + 730 / 24
    expect(bill.costs.find(({ what }) => what === 'vCPU')!.usd).toBeCloseTo((minutes / 60) * 2 * 0.03238, 10)
    expect(bill.costs.find(({ what }) => what === 'memory')!.usd).toBeCloseTo((minutes / 60) * 4 * 0.00356, 10)
  })

  it('rounds each record of Firehose up, not each line', () => {
    expect(billedFirehoseBytes(1)).toBe(5120)
    expect(billedFirehoseBytes(5121)).toBe(10_240)
    // 256 KiB are 51.2 times 5 KB.
    expect(billedFirehoseBytes(256 * 1024 + 1)).toBe((52 + 1) * 5120)
  })

  const rising = [0.01, 0.1, 0.4, 1, 30, 400, 999, 1000, 1001, 20_000]
  it.each([
    ['writes', (factor: number) => ({ ...SMALL, writesPerSecond: factor })],
    ['the table', (factor: number) => ({ ...SMALL, tableBytes: factor * GIB })],
    ['scatter', (factor: number) => ({ ...SMALL, scatter: factor / 20_000 })],
    ['haste', (factor: number) => ({ ...SMALL, freshnessMinutes: 1000 / factor })],
  ])('never falls with %s', (_, inputs) => {
    const bills = rising.map((factor) => monthlyBill(inputs(factor)).usd)
    expect(bills).toEqual(bills.toSorted((a, b) => a - b))
    expect(bills.at(-1)).toBeGreaterThan(bills[0]!)
  })

  it('is the sum of its lines, and follows each price', () => {
    const bill = monthlyBill(SMALL)
    const dear = { ...PRICES, fargatePerVcpuHour: 2 * PRICES.fargatePerVcpuHour }
    expect(bill.usd).toBeCloseTo(
      bill.costs.reduce((sum, cost) => sum + cost.usd, 0),
      10,
    )
    expect(monthlyBill(SMALL, dear).usd - bill.usd).toBeCloseTo(usd(SMALL, 'Fargate', 'vCPU'), 10)
  })

  it('says where a merge takes longer than there is until the next', () => {
    expect(monthlyBill(SMALL).keepsUp).toBe(true)
    expect(monthlyBill({ ...SMALL, tableBytes: 500 * GIB, scatter: 1 }).keepsUp).toBe(false)
  })
})

it.each([2, 8])('counts the requests of a merge as its report does: %i files', async (files) => {
  const [table, landing] = [`./lake${files}/orders`, `landing${files}`]
  const definition = { ...JSON.parse(ORDERS_DEFINITION), partition_by: [`bucket(pk, ${files})`] }
  await space.lastwrite('init', table, '--definition', JSON.stringify(definition), '--no-fsync')
  for (const [run, objects] of [1, 3].entries()) {
    for (let object = 0; object < objects; object++) {
      const sequence = (key: number) => `${10n ** 20n + BigInt((run * 10 + object) * 100 + key)}`
      const lines = Array.from({ length: 40 }, (_, key) =>
        changeLine({ sequence: sequence(key), pk: `k${key}`, item: { status: { S: `${run}` } } }),
      )
      space.write(`${landing}/2026/12/01/08/${run}-${object}`, lines.join(''))
    }
    const merge = await space.lastwrite('merge', table, '--landing', landing, '--no-fsync', '--json')
    const report = JSON.parse(merge.stdout)
    const model = mergeRequests(objects, files, MIB)
    expect(report.files.added).toBe(files)
    // The first merge has no manifest to write again.
    expect(report.requests).toMatchObject({ put: run === 0 ? model.put - 1 : model.put, list: model.list, copyPart: 0 })
    expect(report.requests.get).toBeLessThanOrEqual(model.get)
  }
})

describe('lastwrite cost', () => {
  const words = ['cost', '--writes', '50', '--item', '1KiB', '--table', '10GiB', '--scatter', '0.02']

  it('prints the model as JSON with what it was asked', async () => {
    const { code, stdout } = await space.lastwrite(...words, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ inputs: SMALL, prices: PRICES, ...monthlyBill(SMALL) })
  })

  it.each(Object.keys(PRICES).filter((name) => /Per/.test(name)))('takes another %s, and says so', async (name) => {
    const given = JSON.stringify({ [name]: 1000 })
    const { code, stdout } = await space.lastwrite(...words, '--prices', given, '--json')
    const prices = { ...PRICES, [name]: 1000 }
    expect({ code, ...JSON.parse(stdout) }).toEqual({ code: 0, inputs: SMALL, prices, ...monthlyBill(SMALL, prices) })
    expect(monthlyBill(SMALL, prices).usd).toBeGreaterThan(monthlyBill(SMALL).usd)
    const printed = await space.lastwrite(...words, '--prices', given)
    expect(printed.stdout).toContain(`prices of eu-west-1, 2026-12-01; given: ${name}\n`)
  })

  it('takes the prices of a file, of a region and date of its own', async () => {
    space.write('prices.json', JSON.stringify({ ...PRICES, region: 'us-east-1', date: '2027-01-01' }))
    const { stdout } = await space.lastwrite(...words, '--prices', 'prices.json')
    expect(stdout).toContain('prices of us-east-1, 2027-01-01; given: streamReadPerMillion, lambdaPer')
  })

  it('explains itself with the variables of its options, and asks for no store', async () => {
    const { stdout } = await space.lastwrite('cost', '--help')
    const text = stdout.replaceAll(/\s+/g, ' ')
    for (const option of stdout.match(/^ {2}--[a-z-]+/gm)!) {
      expect(text).toContain(`env: LASTWRITE_${option.trim().slice(2).toUpperCase()})`)
    }
    expect(text).not.toContain('--endpoint')
  })

  it.each([
    ['--writes', '0'],
    ['--writes', 'many'],
    ['--item', '0KiB'],
    ['--table', '10GB'],
    ['--scatter', '2'],
    ['--freshness', '-1'],
    ['--prices', 'absent.json'],
    ['--prices', '{'],
    ['--prices', '{"toString": 1}'],
    ['--prices', '{"s3PerGbMonth": -1}'],
    ['--prices', '{"s3PerGbMonth": "1"}'],
    ['--prices', '{"date": 2027}'],
  ])('refuses %s %s', async (option, value) => {
    const { code, stderr } = await space.lastwrite(...words, option, value)
    expect(code).toBe(20)
    expect(stderr).toContain(option)
  })
})

describe('docs/cost.md', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/cost.md', import.meta.url)), 'utf8')
  const examples = [...page.matchAll(/^```sh\nlastwrite ([^\n]*)\n```\n\n```text\n(.*?)^```$/gms)]

  it('has two examples', () => expect(examples).toHaveLength(2))

  it.each(examples.map(([, command, output]) => ({ command: command!, output: output! })))(
    'shows what is printed by: $command',
    async ({ command, output }) => {
      expect(await space.lastwrite(...command.split(' '))).toEqual({ code: 0, stdout: output, stderr: '' })
    },
  )
})
