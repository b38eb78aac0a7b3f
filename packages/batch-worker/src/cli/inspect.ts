import {
  formatPrimitiveType,
  loadState,
  type StateFile,
  snapshotFiles,
  snapshotIdOf,
  supersededStorage,
} from '@lastwrite/merge-core'
import { Command } from 'commander'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, type StoreOptions, TABLE_ARGUMENT } from '../options.ts'
import { byteSize, count, counted, isoTime, partitionName, print, printFacts, printJson } from '../print.ts'
import { supersededText } from '../print-maintenance.ts'
import { printTable } from '../print-table.ts'

const PARTITIONS_SHOWN_MAX = 40

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('Show what the table is: columns, partitions, files, snapshot, remembered removals, definition.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(jsonOption('all of it'))
    .addHelpText('after', example('lastwrite inspect ./lake/orders'))
    .action(async (text: string, options: StoreOptions & { readonly json?: true }) => {
      const inspected = await inspect(text, options)
      if (options.json) printJson(inspected)
      else printInspected(inspected)
    })
}

interface PartitionSize {
  readonly partition: string
  files: number
  rows: number
  bytes: number
}

type Inspected = Awaited<ReturnType<typeof inspect>>

async function inspect(text: string, options: StoreOptions) {
  const table = await openTableAt(text, options)
  const state = await loadState(table)
  const { definition } = state
  const partitions = partitionSizes(await snapshotFiles(table))
  return {
    table: definition.table,
    location: table.location,
    source: definition.source,
    snapshot: snapshotIdOf(state),
    rows: sum(partitions, (partition) => partition.rows),
    files: sum(partitions, (partition) => partition.files),
    bytes: sum(partitions, (partition) => partition.bytes),
    superseded: supersededStorage(state.loaded.metadata),
    key: definition.columns.slice(0, definition.keyColumns).map((column) => column.name),
    columns: state.fields.map((field) => ({
      id: field.id,
      name: field.name,
      type: formatPrimitiveType(field.type),
      attribute: definition.columns.find((column) => column.name === field.name)?.attribute ?? null,
    })),
    partitions,
    state: {
      folder: state.stateFolder,
      tombstones: sizeOf(state.tombstoneFiles),
      ledger: sizeOf(state.ledgerFiles),
      watermark: timeOrNull(state.watermark),
      floor: timeOrNull(state.floor),
    },
    definition: JSON.parse(definition.text) as unknown,
  }
}

function partitionSizes(files: Awaited<ReturnType<typeof snapshotFiles>>): PartitionSize[] {
  const sizes = new Map<string, PartitionSize>()
  for (const { partition, rows, fileBytes } of files) {
    const size = sizes.get(partition) ?? { partition, files: 0, rows: 0, bytes: 0 }
    sizes.set(partition, size)
    size.files += 1
    size.rows += rows
    size.bytes += fileBytes
  }
  return [...sizes.values()].sort((a, b) => (a.partition < b.partition ? -1 : 1))
}

function sizeOf(files: readonly StateFile[]): { files: number; rows: number; bytes: number } {
  return { files: files.length, rows: sum(files, (file) => file.rows), bytes: sum(files, (file) => file.bytes) }
}

function printInspected(inspected: Inspected): void {
  const { partitions, state } = inspected
  print(`${inspected.table} at ${inspected.location}`)
  printFacts([
    ['source', inspected.source],
    ['snapshot', inspected.snapshot === null ? 'none yet' : String(inspected.snapshot)],
    ['rows', `${count(inspected.rows)} in ${counted(inspected.files, 'file')}, ${byteSize(inspected.bytes)}`],
    ['superseded', supersededText(inspected.superseded)],
    ['key', inspected.key.join(', ')],
    ['tombstones', `${count(state.tombstones.rows)}, ${byteSize(state.tombstones.bytes)}`],
    ['ledger', `${counted(state.ledger.rows, 'landing object')}, ${byteSize(state.ledger.bytes)}`],
    ['watermark', state.watermark ?? ''],
    ['floor', state.floor ?? ''],
    ['state', state.folder],
  ])
  print('')
  printTable(
    ['id', 'column', 'type', 'attribute'],
    inspected.columns.map(({ id, name, type, attribute }) => [String(id), name, type, attribute ?? '']),
    [true],
  )
  print('')
  printTable(
    ['partition', 'files', 'rows', 'bytes'],
    partitions
      .slice(0, PARTITIONS_SHOWN_MAX)
      .map(({ partition, files, rows, bytes }) => [
        partitionName(partition),
        count(files),
        count(rows),
        byteSize(bytes),
      ]),
    [false, true, true, true],
  )
  if (partitions.length > PARTITIONS_SHOWN_MAX) {
    print(`… and ${count(partitions.length - PARTITIONS_SHOWN_MAX)} more; --json lists all`)
  }
  print(`\n${JSON.stringify(inspected.definition, null, 2)}`)
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0)
}

function timeOrNull(epochSeconds: number | null): string | null {
  return epochSeconds === null ? null : isoTime(epochSeconds)
}
