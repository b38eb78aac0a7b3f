import Table from 'cli-table3'
import { print } from './print.ts'

/** Rows of text in columns without lines between them; columns of which `right` is true are set to the right. */
export function printTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly boolean[] = [],
): void {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, i) => (right[i] === true ? 'right' : 'left')),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  table.push(...rows.map((row) => [...row]))
  print(withoutTrailingBlanks(table.toString()))
}

const NO_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
  ...{ 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '' },
}

function withoutTrailingBlanks(text: string): string {
  return text.replaceAll(/ +$/gm, '')
}
