import { explainKey, InputError } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, TABLE_ARGUMENT } from '../options.ts'
import { print, printFacts, printJson, toJson } from '../print.ts'

interface WhyOptions {
  readonly key: string
  readonly json?: true
}

export function whyCommand(): Command {
  return new Command('why')
    .description('Say why a row is what it is: where it lies, which change wrote it, what is remembered of removals.')
    .argument('<table>', TABLE_ARGUMENT)
    .addOption(
      new Option('--key <json>', 'the key columns and their values').env('LASTWRITE_KEY').makeOptionMandatory(),
    )
    .addOption(jsonOption('the answer'))
    .addHelpText('after', example(`lastwrite why ./lake/orders --key '{"pk": "u#1"}'`))
    .action(why)
}

async function why(text: string, options: WhyOptions): Promise<void> {
  const key = parseKey(options.key)
  const table = await openTableAt(text)
  const answer = await explainKey(table, key)
  if (options.json) return printJson(answer)
  print(`${toJson(answer.key)} in snapshot ${answer.snapshot}`)
  for (const found of answer.partitions) {
    print('')
    printFacts([
      ['partition', found.partition],
      ['file', found.file],
      ['stream', found.stream ?? ''],
      ['sequence', found.sequence ?? ''],
      ['updated at', found.updatedAt ?? ''],
      ...Object.entries(found.row).map(([name, value]): [string, string] => [`  ${name}`, toJson(value)]),
    ])
  }
  if (answer.partitions.length === 0) print('no row')
  for (const { kind, stream, sequence, at } of answer.tombstones) {
    print(`\n${kind} at ${at} by sequence ${sequence} of stream ${stream}: older changes of this key are stale`)
  }
  if (answer.partitions.length + answer.tombstones.length === 0) {
    print('and no removal is remembered: no change of this key was merged, or its removal is older than the horizon')
  }
}

/** Numbers keep their digits: each comes as the text that stands in `text`. */
function parseKey(text: string): Record<string, unknown> {
  const remedy = `write for example --key '{"pk": "u#1"}'`
  let key: unknown
  try {
    key = JSON.parse(text, keepDigits)
  } catch (error) {
    throw new InputError(`--key ${text}: not valid JSON (${(error as Error).message}); ${remedy}`, { cause: error })
  }
  if (typeof key === 'object' && key !== null && !Array.isArray(key)) return key as Record<string, unknown>
  throw new InputError(`--key ${text}: not an object; ${remedy}`)
}

function keepDigits(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) ? context?.source : value
}
