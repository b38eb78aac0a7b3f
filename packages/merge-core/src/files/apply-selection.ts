// Brings the selected rows of both sides together, column by column.

import type { Column } from '../columns/column.ts'
import { expandDictionary, gather } from '../columns/gather.ts'
import { setBit } from '../columns/validity.ts'
import { invariant } from '../invariant.ts'
import type { Field } from '../primitive-type.ts'
import type { IncomingChanges } from './incoming.ts'
import type { MergeContext } from './merge-context.ts'
import type { RowSelection } from './select-rows.ts'

export function applySelection(
  context: MergeContext,
  stored: readonly Column[],
  selected: RowSelection,
  changes: IncomingChanges,
): Column[] {
  return context.fields.map((_, index) => selectedColumn(context, index, stored[index]!, selected, changes))
}

/** The selected rows of the column at `index` of the table's fields. */
export function selectedColumn(
  context: MergeContext,
  index: number,
  stored: Column,
  selected: RowSelection,
  changes: IncomingChanges,
): Column {
  invariant(selected.selection !== null, 'a row group is gathered only where a change applies')
  const field = context.fields[index]!
  const column = gather(field.type, stored, changes.columns[index]!, selected.selection)
  return index === context.expiredColumn && selected.markedRows.length > 0
    ? markExpired(field, column, selected)
    : column
}

function markExpired(field: Field, gathered: Column, selected: RowSelection): Column {
  const column = expandDictionary(gathered)
  invariant(column.kind === 'int64', `${field.name} is a timestamp`)
  const data = column.data.slice()
  const validity = column.validity?.slice() ?? null
  for (const [i, row] of selected.markedRows.entries()) {
    data[row] = selected.markedMicros[i]!
    if (validity !== null) setBit(validity, row)
  }
  return { ...column, data, validity }
}
