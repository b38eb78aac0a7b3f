// Shares the tasks of a commit between this process and another engine, by partition: all that the other one does of a partition is one
// task for it.

import pMap from 'p-map'
import { tupleText } from '../change/lines.ts'
import { DamagedObjectError } from '../errors.ts'
import type { MergeTask } from '../files/locate.ts'
import type { TableLayout } from '../files/merge-context.ts'
import { rowGroupsInOrder } from '../files/merge-files.ts'
import { type OpenFile, openFile } from '../files/open-file.ts'
import type { DataFile } from '../iceberg/manifest.ts'
import type { PartitionValue } from '../iceberg/transform.ts'
import { bindField } from '../parquet/read-footer.ts'
import { isOfType } from '../parquet/write-schema.ts'
import { type Field, formatPrimitiveType, type PrimitiveType } from '../primitive-type.ts'
import type { ObjectReader } from '../store/object-store.ts'
import { chooseEngines, type EngineChoice, type EngineLimits, type PartitionLoad } from './choose-engine.ts'

export interface SharedTask extends MergeTask {
  readonly partition: readonly PartitionValue[]
  /** Where the other engine does it; see ClusterTask. */
  readonly cluster?: { readonly isOrdered: boolean }
}

/** What one engine does of a commit, and why it. */
export interface EngineShare extends EngineChoice {
  readonly partitions: number
  readonly fileBytes: number
}

const FOOTERS_AT_A_TIME = 16
/** What a Parquet file of Spark's has in the same form as ours. */
const TYPES_IN_COMMON: readonly PrimitiveType['kind'][] = [
  ...(['boolean', 'int', 'long', 'float', 'double', 'decimal'] as const),
  ...(['date', 'timestamptz', 'string', 'binary'] as const),
]

/** The tasks in their order, those of a partition that goes to the other engine as one. */
export async function shareTasks<Task extends SharedTask>(
  store: ObjectReader,
  { fields, sortOrderId }: Pick<TableLayout, 'fields' | 'sortOrderId'>,
  tasks: readonly Task[],
  limits: EngineLimits,
): Promise<{ readonly tasks: readonly Task[]; readonly shares: readonly EngineShare[] }> {
  const partitions = [...Map.groupBy(tasks, ({ partition }) => tupleText(partition)).values()]
  const touching = partitions.filter((each) => each.some(({ touchesFiles }) => touchesFiles))
  const loads = touching.map((each) => loadOf(each, fields, sortOrderId))
  const choices = new Map(chooseEngines(loads, limits).map((choice, i) => [touching[i]!, { choice, load: loads[i]! }]))
  const shares: EngineShare[] = []
  const shared: Task[] = []
  for (const each of partitions) {
    const chosen = choices.get(each)
    const { given, choice } = await give(store, fields, each, chosen?.choice ?? NOTHING_TO_CHOOSE)
    shared.push(...given)
    if (chosen !== undefined) shares.push({ ...choice, partitions: 1, fileBytes: chosen.load.fileBytes })
  }
  return { tasks: shared, shares: sumShares(shares) }
}

/** Where no file is touched. */
const NOTHING_TO_CHOOSE: EngineChoice = { engine: 'node', why: '' }

/** The tasks of a partition as the chosen engine does them, or as this process does where the other one turns out not to be able to. */
async function give<Task extends SharedTask>(
  store: ObjectReader,
  fields: readonly Field[],
  tasks: readonly Task[],
  choice: EngineChoice,
): Promise<{ readonly given: readonly Task[]; readonly choice: EngineChoice }> {
  if (choice.engine === 'node') return { given: tasks, choice }
  const whole = await handOver(store, fields, tasks)
  return typeof whole === 'string'
    ? { given: tasks, choice: { engine: 'node', why: whole } }
    : { given: [whole], choice }
}

function loadOf(tasks: readonly SharedTask[], fields: readonly Field[], sortOrderId: number): PartitionLoad {
  const bytesOf = (files: readonly { readonly file: DataFile }[]) =>
    files.reduce((sum, { file }) => sum + file.fileBytes, 0)
  const isOurs = ({ files }: SharedTask) =>
    files.every(({ file, deletes }) => file.sortOrderId === sortOrderId && deletes.length === 0)
  const other = fields.find(({ type }) => !TYPES_IN_COMMON.includes(type.kind))
  return {
    fileBytes: tasks.reduce((sum, { files }) => sum + bytesOf(files), 0),
    wholeBytes: Math.max(0, ...tasks.filter((task) => !isOurs(task)).map(({ files }) => bytesOf(files))),
    onlyHere: other === undefined ? null : `column "${other.name}" is of type ${formatPrimitiveType(other.type)}`,
  }
}

/** The tasks of a partition as one; or why the other engine cannot do it, by the footers of the files. */
async function handOver<Task extends SharedTask>(
  store: ObjectReader,
  fields: readonly Field[],
  tasks: readonly Task[],
): Promise<Task | string> {
  const [first] = tasks as readonly [Task]
  const files = tasks.flatMap((task) => task.files)
  let opened: OpenFile[]
  try {
    opened = await pMap(files, (file) => openFile(store, file), { concurrency: FOOTERS_AT_A_TIME })
  } catch (error) {
    // A merge in this process defers the changes of that file alone.
    if (error instanceof DamagedObjectError) return error.message
    throw error
  }
  const why = opened.map((file) => whyOnlyHere(file, fields)).find((each) => each !== null)
  if (why !== undefined) return why
  return {
    ...first,
    files,
    to: tasks.at(-1)!.to,
    touchesFiles: true,
    rowsNear: tasks.reduce((sum, { rowsNear }) => sum + rowsNear, 0),
    cluster: { isOrdered: rowGroupsInOrder(opened) !== null },
  }
}

function whyOnlyHere({ footer, stored }: OpenFile, fields: readonly Field[]): string | null {
  if (footer.leaves.every(({ fieldId }) => fieldId === null)) return `${footer.path} has no field ids`
  for (const field of fields) {
    const leaf = bindField(footer, field)
    if (leaf === null && stored.constants.has(field.id)) return `${footer.path} lacks column "${field.name}"`
    if (leaf !== null && !isOfType(leaf.element, field))
      return `${footer.path} has column "${field.name}" in another type`
  }
  return null
}

/** One entry for each engine and reason. */
export function sumShares(shares: readonly EngineShare[]): EngineShare[] {
  const sums = new Map<string, EngineShare>()
  for (const share of shares) {
    const key = `${share.engine} ${share.why}`
    const sum = sums.get(key) ?? { ...share, partitions: 0, fileBytes: 0 }
    sums.set(key, {
      ...share,
      partitions: sum.partitions + share.partitions,
      fileBytes: sum.fileBytes + share.fileBytes,
    })
  }
  return [...sums.values()]
}
