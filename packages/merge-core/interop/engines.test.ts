import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith, type Engines, openEngines, python } from './parts.ts'

describeWith('python', 'a Python program', () => {
  it('gets its arguments and gives back what it printed', async () => {
    expect(await python('import sys; print(sys.argv[1:])', ['a b', 'é'])).toBe("['a b', 'é']\n")
  })

  it('fails with what it wrote to stderr', async () => {
    await expect(python('raise ValueError("no such row")')).rejects.toThrow(/ValueError: no such row/)
  })
})

describeWith('spark', 'the engines', () => {
  let engines: Engines
  let warehouse = ''
  beforeAll(async () => {
    warehouse = mkdtempSync(join(tmpdir(), 'engines-'))
    engines = openEngines({ warehouse: `file://${warehouse}` })
    await engines.spark(`create table lake.db.t (
      l bigint, d decimal(38, 9), s string, f double, b binary, at timestamp, local timestamp_ntz, day date, yes boolean
    ) using iceberg`)
    await engines.spark(`insert into lake.db.t values
      (9223372036854775807, 12345678901234567890123456789.123456789, 'é"\\u0001', 0.1, X'00ff',
       timestamp'2024-02-29 23:59:59.999999Z', timestamp_ntz'1969-12-31 00:00:00', date'0001-01-01', true)`)
    await engines.spark('insert into lake.db.t (l, f) values (1, double("NaN"))')
  })
  afterAll(async () => {
    await engines.close()
    rmSync(warehouse, { recursive: true })
  })

  const full = {
    l: 9223372036854775807n,
    d: '12345678901234567890123456789.123456789',
    s: 'é"\u0001',
    f: 0.1,
    b: '00ff',
    at: '2024-02-29T23:59:59.999999Z',
    local: '1969-12-31T00:00:00.000000',
    day: '0001-01-01',
    yes: true,
  }
  const nulls = { d: null, s: null, b: null, at: null, local: null, day: null, yes: null }
  const rows = [{ l: 1, f: 'NaN', ...nulls }, full]
  const byLong = (all: Record<string, unknown>[]) =>
    all.toSorted((a, b) => (BigInt(a.l as number) < BigInt(b.l as number) ? -1 : 1))

  it('write the values of one table the same way', async () => {
    expect(byLong(await engines.spark('select * from lake.db.t'))).toEqual(rows)
    expect(byLong(await engines.sparkLoad(`file://${warehouse}/db/t`))).toEqual(rows)
    const metadata = `${warehouse}/db/t/metadata/v3.metadata.json`
    expect(byLong(await engines.duckdb(`select * from iceberg_scan('${metadata}')`))).toEqual(rows)
    expect(byLong(await engines.pyiceberg(metadata))).toEqual(rows)
    expect(await engines.pyiceberg(metadata, { rowFilter: 'l == 1' })).toEqual(rows.slice(0, 1))
  })

  it('travel in time by snapshot ids beyond 2^53', async () => {
    const [first] = await engines.spark(
      'select snapshot_id as id from lake.db.t.snapshots order by committed_at limit 1',
    )
    const snapshotId = first!.id as bigint
    expect(typeof snapshotId).toBe('bigint')
    const metadata = `${warehouse}/db/t/metadata/v3.metadata.json`
    expect(await engines.pyiceberg(metadata, { snapshotId })).toEqual([full])
    expect(await engines.sparkLoad(`file://${warehouse}/db/t`, { snapshotId })).toEqual([full])
  })

  it('run code in the session', async () => {
    expect(await engines.sparkRun('result = spark.range(5).count()')).toBe(5)
  })

  it('say what is wrong with a statement and go on', async () => {
    await expect(engines.duckdb('select nothing')).rejects.toThrow(/BinderException/)
    await expect(engines.spark('select nothing')).rejects.toThrow(/AnalysisException/)
    expect(await engines.duckdb('select 1 as one')).toEqual([{ one: 1 }])
  })
})
