// The SQL that people type first, in Athena's dialect.

export interface NamedQuery {
  readonly name: string
  readonly description: string
  readonly sql: string
}

/** @param key the key columns of the table */
export function namedQueries(database: string, table: string, key: readonly string[]): NamedQuery[] {
  const named = quoted(table)
  const keys = key.map(quoted).join(', ')
  return [
    {
      name: 'rows',
      description: 'The latest copy of every item',
      sql: `SELECT *\nFROM ${named}\nLIMIT 100`,
    },
    {
      name: 'history',
      description: 'The snapshots: one for each commit of a merge',
      sql: `SELECT committed_at, snapshot_id, operation, summary\nFROM ${quoted(`${table}$snapshots`)}\nORDER BY committed_at DESC\nLIMIT 100`,
    },
    {
      name: 'lag',
      description: 'How old the newest row and the newest snapshot are',
      sql:
        `SELECT max("_updated_at") AS newest_change,\n` +
        `       date_diff('second', max("_updated_at"), current_timestamp) AS seconds_since,\n` +
        `       (SELECT max(committed_at) FROM ${quoted(`${table}$snapshots`)}) AS newest_snapshot\n` +
        `FROM ${named}`,
    },
    {
      name: 'extra',
      description:
        'Creates a view of what has no column: a row for each attribute of an item, with its type in DynamoDB',
      sql:
        `CREATE OR REPLACE VIEW ${quoted(database)}.${quoted(`${table}_extra`)} AS\n` +
        `SELECT ${keys}, attribute, map_keys(typed)[1] AS type, json_format(map_values(typed)[1]) AS value\n` +
        `FROM ${quoted(database)}.${named}\n` +
        `CROSS JOIN UNNEST(CAST(json_parse("_extra") AS MAP(VARCHAR, MAP(VARCHAR, JSON)))) AS e (attribute, typed)`,
    },
    {
      name: 'yesterday',
      description: 'The table as it was a day ago',
      sql: `SELECT *\nFROM ${named} FOR TIMESTAMP AS OF (current_timestamp - INTERVAL '1' DAY)\nLIMIT 100`,
    },
  ]
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
