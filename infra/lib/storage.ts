// What holds data: the bucket that things pass through, the bucket of the tables, and the database that names them.

import { Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Database, type IDatabase } from 'aws-cdk-lib/aws-glue'
import { type IKey, Key } from 'aws-cdk-lib/aws-kms'
import {
  BlockPublicAccess,
  Bucket,
  BucketEncryption,
  type BucketProps,
  type IBucket,
  type LifecycleRule,
  ObjectOwnership,
} from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { type Buckets, EXPORTS, INBOUND, RESULTS } from './places.ts'

export interface StorageProps {
  /** Of the database in Glue: `select * from <database>.<table>`. */
  readonly database: string
  /** How long inbound objects stay: the greatest `landing_days` of the tables' definitions. */
  readonly landingDays: number
  /** A key of its own for both buckets, a new one where it says so. Default: the keys of S3. */
  readonly key?: IKey | 'new'
}

const UPLOAD_DAYS = 2
const RESULT_DAYS = 7
/** The time to bring back what was deleted by mistake. */
const DELETED_DAYS = 7

export class Storage extends Construct implements Buckets {
  readonly landing: IBucket
  readonly tables: IBucket
  readonly database: IDatabase
  readonly key: IKey | undefined
  readonly landingDays: number

  constructor(scope: Construct, id: string, { database, landingDays, key }: StorageProps) {
    super(scope, id)
    this.landingDays = landingDays
    this.key =
      key === 'new' ? new Key(this, 'Key', { enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN }) : key
    this.landing = this.bucket('Landing', {
      lifecycleRules: [
        ...[...Object.values(INBOUND), EXPORTS].map((prefix) => expire(prefix, landingDays)),
        expire(RESULTS, RESULT_DAYS),
      ],
    })
    this.tables = this.bucket('Tables', {
      // Objects are created and never overwritten: an older version is one that somebody deleted.
      versioned: true,
      lifecycleRules: [
        {
          id: 'forget what was deleted',
          noncurrentVersionExpiration: Duration.days(DELETED_DAYS),
          expiredObjectDeleteMarker: true,
        },
      ],
    })
    this.database = new Database(this, 'Database', {
      databaseName: database,
      locationUri: `s3://${this.tables.bucketName}`,
      removalPolicy: RemovalPolicy.RETAIN,
    })
  }

  private bucket(id: string, { lifecycleRules = [], ...props }: BucketProps): IBucket {
    return new Bucket(this, id, {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      removalPolicy: RemovalPolicy.RETAIN,
      ...(this.key === undefined
        ? { encryption: BucketEncryption.S3_MANAGED }
        : { encryption: BucketEncryption.KMS, encryptionKey: this.key, bucketKeyEnabled: true }),
      ...props,
      lifecycleRules: [
        {
          id: 'abort uploads that were not completed',
          abortIncompleteMultipartUploadAfter: Duration.days(UPLOAD_DAYS),
        },
        ...lifecycleRules,
      ],
      // The CDK's own types do not hold under exactOptionalPropertyTypes.
    }) as IBucket
  }
}

function expire(prefix: string, days: number): LifecycleRule {
  return { id: `expire ${prefix}`, prefix, expiration: Duration.days(days) }
}
