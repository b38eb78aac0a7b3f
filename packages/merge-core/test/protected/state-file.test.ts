import { describe, expect, it } from 'vitest'
import { DamagedObjectError } from '../../src/errors.ts'
import { filesToMerge, formatStateFiles, parseStateFiles, type StateFile } from '../../src/protected/state-file.ts'

const METADATA = 's3://lake/orders/metadata/v3.metadata.json'

const parse = (text: string | undefined) => parseStateFiles(text, 'lastwrite.ledger', METADATA)

function filesOf(...rows: number[]): StateFile[] {
  return rows.map((count, at) => ({ path: `file-${at}`, bytes: 100, rows: count }))
}

describe('the property that lists state files', () => {
  it('gives back what was put in', () => {
    const files = [{ path: 's3://lake/"é.parquet', bytes: 2 ** 40, rows: 0 }]
    expect(parse(formatStateFiles(files))).toEqual(files)
    expect(parse(undefined)).toEqual([])
  })

  it.each([
    '',
    'null',
    '{}',
    '[null]',
    '[{"path":"x"}]',
    '[{"path":1,"bytes":1,"rows":1}]',
    '[{"path":"x","bytes":1,"rows":-1}]',
  ])('is damaged where it is %j', (text) => {
    expect(() => parse(text)).toThrow(DamagedObjectError)
    expect(() => parse(text)).toThrow(/v3\.metadata\.json: property lastwrite\.ledger/)
  })
})

describe('a list of state files', () => {
  it('takes one more until there are eight', () => {
    expect(filesToMerge(filesOf(1, 1, 1, 1, 1, 1, 1), 1)).toEqual([])
    expect(filesToMerge(filesOf(1, 1, 1, 1, 1, 1, 1, 1), 1)).toHaveLength(8)
  })

  it('leaves a large file alone until the others outweigh it', () => {
    const rows = [1_000_000, 5, 6, 7, 8, 9, 10, 11]
    expect(filesToMerge(filesOf(...rows), 100).map((file) => file.rows)).toEqual([5, 6, 7, 8, 9, 10, 11])
    expect(filesToMerge(filesOf(...rows), 500_000)).toHaveLength(8)
  })

  it('has at most eight files, and rewrites each row a logarithm of times', () => {
    let files: StateFile[] = []
    let rewritten = 0
    const commits = 5_000
    for (let commit = 0; commit < commits; commit++) {
      const merged = filesToMerge(files, 100)
      const old = merged.reduce((sum, file) => sum + file.rows, 0)
      rewritten += old
      files = [...files.filter((file) => !merged.includes(file)), { path: `f${commit}`, bytes: 1, rows: old + 100 }]
      expect(files.length).toBeLessThanOrEqual(8)
    }
    expect(files.reduce((sum, file) => sum + file.rows, 0)).toBe(commits * 100)
    expect(rewritten / (commits * 100)).toBeLessThan(8)
  })
})
