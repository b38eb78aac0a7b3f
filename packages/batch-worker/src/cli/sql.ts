import { InputError, loadState, nameMappingOf, snapshotFiles, snapshotIdOf } from '@lastwrite/merge-core'
import { Command } from 'commander'
import { copyObjects, copyOf, newCopiesFolder } from '../local-copies.ts'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, type StoreOptions, snapshotOption, TABLE_ARGUMENT } from '../options.ts'
import { counted, print, toJson } from '../print.ts'
import { printTable } from '../print-table.ts'
import type { QueryResult } from '../query-snapshot.ts'
import { toPath } from '../table-location.ts'

const ROWS_SHOWN_MAX = 200
const CELL_CHARACTERS_MAX = 100

interface SqlOptions extends StoreOptions {
  readonly json?: true
  readonly snapshot?: bigint
}

export function sqlCommand(): Command {
  return new Command('sql')
    .description(
      'Ask the table a question: a query over its current snapshot, under the names "t" and that of the table.',
    )
    .argument('<table>', TABLE_ARGUMENT)
    .argument('<query>', 'one SELECT in the SQL of DuckDB')
    .addOption(snapshotOption())
    .addOption(jsonOption('the rows'))
    .addHelpText(
      'after',
      example(`lastwrite sql ./lake/orders "select status, count(*) from orders group by all order by 2 desc"`),
    )
    .action(sql)
}

async function sql(text: string, query: string, options: SqlOptions): Promise<void> {
  const { querySnapshot } = await loadDuckDB()
  const table = await openTableAt(text, options)
  const state = await loadState(table)
  const snapshot = options.snapshot ?? snapshotIdOf(state)
  const files = snapshot === null ? [] : await snapshotFiles(table, { snapshot })
  const stored = [...new Set(files.flatMap(({ path, deleteFiles }) => [path, ...deleteFiles]))].filter(isOfS3)
  const copies = stored.length === 0 ? null : newCopiesFolder()
  if (copies !== null) await copyObjects(table.environment, stored, copies)
  const fileOf = (path: string) => (copies !== null && isOfS3(path) ? copyOf(copies, path) : toPath(path))
  const result = await querySnapshot(query, table.definition.table, {
    fields: state.fields,
    names: nameMappingOf(state),
    files: files.map(({ path, constants, deleteFiles }) => ({
      path: fileOf(path),
      constants,
      deleteFiles: deleteFiles.map(fileOf),
    })),
    copies,
  })
  await (options.json ? printRowsAsJson(result) : printRowsAsTable(result))
}

/** The only command that needs it, so lastwrite may be installed without. */
async function loadDuckDB(): Promise<typeof import('../query-snapshot.ts')> {
  try {
    return await import('../query-snapshot.ts')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!code?.endsWith('MODULE_NOT_FOUND') || !message.includes('@duckdb/')) throw error
    throw new InputError(
      'sql: DuckDB is not installed beside lastwrite, and the container image leaves it out; ' +
        'install the package @duckdb/node-api there (npm install @duckdb/node-api), or ask another engine that reads Iceberg',
      { cause: error },
    )
  }
}

const isOfS3 = (path: string): boolean => path.startsWith('s3://')

/** An array of objects, one a line. */
async function printRowsAsJson(result: QueryResult): Promise<void> {
  let line = '['
  for await (const rows of result.rows) {
    for (const row of rows) {
      print(line === '[' ? line : `${line},`)
      line = toJson(Object.fromEntries(result.columns.map((name, i) => [name, row[i]])))
    }
  }
  print(line === '[' ? '[]' : `${line}\n]`)
}

async function printRowsAsTable(result: QueryResult): Promise<void> {
  const cell = (value: unknown) => {
    const text = value === null ? '' : typeof value === 'string' ? value : toJson(value)
    return text.length <= CELL_CHARACTERS_MAX ? text : `${text.slice(0, CELL_CHARACTERS_MAX - 1)}…`
  }
  const shown: string[][] = []
  let total = 0
  for await (const rows of result.rows) {
    total += rows.length
    for (const row of rows.slice(0, ROWS_SHOWN_MAX - shown.length)) shown.push(row.map(cell))
  }
  printTable(result.columns, shown, result.numeric)
  if (total > shown.length) print(`… and ${counted(total - shown.length, 'more row')}; --json prints all`)
}
