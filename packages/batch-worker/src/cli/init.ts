import { readFile } from 'node:fs/promises'
import { createTable, InputError, parseTableDefinition } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { workerEnvironment } from '../open-table.ts'
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
}

export function initCommand(): Command {
  return new Command('init')
    .description('Create an empty table from a definition.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--definition <file>', 'JSON file that names the key, the columns and the partitions')
        .env('LASTWRITE_DEFINITION')
        .makeOptionMandatory(),
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
  const location = toLocation(text)
  const definition = parseTableDefinition(await readDefinition(options.definition))
  await createTable(location, definition, workerEnvironment(options))
  const partitions = definition.partitionBy.map((field) => field.name)
  if (options.json) printJson({ table: definition.table, location, partitions })
  else if (!options.quiet) {
    print(`created ${definition.table} at ${location}`)
    print(`next: lastwrite merge ${text} --landing <folder>`)
  }
}

async function readDefinition(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new InputError(`definition ${file}: ${(error as Error).message}; correct --definition`, { cause: error })
  }
}
