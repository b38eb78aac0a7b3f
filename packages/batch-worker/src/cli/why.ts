import { explainKey, type Field, type KeyExplanation, keyFromJson, loadState } from '@lastwrite/merge-core'
import { Command, Option } from 'commander'
import { jsonValue } from '../json-value.ts'
import { openTableAt } from '../open-table.ts'
import { example, jsonOption, type StoreOptions, TABLE_ARGUMENT } from '../options.ts'
import { counted, isoTime, print, printFacts, printJson, toJson } from '../print.ts'

interface WhyOptions extends StoreOptions {
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
  const table = await openTableAt(text, options)
  const { fields } = await loadState(table)
  const explained = await explainKey(table, keyFromJson(table.definition, options.key))
  const answer = { ...explained, rows: explained.rows.map((row) => ({ ...row, row: shownRow(fields, row.row) })) }
  if (options.json) printJson(answer)
  else printAnswer(answer)
}

interface Answer extends Omit<KeyExplanation, 'rows'> {
  readonly rows: readonly (Omit<KeyExplanation['rows'][number], 'row'> & { readonly row: Record<string, unknown> })[]
}

function shownRow(fields: readonly Field[], row: KeyExplanation['rows'][number]['row']): Record<string, unknown> {
  return Object.fromEntries(fields.map(({ name, type }) => [name, jsonValue(type, row[name] ?? null)]))
}

function printAnswer({ key, snapshot, rows, tombstones }: Answer): void {
  print(
    `${toJson(key)} in snapshot ${snapshot ?? 'none'}: ${rows.length === 0 ? 'no row' : counted(rows.length, 'row')}`,
  )
  for (const { partition, file, stream, sequence, updatedAt, row } of rows) {
    print('')
    printFacts([
      ['written by', `sequence ${sequence ?? 'none'} of stream ${stream ?? 'none'}`],
      ['updated at', updatedAt ?? ''],
      ['partition', partition],
      ['file', file],
    ])
    printFacts(Object.entries(row).map(([name, value]): [string, string] => [`  ${name}`, toJson(value)]))
  }
  for (const { kind, stream, sequence, at } of tombstones) {
    print('')
    printFacts([
      [kind, `${isoTime(at)} by sequence ${sequence} of stream ${stream}`],
      ['so', kind === 'expired' ? 'the row, if any, is marked as expired' : 'an older put of this key has no effect'],
    ])
  }
  if (rows.length + tombstones.length === 0) {
    print('no removal is remembered: no change of this key was merged, or its removal is older than the horizon')
  }
}
