// What takes part in the benchmark: a table of its own kind, and a process that merges change lines into it.
//
// Equal work for all: the same change lines (gzip, 25,000 an object, in the form that docs of lastwrite call a change line), the
// same base rows, a table of 8 partitions in zstd 1, latest change per key by (stream, sequence), removals, nothing written that
// changes nothing. A removal need not outlive the row that it removed: no workload but those for lastwrite alone asks for it.
//
// `folder` is always the same path for one contestant, so what stands in it may hold absolute paths; the harness copies its
// content away and back. It makes a table anew where one of the contestant's files, `<name>.*` in this folder, has changed.

export interface Attribute {
  readonly name: string
  readonly type: 'string' | 'long' | 'double' | 'decimal(38,9)' | 'timestamp'
}

/**
 * The rows that a table starts with. Columns of the files: the attributes, `_updated_at` (timestamp), `_stream` and `_sequence`
 * (text: two digits of length, then the digits, so that text compares as the numbers do: `21400000000000000001000`).
 */
export interface BaseData {
  /** 0 where there is no table yet (workload W6): `parquet` has no files, and `prepare` makes what is needed for a first load. */
  readonly rows: number
  /** Folder of `bucket=<n>/<nnn>.parquet` or `created_day=<date>/<nnn>.parquet`; within a partition sorted by `pk`, no column for the partition. */
  readonly parquet: string
  readonly layout: 'bucket' | 'day'
  /** `user#000000000123`, older rows first, or UUIDs. */
  readonly keys: 'ascending' | 'uuid'
  /** DuckDB expression of the partition of a row, over `pk` or `created_at`; any other assignment of keys to 8 partitions does as well. */
  readonly partition: string
  /** `pk` first. */
  readonly attributes: readonly Attribute[]
}

export interface Run {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Bytes that the merge itself counted, of data and what describes it; absent where it cannot tell. */
export interface MergedBytes {
  readonly bytes_encoded?: number
  readonly bytes_copied?: number
  readonly bytes_read?: number
}

export interface Contestant {
  readonly name: string
  /** The contestant whose table it merges into as well, in turns. Absent: it has its own. */
  readonly table?: string
  /** Whether it takes part in a workload (`W4`, `W11-day`) on a table of so many rows. Absent: in all. */
  readonly takes?: (workload: string, rows: number) => boolean
  /** Makes its own table in `folder` (which is there and empty). Runs once, untimed; a fresh copy of what it made is merged into. */
  prepare(base: BaseData, folder: string): Promise<void>
  /**
   * The process that is timed, start and end included: merges the landing objects below the folder `landing` (any depth, `*.gz`)
   * into the table in `folder`. `threads`: 1 or 2; all else default settings. Ends with 0.
   */
  command(folder: string, landing: string, threads: number): Run
  /** What `command` counted, from its standard output. Absent: the last line is the JSON of it, or there is none. */
  readonly mergedBytes?: (stdout: string) => MergedBytes
  /** DuckDB SQL of a relation over the merged table, for example `read_parquet(['…'])`: the attributes, `_stream` and `_sequence`. */
  result(folder: string): Promise<string>
  /** By the name of the program or library. */
  versions(): Promise<Record<string, string>>
}
