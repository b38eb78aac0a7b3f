// One row of each key: of several the one of the greatest rank.

import type { TakeMemory } from '../change/byte-strings.ts'
import { type KeyGroups, SUPERSEDED } from '../change/fold.ts'
import { keyText } from '../change/key-order.ts'
import { compareVersions, type Lines } from '../change/lines.ts'
import { equalRows } from '../columns/equal-rows.ts'
import { InputError } from '../errors.ts'
import type { TableDefinition } from '../table-definition.ts'
import { repeated } from './baseline-lines.ts'

/**
 * Of each line 0, or SUPERSEDED where another of its key is taken. Lines have their rank in place of their version.
 * @param remedy what to do about a key that stands twice
 * @throws InputError where two different rows of a key have the same rank
 */
export function excludedDuplicates(
  lines: Lines,
  { order, starts }: KeyGroups,
  definition: TableDefinition,
  remedy: string,
): Uint8Array {
  const excluded = new Uint8Array(lines.count)
  for (let group = 0; group + 1 < starts.length; group++) {
    const end = starts[group + 1]!
    if (end - starts[group]! === 1) continue
    const taken = order[end - 1]!
    for (let i = starts[group]!; i < end - 1; i++) {
      const other = order[i]!
      excluded[other] = SUPERSEDED
      if (compareVersions(lines, other, taken) === 0 && !saysTheSame(lines, other, taken)) refuse(taken)
    }
  }
  return excluded

  function refuse(line: number): never {
    const { bytes, starts: keyStarts } = lines.keys
    const types = definition.columns.slice(0, definition.keyColumns).map((column) => column.storedType)
    const key = keyText(bytes.subarray(keyStarts[line]!, keyStarts[line + 1]!), types)
    throw new InputError(`two different rows have the key ${key}: ${remedy}`)
  }
}

function saysTheSame({ objects, object, row, operation }: Lines, a: number, b: number): boolean {
  if (operation[a] !== operation[b]) return false
  const [one, other] = [objects[object[a]!]!, objects[object[b]!]!]
  const [i, j] = [one.item[row[a]!]!, other.item[row[b]!]!]
  return i < 0 || equalRows(one.columns, i, other.columns, j)
}

/** The lines with one version for all. */
export function withVersion(lines: Lines, version: Uint8Array, take?: TakeMemory): Lines {
  const longest = lines.objects.reduce((most, { count }) => Math.max(most, count), 0)
  const versions = repeated(version, longest, take)
  return { ...lines, objects: lines.objects.map((object) => ({ ...object, versions })) }
}
