// What a task's result depends on, as one name: a result is used wherever a task has its name, in whatever attempt or process.
//
// A change is told by the line that it comes from: landing object, its tag, and the line's number in it. With the definition these give the
// change's key, version and row, so no row is looked at.

import { createHash } from 'node:crypto'
import { tupleText } from './change/lines.ts'
import type { TableLayout } from './files/merge-context.ts'
import type { FoldedBatch, GroupedBatch } from './fold-batch.ts'
import type { PartitionTask } from './merge-batch.ts'

/** SHA-256, in hexadecimal, of the columns, the partition, the files with their deletes, and the changes. */
export function taskIdentity(
  layout: TableLayout,
  task: PartitionTask,
  batch: GroupedBatch,
  { fold: { changes }, expiries }: FoldedBatch,
): string {
  const { from, to } = task
  const { starts, bytes } = expiries.expiryVersions
  const { sources, origins } = originsOf(batch, changes.line.subarray(from, to))
  const hash = createHash('sha256')
  hash.update(
    JSON.stringify([
      layout.fields,
      batch.definition.text,
      tupleText(task.partition),
      task.files.map(({ file, deletes }) => [file.path, deletes.map(({ path }) => path)]),
      sources,
      to - from,
    ]),
  )
  hash.update(changes.operation.subarray(from, to))
  hash.update(origins)
  hash.update(expiries.expiryMicros.subarray(from, to))
  hash.update(bytes.subarray(starts[from]!, starts[to]!))
  return hash.digest('hex')
}

/** Where lines come from: the number of their source in `sources` and that of the line in it, in turn. */
function originsOf({ lines, landing }: GroupedBatch, of: Uint32Array) {
  const numbers = new Int32Array(lines.objects.length).fill(-1)
  const objects: number[] = []
  const origins = new Uint32Array(2 * of.length)
  for (let i = 0; i < of.length; i++) {
    const line = of[i]!
    const object = lines.object[line]!
    if (numbers[object] === -1) numbers[object] = objects.push(object) - 1
    origins[2 * i] = numbers[object]!
    const row = lines.row[line]!
    origins[2 * i + 1] = landing[object] === undefined ? row : lines.objects[object]!.lineNumber[row]!
  }
  // Lines of a backfill come from no landing object. Their results are known in their process alone, by the order of their sources and rows.
  const sources = objects.map((object) =>
    landing[object] === undefined ? object : [landing[object].object.path, landing[object].etag],
  )
  return { sources, origins }
}
