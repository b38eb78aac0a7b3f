// The named queries as a grammar of Athena's SQL has them, over the columns that a table has.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { parseTableDefinition } from '@lastwrite/merge-core'
import { expect, it } from 'vitest'
import { describeWith } from '../../packages/merge-core/interop/parts.ts'
import { lintPython } from '../../scripts/parts.ts'
import { namedQueries } from '../lib/queries.ts'
import { STAGE } from '../test/synthesized.ts'

/** Fails where the text is no SQL of Athena, or names a table or column that there is not. */
const CHECK = `
import json, sys
from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel
from sqlglot.optimizer.qualify import qualify

sql, schema = sys.argv[1], json.loads(sys.argv[2])
query = parse_one(sql, dialect="athena", error_level=ErrorLevel.RAISE)
if isinstance(query, exp.Create):
    query = query.expression
print(qualify(query, schema=schema, db="shop", dialect="athena").sql(dialect="athena"))
`

const COLUMNS = Object.fromEntries(parseTableDefinition(STAGE.definition).fields.map(({ name }) => [name, 'varchar']))
/** Amazon Athena User Guide, "Query Iceberg table metadata". */
const SNAPSHOTS = ['committed_at', 'snapshot_id', 'parent_id', 'operation', 'manifest_list', 'summary']
const SCHEMA = {
  shop: { orders: COLUMNS, orders$snapshots: Object.fromEntries(SNAPSHOTS.map((name) => [name, 'varchar'])) },
}

const check = (sql: string) => promisify(execFile)(lintPython.program, ['-c', CHECK, sql, JSON.stringify(SCHEMA)])

describeWith('lint', 'a grammar of Athena', () => {
  it.each(namedQueries('shop', 'orders', ['pk']))('takes the query $name', async ({ sql }) => {
    expect((await check(sql)).stdout).toMatch(/^SELECT/)
  })

  it.each([
    ['text that is no SQL', 'SELECT FROM FROM', /ParseError/],
    ['a column that there is not', 'SELECT "_updated" FROM "orders"', /_updated/],
  ])('refuses %s', async (_, sql, message) => {
    await expect(check(sql)).rejects.toThrow(message)
  })
})
