// What keeps the protocol safe, each named for what the code does. Where one is taken away, the model has to find out.

export const SAFEGUARDS = [
  // iceberg/file-catalog.ts, pointer-catalog.ts, rest-catalog.ts
  'the pointer is compared before it is swapped',
  'a folder is listed again after a version was created',
  // merge.ts, commit-merge.ts
  'the history is searched after a lost answer',
  'the history is searched after a conflict',
  'the ledger is read again for each attempt',
  'a result is used again only for the task that it was made for',
  'nothing is cleaned up after a lost answer',
  'names are never used twice',
  // commit-snapshot.ts
  'the ledger changes with the snapshot',
  'the tombstones change with the snapshot',
  'state changes only with a snapshot',
  'files over half a day old are not committed',
  // table-state.ts
  'a merge refuses a main that was set back by others',
  // maintain/rollback.ts
  'a rollback brings back the state of its target',
  'a rollback is made for the head that was looked at',
  'a rollback sets main to its target first',
  // maintain/purge.ts
  'the watermark rises where tombstones go',
  'a purge stops at what is not merged',
  // maintain/clean.ts, expire.ts
  'clean leaves what is younger than a day',
  'clean lists before it reads what is named',
  'clean asks the metadata of the last day',
  'expire leaves the files of snapshots that were current within a day',
] as const

export type Safeguard = (typeof SAFEGUARDS)[number]
export type Safeguards = ReadonlySet<Safeguard>
