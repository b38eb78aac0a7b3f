import type { MergePlan } from '@lastwrite/merge-core'
import { breakdown, byteSize, count, counted, nothingToDo, partitionName, print, printFacts } from './print.ts'
import { printTable } from './print-table.ts'

const TASKS_SHOWN_MAX = 40

/** What a merge would touch, for people. */
export function printPlan(plan: MergePlan): void {
  const { objects, lines, tasks } = plan
  if (objects.toMerge === 0) {
    print(nothingToDo(plan.table, objects))
    return
  }
  const { read, ...classes } = lines
  print(`${plan.table}: a merge would touch ${counted(tasks.length, 'key interval')}; nothing was changed`)
  printFacts([
    [
      'objects',
      `${count(objects.toMerge)} to merge, ${byteSize(plan.bytes.landing)}; ${count(objects.alreadyMerged)} already merged`,
    ],
    ['lines', `${count(read)} read: ${breakdown({ ...classes })}`],
    ['files', `${byteSize(plan.bytes.files)} in the files that are touched`],
  ])
  print('')
  printTable(
    ['partition', 'changes', 'files', 'bytes', ''],
    tasks
      .slice(0, TASKS_SHOWN_MAX)
      .map((task) => [
        partitionName(task.partition),
        count(task.changes),
        count(task.files),
        byteSize(task.fileBytes),
        task.tombstonesOnly ? 'tombstones only' : '',
      ]),
    [false, true, true, true, false],
  )
  if (tasks.length > TASKS_SHOWN_MAX) print(`… and ${count(tasks.length - TASKS_SHOWN_MAX)} more; --json lists all`)
  for (const advice of plan.advice) print(`\nadvice: ${advice}`)
}
