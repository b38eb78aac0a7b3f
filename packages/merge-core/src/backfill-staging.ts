// Where a backfill keeps its sorted runs and its plan until it is done: `<state>/staging/backfill-<id>/`.
//
//   runs/<name>.parquet          written by whoever split a file
//   split/<number>-<name>.json   the runs of one file of the source, once they all stand and the file was what its manifest says
//   plan.json                    which ranges each commit takes: the first that was made holds
//
// What a killed process leaves is taken up by the next one; runs that no split names, and all of it when the backfill is done, are left to `clean`.

import pMap from 'p-map'
import { stagingFolder } from './backfill-progress.ts'
import type { Baseline } from './backfill-source.ts'
import { formatPlan, parsePlan, planRanges, type RangePlan } from './baseline/plan-ranges.ts'
import type { Run } from './baseline/runs.ts'
import type { SplitFile } from './baseline/split-baseline.ts'
import type { Environment } from './environment.ts'
import { createObject, failureError, readObject } from './store/stored-object.ts'
import type { Workers } from './threads/workers.ts'

export interface Staging {
  readonly environment: Environment
  readonly folder: string
}

export interface StagedBaseline {
  readonly runs: readonly Run[]
  readonly rows: number
  readonly misfits: ReadonlyMap<string, number>
}

export function stagingOf(environment: Environment, stateFolder: string, { id }: Baseline): Staging {
  return { environment, folder: stagingFolder(stateFolder, id) }
}

/** Splits the files that nobody has split yet. */
export async function splitFiles(
  staging: Staging,
  { files }: Baseline,
  workers: Workers,
  onFile: (done: number, total: number) => void,
): Promise<StagedBaseline> {
  const standing = await standingSplits(staging)
  let done = 0
  const splits = await pMap(
    files,
    async (task, number) => {
      const split = standing.get(number) ?? (await splitOne(number, task))
      onFile(++done, files.length)
      return split
    },
    { concurrency: workers.width },
  )
  const misfits = new Map<string, number>()
  for (const split of splits)
    for (const [misfit, count] of split.misfits) misfits.set(misfit, (misfits.get(misfit) ?? 0) + count)
  return {
    runs: splits.flatMap(({ runs }) => runs),
    rows: splits.reduce((sum, { rows }) => sum + rows, 0),
    misfits,
  }

  async function splitOne(number: number, task: Baseline['files'][number]): Promise<SplitFile> {
    const { environment, folder } = staging
    const split = await workers.splitBaseline(task, async (parts) => {
      const path = `${folder}/runs/${environment.uuid()}.parquet`
      await createObject(environment.store, path, parts)
      return path
    })
    await createObject(environment.store, `${folder}/split/${number}-${environment.uuid()}.json`, formatSplit(split))
    return split
  }
}

function formatSplit({ misfits, ...split }: SplitFile): Uint8Array {
  return Buffer.from(JSON.stringify({ ...split, misfits: [...misfits] }))
}

/** By the number of the file: the first whose runs all stand. */
async function standingSplits({ environment: { store }, folder }: Staging): Promise<Map<number, SplitFile>> {
  const listed = await store.list(`${folder}/`)
  if (listed.kind !== 'ok') throw failureError(folder, 'listing', listed)
  const paths = new Set(listed.objects.map(({ path }) => path))
  const splits = new Map<number, SplitFile>()
  for (const path of paths) {
    const number = Number(/\/split\/(\d+)-[^/]+\.json$/.exec(path)?.[1] ?? Number.NaN)
    if (Number.isNaN(number) || splits.has(number)) continue
    const { misfits, ...split } = JSON.parse(Buffer.from(await readObject(store, path)).toString())
    if (split.runs.every((run: Run) => paths.has(run.path))) splits.set(number, { ...split, misfits: new Map(misfits) })
  }
  return splits
}

/**
 * The plan that stands, or a new one: two processes that race go on by one. Nothing is read that may be missing: S3 tells who may list a
 * prefix alone that it is denied.
 */
export async function planCommits(
  { environment: { store }, folder }: Staging,
  { runs }: StagedBaseline,
  rangeBytes: number,
  threads: number,
): Promise<RangePlan> {
  const path = `${folder}/plan.json`
  const plan = planRanges(runs, rangeBytes, threads)
  const put = await store.put(path, Buffer.from(formatPlan(plan)), { kind: 'create' })
  if (put.kind === 'ok') return plan
  if (put.kind !== 'conflict') throw failureError(path, 'writing', put)
  return parsePlan(Buffer.from(await readObject(store, path)).toString())
}
