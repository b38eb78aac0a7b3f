// Items to typed columns, one row an item.

import type { Column } from '../columns/column.ts'
import type { TableDefinition } from '../table-definition.ts'
import type { ByteStrings } from './byte-strings.ts'
import { viewOf } from './byte-template.ts'
import { dropItem, type ItemParser, keepItem, makeItemParser, parseItem } from './item-parser.ts'
import { COMMA, INVALID, skipName, skipSpace, skipValue } from './json-scan.ts'
import { decodeKeys } from './key-order.ts'

/** Where the items are: item i is texts[text[i]] from start[i] to end[i]. */
export interface ItemStretches {
  readonly count: number
  readonly texts: readonly Uint8Array[]
  readonly text: ArrayLike<number>
  readonly start: ArrayLike<number>
  readonly end: ArrayLike<number>
  /** Each item's key (key-order.ts). Key columns come from it; without it, from the item. Null where nobody asks for key columns. */
  readonly keys?: ByteStrings | null
}

export interface ParsedItems {
  /** One a column of the definition, then `_extra`; `count` rows each, none in key columns that nobody asks for. */
  readonly columns: Column[]
  /** How many values did not fit, by `attribute:tag` (`age:S`; `?` for what is no DynamoDB JSON). */
  readonly misfits: Map<string, number>
  /** Items that are not JSON. Their rows are null but for the key. */
  readonly failed: { readonly row: number; readonly message: string }[]
}

/** Parses items by a table's definition. What is wrong with an item is in the result; nothing is thrown for it. */
export function parseItems(items: ItemStretches, definition: TableDefinition): ParsedItems {
  const { keys } = items
  const parser = makeItemParser(items.count, definition.columns, keys === undefined ? 0 : definition.keyColumns)
  const failed = parseRows(parser, items)
  const parsed = finishItems(parser, failed)
  if (keys === undefined || keys === null) return parsed
  const keyTypes = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
  return { ...parsed, columns: [...decodeKeys(keys, keyTypes), ...parsed.columns.slice(keyTypes.length)] }
}

/** The rows that the parser kept. It must not be used afterwards. */
export function finishItems(parser: ItemParser, failed: ParsedItems['failed']): ParsedItems {
  const { builders, rows, misfits } = parser
  return { columns: builders.map((builder) => builder.finish(builder.capacity === 0 ? 0 : rows)), misfits, failed }
}

/** Reads every item into its row; the rows that are null because their items are no JSON. */
function parseRows(parser: ItemParser, { count, texts, text, start, end }: ItemStretches): ParsedItems['failed'] {
  const failed: { row: number; message: string }[] = []
  const views = texts.map(viewOf)
  for (let row = 0; row < count; row++) {
    const index = text[row]!
    const bytes = texts[index]!
    const itemEnd = end[row]!
    const behind = parseItem(parser, bytes, views[index]!, start[row]!, itemEnd, false)
    if (behind === INVALID || (behind !== itemEnd && !isEndOfLine(bytes, behind, itemEnd))) {
      dropItem(parser)
      failed.push({ row, message: 'the item is not a valid JSON object in UTF-8, or nested too deeply' })
    }
    keepItem(parser)
  }
  return failed
}

/** Further members of the line may stand behind an item that was taken to reach to the line's end. */
function isEndOfLine(text: Uint8Array, start: number, end: number): boolean {
  let at = skipSpace(text, start, end)
  while (at < end) {
    if (text[at] !== COMMA) return false
    at = skipName(text, skipSpace(text, at + 1, end), end)
    if (at === INVALID) return false
    at = skipValue(text, at, end)
    if (at === INVALID) return false
    at = skipSpace(text, at, end)
  }
  return true
}
