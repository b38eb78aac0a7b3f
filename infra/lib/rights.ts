// Which program may do what, where: action × place, nothing wider.
//
// The calls that the programs make are recorded by interop/recorded-calls.test.ts; test/rights.test.ts replays them against the policies
// that come of these tables, and beside them calls that must be refused.

import { Stack } from 'aws-cdk-lib'
import { Effect, type IRole, PolicyStatement } from 'aws-cdk-lib/aws-iam'
import type { IKey } from 'aws-cdk-lib/aws-kms'
import type { IConstruct } from 'constructs'
import type { PlaceName, Places } from './places.ts'

export type S3Action =
  | 's3:GetObject'
  | 's3:PutObject'
  | 's3:PutObjectAcl'
  | 's3:DeleteObject'
  | 's3:AbortMultipartUpload'
  | 's3:ListBucket'
  | 's3:ListBucketMultipartUploads'
  | 's3:GetBucketLocation'

export interface Rights {
  readonly s3: Readonly<Partial<Record<S3Action, readonly PlaceName[]>>>
  /** On the table's one entry, its database and its catalog. */
  readonly glue?: readonly ('glue:GetDatabase' | 'glue:GetTable' | 'glue:CreateTable' | 'glue:UpdateTable')[]
}

/** Of whoever commits what landed. */
const MERGE = {
  s3: {
    's3:GetObject': ['landing', 'oversize', 'table', 'state'],
    's3:PutObject': ['table', 'state'],
    's3:AbortMultipartUpload': ['table', 'state'],
    's3:ListBucket': ['landing', 'table', 'state'],
  },
  glue: ['glue:GetTable', 'glue:UpdateTable'],
} as const satisfies Rights

export const RIGHTS = {
  /** The forwarder's own; its event source writes what it gives up. */
  forwarder: {
    s3: { 's3:PutObject': ['oversize', 'onFailure'], 's3:ListBucket': ['onFailure'] },
  },
  delivery: {
    s3: {
      's3:PutObject': ['landing', 'errors'],
      's3:GetObject': ['landing', 'errors'],
      's3:AbortMultipartUpload': ['landing', 'errors'],
      's3:ListBucket': ['landing', 'errors'],
      's3:ListBucketMultipartUploads': ['landing', 'errors'],
      's3:GetBucketLocation': ['landing'],
    },
  },
  init: {
    s3: {
      's3:GetObject': ['table', 'state'],
      's3:PutObject': ['table', 'state'],
      's3:AbortMultipartUpload': ['table', 'state'],
      's3:DeleteObject': ['probe'],
      's3:ListBucket': ['table', 'state'],
    },
    glue: ['glue:GetDatabase', 'glue:GetTable', 'glue:CreateTable'],
  },
  merge: MERGE,
  /** A plan changes nothing of the table; to submit the rest it has a statement of its own. */
  plan: {
    s3: {
      's3:GetObject': ['landing', 'oversize', 'table', 'state'],
      's3:PutObject': ['staging'],
      's3:AbortMultipartUpload': ['staging'],
      's3:ListBucket': ['landing', 'table', 'state'],
    },
    glue: ['glue:GetTable'],
  },
  /** A shard makes data files, and commits nothing. */
  shard: {
    s3: {
      's3:GetObject': ['table', 'staging'],
      's3:PutObject': ['data', 'staging'],
      's3:AbortMultipartUpload': ['data', 'staging'],
      's3:ListBucket': ['table', 'staging'],
    },
    glue: ['glue:GetTable'],
  },
  /** A job of Spark makes data files from files; what it deletes is its own, before they are whole. */
  spark: {
    s3: {
      's3:GetObject': ['table', 'staging'],
      's3:PutObject': ['data', 'staging'],
      's3:AbortMultipartUpload': ['data', 'staging'],
      's3:DeleteObject': ['dataTemporary', 'stagingTemporary'],
      's3:ListBucket': ['table', 'staging'],
    },
  },
  commit: MERGE,
  maintain: {
    s3: {
      's3:GetObject': ['table', 'state'],
      's3:PutObject': ['table', 'state'],
      's3:DeleteObject': ['table', 'state'],
      's3:AbortMultipartUpload': ['table', 'state'],
      's3:ListBucket': ['landing', 'table', 'state'],
      's3:ListBucketMultipartUploads': ['table', 'state'],
    },
    glue: ['glue:GetTable', 'glue:UpdateTable'],
  },
  /** DynamoDB writes an export with the rights of who asked for it. */
  export: {
    s3: {
      's3:PutObject': ['exports'],
      's3:PutObjectAcl': ['exports'],
      's3:AbortMultipartUpload': ['exports'],
    },
  },
  backfill: {
    s3: {
      's3:GetObject': ['exports', 'table', 'state'],
      's3:PutObject': ['table', 'state'],
      's3:AbortMultipartUpload': ['table', 'state'],
      's3:ListBucket': ['exports', 'table', 'state'],
    },
    glue: ['glue:GetTable', 'glue:UpdateTable'],
  },
  replay: {
    s3: {
      's3:GetObject': ['errors', 'onFailure', 'landing', 'table', 'state'],
      's3:PutObject': ['landing', 'state'],
      's3:AbortMultipartUpload': ['landing', 'state'],
      's3:ListBucket': ['errors', 'onFailure', 'landing', 'table', 'state'],
    },
    glue: ['glue:GetTable'],
  },
  /** Who asks Athena. */
  reader: {
    s3: {
      's3:GetObject': ['table', 'results'],
      's3:PutObject': ['results'],
      's3:AbortMultipartUpload': ['results'],
      's3:ListBucket': ['table', 'results'],
      's3:GetBucketLocation': ['table', 'results'],
    },
    glue: ['glue:GetDatabase', 'glue:GetTable'],
  },
} as const satisfies Readonly<Record<string, Rights>>

export interface GlueTable {
  readonly database: string
  readonly table: string
}

/** Where rights hold: the places of a table, its entry in Glue, and the key of the buckets, if they have one of their own. */
export interface Scope {
  readonly places: Places
  readonly entry: GlueTable
  readonly key: IKey | undefined
}

export function grant(grantee: IRole, rights: Rights, scope: Scope): void {
  for (const statement of statementsOf(grantee, rights, scope)) grantee.addToPrincipalPolicy(statement)
}

/** @param on whose stack names account and region */
export function statementsOf(on: IConstruct, { s3, glue = [] }: Rights, scope: Scope): PolicyStatement[] {
  const actions = Object.entries(s3) as [S3Action, readonly PlaceName[]][]
  const statements = actions.flatMap(([action, names]) => s3Statements(action, names, scope.places))
  if (glue.length > 0) statements.push(allow(glue, glueArns(Stack.of(on), scope.entry)))
  if (scope.key !== undefined) {
    const isWriting = s3['s3:PutObject'] !== undefined
    // A multipart upload reads back what it encrypts.
    statements.push(allow(['kms:Decrypt', ...(isWriting ? ['kms:GenerateDataKey'] : [])], [scope.key.keyArn]))
  }
  return statements
}

export function allow(actions: readonly string[], resources: readonly string[]): PolicyStatement {
  return new PolicyStatement({ effect: Effect.ALLOW, actions: [...actions], resources: [...resources] })
}

function s3Statements(action: S3Action, names: readonly PlaceName[], places: Places): PolicyStatement[] {
  const chosen = names.map((name) => places[name])
  if (!isOfBucket(action))
    return [
      allow(
        [action],
        chosen.map(({ bucket, prefix }) => bucket.arnForObjects(`${prefix}*`)),
      ),
    ]
  const buckets = [...new Set(chosen.map(({ bucket }) => bucket))]
  return buckets.map((bucket) => {
    const statement = allow([action], [bucket.bucketArn])
    const prefixes = chosen.filter((place) => place.bucket === bucket).map(({ prefix }) => `${prefix}*`)
    if (action !== 's3:GetBucketLocation') statement.addCondition('StringLike', { 's3:prefix': prefixes })
    return statement
  })
}

function isOfBucket(action: S3Action): boolean {
  return action.startsWith('s3:ListBucket') || action === 's3:GetBucketLocation'
}

/** Glue asks for the right on all three. */
function glueArns(stack: Stack, { database, table }: GlueTable): string[] {
  const arn = (resource: string) => stack.formatArn({ service: 'glue', resource })
  return [arn('catalog'), arn(`database/${database}`), arn(`table/${database}/${table}`)]
}
