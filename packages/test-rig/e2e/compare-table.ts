// The items of a Scan against the rows of the Iceberg table as DuckDB reads it, item by item, types exact.
//
// Rows are turned back into items: a value in a declared column is of that column's type, all else stands in `_extra` with its own. Only
// a JSON column loses types, so its text is compared.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AttributeMap, AttributeValue } from '@lastwrite/merge-core/change-lines'
import type { Engines, Row } from '../../merge-core/interop/parts.ts'
import {
  canonicalJson,
  canonicalNumber,
  NumberToken,
  parseJson,
  parseNumber,
} from '../../merge-core/test/model-values.ts'
import type { DynamoDBLocal } from '../src/dynamodb-local.ts'

export interface Comparison {
  readonly items: number
  readonly rows: number
  /** Keys whose item and row differ, or of which one is missing. */
  readonly different: readonly string[]
}

/** DuckDB's type of every column that is declared. */
const COLUMN_TYPES = {
  pk: 'VARCHAR',
  sk: 'VARCHAR',
  region: 'VARCHAR',
  note: 'VARCHAR',
  exact: 'VARCHAR',
  amount: 'DECIMAL(20,4)',
  count: 'BIGINT',
  flag: 'BOOLEAN',
  blob: 'BLOB',
  seen: 'TIMESTAMP WITH TIME ZONE',
  doc: 'VARCHAR',
}

/** @param folder of the table */
export async function compareTable(
  engines: Engines,
  folder: string,
  dynamodb: DynamoDBLocal,
  tableName: string,
): Promise<Comparison> {
  const version = (await readFile(join(folder, 'metadata', 'version-hint.text'), 'utf8')).trim()
  const table = `iceberg_scan('${join(folder, 'metadata', `v${version}.metadata.json`)}')`
  const types = await engines.duckdb(`describe select ${Object.keys(COLUMN_TYPES).join(', ')} from ${table}`)
  const found = Object.fromEntries(types.map(({ column_name, column_type }) => [column_name, column_type]))
  if (JSON.stringify(found) !== JSON.stringify(COLUMN_TYPES)) throw new Error(`columns are ${JSON.stringify(found)}`)

  const rows = (await engines.duckdb(`select * from ${table}`)).filter((row) => (row._expired_at ?? null) === null)
  const stored = Map.groupBy(rows.map(itemOfRow), keyOf)
  const scanned = new Map((await scan(dynamodb, tableName)).map((item) => [keyOf(item), canonicalText(item)]))
  const keys = new Set([...stored.keys(), ...scanned.keys()])
  const different = [...keys].filter((key) => {
    const ofKey = stored.get(key) ?? []
    return ofKey.length !== 1 || canonicalText(ofKey[0]!) !== scanned.get(key)
  })
  return { items: scanned.size, rows: rows.length, different }
}

async function scan(dynamodb: DynamoDBLocal, TableName: string): Promise<AttributeMap[]> {
  const items: AttributeMap[] = []
  let ExclusiveStartKey: AttributeMap | undefined
  do {
    const page: { Items: AttributeMap[]; LastEvaluatedKey?: AttributeMap } = await dynamodb.call('Scan', {
      TableName,
      ConsistentRead: true,
      ExclusiveStartKey,
    })
    items.push(...page.Items)
    ExclusiveStartKey = page.LastEvaluatedKey
  } while (ExclusiveStartKey !== undefined)
  return items
}

function itemOfRow(row: Row): AttributeMap {
  const of = (name: string, value: (cell: unknown) => AttributeValue): [string, AttributeValue][] =>
    row[name] === null ? [] : [[name, value(row[name])]]
  const text = (cell: unknown) => ({ S: cell })
  const number = (cell: unknown) => ({ N: String(cell) })
  const extra = row._extra === null ? {} : (JSON.parse(String(row._extra)) as AttributeMap)
  return Object.fromEntries([
    ...['pk', 'region', 'note', 'seen'].flatMap((name) => of(name, text)),
    ...['sk', 'exact', 'amount', 'count'].flatMap((name) => of(name, number)),
    ...of('flag', (cell) => ({ BOOL: cell })),
    ...of('blob', (cell) => ({ B: Buffer.from(String(cell), 'hex').toString('base64') })),
    ...of('doc', (cell) => ({ JSON: cell })),
    ...Object.entries(extra),
  ])
}

function keyOf(item: AttributeMap): string {
  return JSON.stringify([item.pk!.S, canonicalNumber(parseNumber(String(item.sk!.N)))])
}

/** The same for equal items. */
function canonicalText(item: AttributeMap): string {
  const { doc } = item
  const docText =
    doc === undefined || 'NULL' in doc ? doc : canonicalJson('JSON' in doc ? parseJson(String(doc.JSON)) : plain(doc))
  const values = Object.entries(item).map(([name, value]) => [name, name === 'doc' ? docText : canonical(value)])
  return canonicalJson(Object.fromEntries(values))
}

/** A value of DynamoDB with canonical numbers and sorted sets. */
function canonical(value: AttributeValue): unknown {
  const [type, inner] = Object.entries(value)[0] as [string, never]
  if (type === 'L') return { L: (inner as AttributeValue[]).map(canonical) }
  if (type === 'M') return { M: mapValues(inner, canonical) }
  if (type === 'N') return { N: canonicalNumber(parseNumber(inner)) }
  return { [type]: SETS.has(type) ? sortedSet(type, inner) : inner }
}

/** A value as plain JSON. */
function plain(value: AttributeValue): unknown {
  const [type, inner] = Object.entries(value)[0] as [string, never]
  if (type === 'L') return (inner as AttributeValue[]).map(plain)
  if (type === 'M') return mapValues(inner, plain)
  if (type === 'NULL') return null
  if (type === 'N') return new NumberToken(inner)
  if (SETS.has(type)) return sortedSet(type, inner).map((member) => (type === 'NS' ? new NumberToken(member) : member))
  return inner
}

const SETS = new Set(['SS', 'NS', 'BS'])

/** Texts and binaries by their bytes, numbers by value: those of the random items are whole and small. */
function sortedSet(type: string, members: readonly string[]): string[] {
  if (type === 'NS')
    return members.map((text) => canonicalNumber(parseNumber(text))).sort((a, b) => Number(a) - Number(b))
  const encoding = type === 'BS' ? 'base64' : 'utf8'
  return members.toSorted((a, b) => Buffer.compare(Buffer.from(a, encoding), Buffer.from(b, encoding)))
}

function mapValues(map: AttributeMap, each: (value: AttributeValue) => unknown): object {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, each(value)]))
}
