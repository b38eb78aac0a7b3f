// An engine that does tasks in this process, by the task files alone, and leaves what a cluster would.

import type { ClusterEngine } from '../../src/engines/cluster-engine.ts'
import { mergeFiles } from '../../src/files/merge-files.ts'
import { readFoldedChanges } from '../../src/shards/folded-changes.ts'
import { JsonObject } from '../../src/shards/json-object.ts'
import { encodeOutcomes } from '../../src/shards/outcomes-file.ts'
import { parseTable, parseTasks } from '../../src/shards/task-file.ts'
import type { ObjectStore } from '../../src/store/object-store.ts'
import { createObject } from '../../src/store/stored-object.ts'
import { readObject } from '../stored-table.ts'

export interface StandInResult {
  id: string
  added: { path: string; bytes: number }[]
  outcomes: string
}

export interface StandInEngine extends ClusterEngine {
  /** Task files that it has done. */
  readonly done: string[]
}

/** @param spoil changes a result before it is written */
export function standInEngine(store: ObjectStore, spoil: (result: StandInResult) => void = () => {}): StandInEngine {
  const done: string[] = []
  return {
    done,
    missing: async () => null,
    run: async (taskFiles) => {
      for (const taskFile of taskFiles) await doTasks(store, taskFile, spoil)
      done.push(...taskFiles)
    },
  }
}

async function doTasks(store: ObjectStore, taskFile: string, spoil: (result: StandInResult) => void): Promise<void> {
  const json = JsonObject.read(taskFile, await readObject(store, taskFile))
  const table = parseTable(taskFile, json.object('table'))
  const { changes, tasks } = parseTasks(table, json)
  const staging = taskFile.slice(0, taskFile.lastIndexOf('/'))
  const results: StandInResult[] = []
  for (const [number, task] of tasks.entries()) {
    const incoming = await readFoldedChanges(store, changes, table.layout, task.to)
    let files = 0
    const createFile = async (parts: Parameters<typeof createObject>[2]) => {
      const path = `${task.folder}/${staging.split('/').at(-1)}-${number}/part-${files++}.parquet`
      await createObject(store, path, parts)
      return path
    }
    const { added, outcomes } = await mergeFiles(
      { ...table.layout, store, createFile },
      task.partition,
      task.files,
      incoming,
    )
    const result = {
      id: task.id,
      added: added.map(({ path, fileBytes }) => ({ path, bytes: fileBytes })),
      outcomes: `${staging}/outcomes-${number}.parquet`,
    }
    await createObject(store, result.outcomes, encodeOutcomes(outcomes).parts)
    spoil(result)
    results.push(result)
  }
  await createObject(store, `${staging}/result.json`, Buffer.from(JSON.stringify({ format: 1, results })))
}
