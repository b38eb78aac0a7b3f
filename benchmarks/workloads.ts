// The workloads: which table, which changes, in which state the table stands when they come.

/** Of `generate.py`. */
export interface TableShape {
  readonly rows: number
  /** Partitioned into 8 by the key, or by the day of `created_at`. */
  readonly layout: 'bucket' | 'day'
  /** Keys that ascend with the rows' age, or random ones. */
  readonly keys: 'ascending' | 'uuid'
  /** 12, or more for a wide table. */
  readonly columns: number
}

/** Of `generate.py`: how changes are drawn. 1 % stale lines and 2 % duplicates come on top. */
export interface ChangeShape {
  readonly changes: number
  /** Percent of the changes; the rest are removals. */
  readonly updates: number
  readonly inserts: number
  /** Updates and removals hit the youngest so many rows, by chance; `recentPercent` of them do, the others hit any row. */
  readonly recentRows: number
  readonly recentPercent: number
  /** Only keys of one partition, inserted ones too. */
  readonly onePartition: boolean
  /** Attributes that an update changes; null: all. */
  readonly changed: readonly string[] | null
  /** Instead of all that: every row of the table once, for a table that does not stand yet. */
  readonly load: boolean
}

export interface Workload {
  readonly name: string
  readonly title: string
  readonly table: TableShape
  readonly changes: ChangeShape
  /** `rows`: the rows stand; `merged`: the changes are merged already; `nothing`: no table; `tombstones`: as many removed keys are remembered, too. */
  readonly start: 'rows' | 'merged' | 'nothing' | 'tombstones'
  /** Whether the change lines come from another prefix than those that were merged before. */
  readonly again: boolean
  /** It asks for what only lastwrite has, or compares it with itself. */
  readonly ownOnly: boolean
}

const ROWS: Readonly<Record<string, number>> = { S: 1_000_000, M: 10_000_000, L: 60_000_000 }
/** W4's, so that they lie in as many row groups whatever the table's size. */
const RECENT_ROWS = 200_000

/** Rows of `S`, `M`, `L` or `3M`, `250k`. */
export function rowsOfSize(size: string): number {
  const named = ROWS[size]
  if (named !== undefined) return named
  const [, digits, unit] = /^(\d+)([kM])$/.exec(size) ?? []
  if (digits === undefined) throw new Error(`size ${JSON.stringify(size)}: write S, M, L, or for example 250k or 3M`)
  return Number(digits) * (unit === 'k' ? 1_000 : 1_000_000)
}

/** The workloads `name` stands for (W9, W10 and W11 are several), each with the size that its result goes by. */
export function workloadsOf(
  name: string,
  size: string,
): readonly { readonly size: string; readonly workload: Workload }[] {
  const table = orders(rowsOfSize(size))
  const of = (workload: Workload, at = size) => ({ size: at, workload })
  switch (name) {
    case 'W1':
      return [of({ ...base('W1', 'tick', table), changes: tick(table) })]
    case 'W2':
      return [of({ ...base('W2', 'random', table), changes: scattered(table.rows / 100, 90, 0) })]
    case 'W3':
      return [of({ ...base('W3', 'heavy', table), changes: scattered(table.rows / 5, 80, 15) })]
    case 'W4':
      return [of({ ...base('W4', 'small', table), changes: small(table) })]
    case 'W5':
      return [of({ ...base('W5', 'replay', table), changes: tick(table), start: 'merged', again: true })]
    case 'W6':
      return [of({ ...base('W6', 'load', table), changes: { ...scattered(0, 0, 0), load: true }, start: 'nothing' })]
    case 'W7': {
      const changed = ['status', 'cents', 'revision']
      return [
        of({ ...base('W7', 'updates only', table), changes: { ...scattered(table.rows / 100, 100, 0), changed } }),
      ]
    }
    case 'W8':
      return [of({ ...base('W8', 'same again', table), changes: tick(table), start: 'merged' })]
    case 'W9':
      return [20, 200].map((columns) => {
        const wide = { ...orders(75_000), columns }
        const changes = scattered(wide.rows / 100, 100, 0)
        return of({ ...base(`W9-${columns}`, `${columns} columns`, wide), changes, ownOnly: true }, '75k')
      })
    case 'W10':
      return ['1M', '3M', '10M', '30M'].map((rows) => {
        const grown = orders(rowsOfSize(rows))
        return of({ ...base('W10', `small, table of ${rows}`, grown), changes: small(grown) }, rows)
      })
    case 'W11':
      return [90, 100].flatMap((recentPercent) =>
        (['bucket', 'day'] as const).map((layout) => {
          const random = { ...table, layout, keys: 'uuid' as const }
          const changes = { ...tick(random), recentPercent }
          const title = `random keys, ${layout}, ${recentPercent} % recent`
          return of({ ...base(`W11-${layout}-${recentPercent}`, title, random), changes })
        }),
      )
    case 'W12': {
      const changes = small(table)
      return [of({ ...base('W12', 'small, tombstones', table), changes, start: 'tombstones', ownOnly: true })]
    }
  }
  throw new Error(`workload ${JSON.stringify(name)}: there are W1 to W12`)
}

function orders(rows: number): TableShape {
  return { rows, layout: 'bucket', keys: 'ascending', columns: 12 }
}

function base(name: string, title: string, table: TableShape): Omit<Workload, 'changes'> {
  return { name, title, table, start: 'rows', again: false, ownOnly: false }
}

/** 100,000 changes of the youngest 2 % of the rows. */
function tick({ rows }: TableShape): ChangeShape {
  return { ...scattered(100_000, 80, 15), recentRows: rows / 50, recentPercent: 100 }
}

function small({ rows }: TableShape): ChangeShape {
  const recentRows = Math.min(RECENT_ROWS, rows / 5)
  return { ...scattered(1_000, 80, 15), recentRows, recentPercent: 100, onePartition: true }
}

/** Changes of any row. */
function scattered(changes: number, updates: number, inserts: number): ChangeShape {
  const none = { onePartition: false, changed: null, load: false }
  return { changes: Math.round(changes), updates, inserts, recentRows: 0, recentPercent: 0, ...none }
}
