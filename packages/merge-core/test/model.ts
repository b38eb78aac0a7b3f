// What a table holds, told from the set of all changes that ever reached it. The tests' definition of right.
//
// Per key the change with the highest version decides: its item if it is a put, nothing if it is a removal. Puts below the
// highest removal or move known when they arrived never stand. A removal or a move clears the key from the partition that its
// old image names, and from no other, so while a change in the middle is late a key may stand in two partitions; when every
// change has arrived each put but the highest has been followed in its own partition, and the table depends on the set alone.

/** Text of a cell (model-values.ts says how each type is written), null for SQL null. */
export type Cells = Readonly<Record<string, string | null>>

export interface Change {
  readonly key: string
  readonly stream: string
  readonly sequence: bigint
  /** Epoch seconds. */
  readonly at: number
  /** `expire`: a removal by TTL on a table that keeps such rows. */
  readonly operation: 'put' | 'remove' | 'expire'
  /** Where a put goes. */
  readonly partition: string | null
  /** Where the old image lay; null where there was none. On a table partitioned by key: the key's partition. */
  readonly oldPartition: string | null
  /** The row of a put. */
  readonly cells: Cells
}

/** A change and the commit that saw it first. */
export interface Arrival {
  readonly change: Change
  readonly commit: number
}

export interface Rules {
  /** Epoch seconds: changes before it are stale. */
  readonly floor?: number
  /** Epoch seconds, in force since the table was empty: puts at or up to an hour after it are of absent keys and have no effect. */
  readonly watermark?: number
}

export function isNewer(a: Change, b: Change): boolean {
  return a.stream === b.stream ? a.sequence > b.sequence : a.stream > b.stream
}

/** A removal or a move: it clears its old partition and bars older puts from every partition. */
function clears(change: Change): boolean {
  if (change.operation === 'put') return change.oldPartition !== null && change.oldPartition !== change.partition
  return change.operation === 'remove'
}

/** The row's place in the answers of `expectedRows` and of the readers. */
export function rowId(partition: string | null, key: string): string {
  return `${partition} | ${key}`
}

/** The rows after the last of the arrivals' commits, by partition and key. */
export function expectedRows(arrivals: readonly Arrival[], rules: Rules = {}): Map<string, Cells> {
  const tooEarly = (at: number) => at < (rules.floor ?? -Infinity) || at <= (rules.watermark ?? -Infinity) + 3600
  const seen = arrivals.filter(({ change }) => !tooEarly(change.at))
  const rows = new Map<string, Cells>()
  for (const ofKey of Map.groupBy(seen, ({ change }) => change.key).values()) {
    const clearing = ofKey.filter(({ change }) => clears(change))
    const admitted = ofKey.filter(
      ({ change, commit }) =>
        change.operation === 'put' &&
        !clearing.some((other) => other.commit <= commit && isNewer(other.change, change)),
    )
    const standing = admitted.filter(
      ({ change }) =>
        !clearing.some((other) => other.change.oldPartition === change.partition && isNewer(other.change, change)) &&
        !admitted.some((other) => other.change.partition === change.partition && isNewer(other.change, change)),
    )
    const expired = ofKey.map(({ change }) => change).filter(({ operation }) => operation === 'expire')
    for (const { change } of standing) {
      const last = expired
        .filter((other) => isNewer(other, change))
        .sort((a, b) => (isNewer(a, b) ? 1 : -1))
        .at(-1)
      const cells =
        last === undefined ? change.cells : { ...change.cells, _expired_at: microseconds(Math.ceil(last.at)) }
      rows.set(rowId(change.partition, change.key), cells)
    }
  }
  return rows
}

export function microseconds(epochSeconds: number): string {
  return BigInt(Math.round(epochSeconds * 1e6)).toString()
}
