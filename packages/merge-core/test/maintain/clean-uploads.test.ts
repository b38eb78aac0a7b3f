import { expect, it } from 'vitest'
import { cleanTable } from '../../src/index.ts'
import type { AbandonOptions, AbandonResult } from '../../src/store/object-store.ts'
import { LOCATION } from '../stored-table.ts'
import { DAY, newLake } from './lake.ts'

it.each([true, false])(
  'clean gives up the parts of objects that were begun a day ago and never put together, dry run: %s',
  async (dryRun) => {
    const lake = await newLake()
    await lake.merge('1', { pk: 'a', sequence: 1, to: 'A' })
    const table = await lake.open()
    const asked: [string, AbandonOptions][] = []
    const abandonUploads = async (prefix: string, options: AbandonOptions): Promise<AbandonResult> => {
      asked.push([prefix, options])
      return { kind: 'ok', uploads: 2 }
    }
    const environment = { ...table.environment, store: { ...lake.store, abandonUploads } }
    expect((await cleanTable({ ...table, environment }, { dryRun })).uploads).toBe(4)
    const options = { begunBeforeMs: lake.clock.ms - DAY, dryRun }
    expect(asked).toEqual([
      [`${LOCATION}/`, options],
      [expect.stringMatching(/\/_lastwrite\/orders-[0-9a-f]{8}\/$/), options],
    ])
  },
)
