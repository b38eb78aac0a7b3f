// Where the things of a table lie in the buckets: nothing else spells out a prefix.

import type { TableDefinition } from '@lastwrite/merge-core'
import type { IBucket } from 'aws-cdk-lib/aws-s3'

export interface Place {
  readonly bucket: IBucket
  /** With a slash at its end. */
  readonly prefix: string
}

export type PlaceName =
  | 'landing'
  | 'errors'
  | 'oversize'
  | 'onFailure'
  | 'exports'
  | 'results'
  | 'table'
  | 'data'
  | 'state'
  | 'probe'
  | 'staging'
  | 'dataTemporary'
  | 'stagingTemporary'

export type Places = Readonly<Record<PlaceName, Place>>

/** Below these, what came in lies for `landing_days`. */
export const INBOUND = {
  landing: 'landing/',
  errors: 'errors/',
  oversize: 'oversize/',
  onFailure: 'aws/lambda/',
} as const
export const EXPORTS = 'exports/'
export const RESULTS = 'athena-results/'
const STATE = '_lastwrite/'

export interface Buckets {
  /** What passes through: inbound objects, exports, results of queries. */
  readonly landing: IBucket
  /** Tables and their state. */
  readonly tables: IBucket
}

/** What a table is called in Glue, in prefixes and in metrics: the name in DynamoDB, as far as Glue takes it. */
export function tableName({ table }: TableDefinition): string {
  return table.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')
}

export function placesOf(definition: TableDefinition, { landing, tables }: Buckets): Places {
  const name = tableName(definition)
  const inLanding = (prefix: string) => ({ bucket: landing, prefix })
  const inTables = (prefix: string) => ({ bucket: tables, prefix })
  return {
    landing: inLanding(`${INBOUND.landing}${name}/`),
    errors: inLanding(`${INBOUND.errors}${name}/`),
    oversize: inLanding(`${INBOUND.oversize}${name}/`),
    // Lambda names these itself, by the id of the event source mapping.
    onFailure: inLanding(INBOUND.onFailure),
    exports: inLanding(`${EXPORTS}${name}/`),
    results: inLanding(`${RESULTS}${name}/`),
    table: inTables(`${name}/`),
    data: inTables(`${name}/data/`),
    state: inTables(`${STATE}${name}/`),
    probe: inTables(`${STATE}${name}/probe/`),
    // Of backfills and plans; upkeep takes what is a day old.
    staging: inTables(`${STATE}${name}/staging/`),
    // Where Spark's committer puts files before they are whole.
    dataTemporary: inTables(`${name}/data/*/_temporary`),
    stagingTemporary: inTables(`${STATE}${name}/staging/*/_temporary`),
  }
}

/** `s3://bucket/prefix/` */
export function urlOf({ bucket, prefix }: Place): string {
  return bucket.s3UrlForObject(prefix)
}
