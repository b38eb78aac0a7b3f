import { readFile } from 'node:fs/promises'
import { createTable, InputError, parseTableDefinition } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { findTable } from '../open-table.ts'
import {
  example,
  jsonOption,
  noFsyncOption,
  type OutputOptions,
  quietOption,
  type StoreOptions,
  TABLE_ARGUMENT,
  type WriteOptions,
} from '../options.ts'
import { print, printJson } from '../print.ts'
import { toLocation } from '../table-location.ts'

interface InitOptions extends OutputOptions, StoreOptions, WriteOptions {
  readonly definition: string
  readonly location?: string
  readonly state?: string
}

export function initCommand(): Command {
  return new Command('init')
    .description('Create an empty table from a definition.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--definition <file>', 'JSON file that names the key, the columns and the partitions; or its text')
        .env('LASTWRITE_DEFINITION')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--location <folder>', 'where the files of a table in a catalog lie; else where the catalog says').env(
        'LASTWRITE_LOCATION',
      ),
    )
    .addOption(
      new Option('--state <folder>', 'where tombstones and ledger lie; else beside the location').env(
        'LASTWRITE_STATE',
      ),
    )
    .addOption(noFsyncOption())
    .addOption(jsonOption('what was made'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      `${example('lastwrite init ./lake/orders --definition orders.table.json')}
orders.table.json:
  { "table": "orders", "source": "123456789012/eu-west-1", "key": ["pk"],
    "columns": { "pk": "string", "status": "string", "total": "decimal(12,2)", "created_at": "timestamptz" },
    "partition_by": ["bucket(pk, 8)"] }`,
    )
    .action(init)
}

async function init(text: string, options: InitOptions): Promise<void> {
  const definition = parseTableDefinition(await readDefinition(options.definition))
  const { at, environment } = await findTable(text, options)
  if (typeof at === 'string' && options.location !== undefined)
    throw new InputError(`--location ${options.location}: ${text} is the location itself; leave --location out`)
  const { location } = await createTable(at, definition, environment, {
    ...(options.location !== undefined && { location: toLocation(options.location) }),
    ...(options.state !== undefined && { stateFolder: toLocation(options.state) }),
  })
  const partitions = definition.partitionBy.map((field) => field.name)
  if (options.json) printJson({ table: definition.table, location, partitions })
  else if (!options.quiet) {
    print(`created ${definition.table} at ${location}`)
    print(`next: lastwrite merge ${text} --landing <folder>`)
  }
}

/** A container is given the text itself. */
async function readDefinition(file: string): Promise<string> {
  if (/^\s*\{/.test(file)) return file
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new InputError(`definition ${file}: ${(error as Error).message}; correct --definition`, { cause: error })
  }
}
