// START HERE. One DynamoDB table as a table that Athena reads, in the order of the data.

import { InputError, parseTableDefinition } from '@lastwrite/merge-core'
import { Duration, type Size, Token } from 'aws-cdk-lib'
import type { IVpc } from 'aws-cdk-lib/aws-ec2'
import type { ContainerImage } from 'aws-cdk-lib/aws-ecs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { Construct } from 'constructs'
import { Alarms } from './alarms.ts'
import { Bootstrap } from './bootstrap.ts'
import { Catalog } from './catalog.ts'
import { ChangeCapture } from './change-capture.ts'
import { Delivery } from './delivery.ts'
import { type Fleet, MergeJob } from './merge-job.ts'
import { placesOf, tableName } from './places.ts'
import type { Scope } from './rights.ts'
import type { EmrServerlessOptions } from './spark-jobs.ts'
import type { Storage } from './storage.ts'
import type { TableStream } from './table-stream.ts'

export interface LastwriteTableProps {
  /** JSON text of the table's definition (packages/merge-core/table-definition.schema.json). */
  readonly definition: string
  /** `streamOf(table)` for a table of this app, `streamByLabel(…)` for one that stands. */
  readonly stream: TableStream
  readonly storage: Storage
  /** Of the worker: packages/batch-worker/Dockerfile, for arm64. */
  readonly image: ContainerImage
  readonly vpc: IVpc
  /** What the age of a change in the table should stay below. Default: 10 minutes */
  readonly freshness?: Duration
  /** What the table begins with. Default: `empty` */
  readonly from?: 'empty' | 'export'
  /** Batches of one shard that are forwarded at a time, 1 to 10. Default: 2 */
  readonly parallelization?: number
  /** Of a worker. Default: 2 */
  readonly vcpus?: number
  /** Of a worker. Default: 4 GiB */
  readonly memory?: Size
  /** Several workers for one commit of a table that is too large for one. Default: none */
  readonly fleet?: Fleet
  /** Spark for partitions that are too large for a worker. Default: none */
  readonly emrServerless?: EmrServerlessOptions
  /** What one query in Athena may read. Default: 100 GiB */
  readonly scanLimit?: Size
  /** Where alarms go. */
  readonly notify: ITopic | 'nobody'
}

const FIREHOSE_SECONDS = { min: 60, max: 900 }

export class LastwriteTable extends Construct {
  readonly delivery: Delivery
  readonly capture: ChangeCapture
  readonly merge: MergeJob
  readonly bootstrap: Bootstrap
  readonly catalog: Catalog

  constructor(scope: Construct, id: string, props: LastwriteTableProps) {
    super(scope, id)
    const { stream, storage, image, vpc, freshness = Duration.minutes(10), from = 'empty', notify } = props
    // One line, as it goes into an environment variable.
    const text = JSON.stringify(JSON.parse(props.definition))
    const definition = parseTableDefinition(text)
    checkStream(definition.table, stream)
    if (definition.landingDays > storage.landingDays) {
      throw new InputError(
        `${definition.table}: landing_days is ${definition.landingDays}, but inbound objects expire after ${storage.landingDays}: ` +
          'give the storage the greatest landing_days of its tables',
      )
    }
    const rights: Scope = {
      places: placesOf(definition, storage),
      entry: { database: storage.database.databaseName, table: tableName(definition) },
      key: storage.key,
    }
    const half = Duration.seconds(Math.floor(freshness.toSeconds() / 2))

    this.delivery = new Delivery(this, 'Delivery', { scope: rights, buffering: withinFirehose(half) })
    this.capture = new ChangeCapture(this, 'ChangeCapture', {
      definition,
      stream,
      delivery: this.delivery,
      scope: rights,
      ...(props.parallelization !== undefined && { parallelization: props.parallelization }),
    })
    this.merge = new MergeJob(this, 'MergeJob', {
      definition: text,
      scope: { ...rights, places: { ...rights.places, onFailure: this.capture.onFailure } },
      image,
      vpc,
      every: Duration.minutes(Math.max(1, Math.floor(half.toMinutes({ integral: false })))),
      ...(props.vcpus !== undefined && { vcpus: props.vcpus }),
      ...(props.memory !== undefined && { memory: props.memory }),
      ...(props.fleet !== undefined && { fleet: props.fleet }),
      ...(props.emrServerless !== undefined && { emrServerless: props.emrServerless }),
    })
    this.bootstrap = new Bootstrap(this, 'Bootstrap', {
      from,
      merge: this.merge,
      tableArn: stream.tableArn,
      scope: rights,
    })
    this.catalog = new Catalog(this, 'Catalog', {
      scope: rights,
      key: definition.columns.slice(0, definition.keyColumns).map(({ name }) => name),
      ...(props.scanLimit !== undefined && { scanLimit: props.scanLimit }),
    })
    new Alarms(this, 'Alarms', {
      capture: this.capture,
      delivery: this.delivery,
      merge: this.merge,
      freshness,
      notify,
    })
  }
}

/** Lines carry the table's name, and a merge leaves those of another out. */
function checkStream(table: string, { tableArn }: TableStream): void {
  const named = tableArn.split('/')[1]
  if (Token.isUnresolved(tableArn) || named === table) return
  throw new InputError(`the definition is that of ${table}, the stream that of ${named}: they must be of one table`)
}

function withinFirehose(wanted: Duration): Duration {
  const { min, max } = FIREHOSE_SECONDS
  return Duration.seconds(Math.min(max, Math.max(min, wanted.toSeconds())))
}
