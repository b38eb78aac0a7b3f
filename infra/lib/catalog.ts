// What people ask the table with: a workgroup that limits what a query reads, the queries that they type first, and the right to read.
//
// Readers may write the results of their queries and nothing else: the table changes by merges alone.

import { Size, Stack } from 'aws-cdk-lib'
import { CfnNamedQuery, CfnWorkGroup } from 'aws-cdk-lib/aws-athena'
import { ManagedPolicy } from 'aws-cdk-lib/aws-iam'
import { Construct } from 'constructs'
import { urlOf } from './places.ts'
import { namedQueries } from './queries.ts'
import { allow, RIGHTS, type Scope, statementsOf } from './rights.ts'

export interface CatalogProps {
  readonly scope: Scope
  /** The key columns of the table. */
  readonly key: readonly string[]
  /** What one query may read before Athena ends it. Default: 100 GiB */
  readonly scanLimit?: Size
}

export class Catalog extends Construct {
  readonly workgroup: CfnWorkGroup
  /** For the roles and groups of those who ask. */
  readonly readers: ManagedPolicy

  constructor(scope: Construct, id: string, { scope: rights, key, scanLimit = Size.gibibytes(100) }: CatalogProps) {
    super(scope, id)
    const { database, table } = rights.entry
    this.workgroup = new CfnWorkGroup(this, 'Workgroup', {
      name: `${database}-${table}`,
      description: `Questions to ${database}.${table}`,
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        bytesScannedCutoffPerQuery: scanLimit.toBytes(),
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        resultConfiguration: {
          outputLocation: urlOf(rights.places.results),
          encryptionConfiguration:
            rights.key === undefined
              ? { encryptionOption: 'SSE_S3' }
              : { encryptionOption: 'SSE_KMS', kmsKey: rights.key.keyArn },
        },
      },
    })
    for (const { name, description, sql } of namedQueries(database, table, key)) {
      const query = new CfnNamedQuery(this, `Query-${name}`, {
        name: `${table}: ${name}`,
        description,
        database,
        queryString: sql,
        workGroup: this.workgroup.name,
      })
      query.addResourceDependency(this.workgroup)
    }
    const workgroupArn = Stack.of(this).formatArn({
      service: 'athena',
      resource: 'workgroup',
      resourceName: this.workgroup.name,
    })
    this.readers = new ManagedPolicy(this, 'Readers', {
      description: `May ask ${database}.${table} in Athena, and change nothing`,
      statements: [
        ...statementsOf(this, RIGHTS.reader, rights),
        allow(
          [
            'athena:GetNamedQuery',
            'athena:GetQueryExecution',
            'athena:GetQueryResults',
            'athena:GetQueryResultsStream',
            'athena:GetWorkGroup',
            'athena:ListNamedQueries',
            'athena:ListQueryExecutions',
            'athena:StartQueryExecution',
            'athena:StopQueryExecution',
          ],
          [workgroupArn],
        ),
      ],
    })
  }
}
