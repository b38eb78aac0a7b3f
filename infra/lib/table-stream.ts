// The stream of a DynamoDB table: of one that the same app makes, or of one that stands.

import { InputError, type TableDefinition } from '@lastwrite/merge-core'
import { type CfnTable, type ITable, StreamViewType } from 'aws-cdk-lib/aws-dynamodb'

export interface TableStream {
  readonly tableArn: string
  readonly streamArn: string
  readonly viewType: StreamViewType
}

/** What ITable says, with the stream's ARN as exactOptionalPropertyTypes wants it. */
type StreamedTable = Pick<ITable, 'node' | 'tableArn'> & { readonly tableStreamArn?: string | undefined }

/** @throws InputError where the table has no stream */
export function streamOf(table: StreamedTable): TableStream {
  const { streamSpecification } = (table.node.defaultChild ?? {}) as Partial<CfnTable>
  const viewType = (streamSpecification as CfnTable.StreamSpecificationProperty | undefined)?.streamViewType
  if (table.tableStreamArn === undefined || viewType === undefined) {
    throw new InputError(
      `${table.node.path}: no stream is told of; set stream: StreamViewType.NEW_AND_OLD_IMAGES, or give a table that stands by its label`,
    )
  }
  return { tableArn: table.tableArn, streamArn: table.tableStreamArn, viewType: viewType as StreamViewType }
}

/**
 * Of the table that a definition names, in the account and region that it names.
 * @param label LatestStreamLabel of `aws dynamodb describe-table`
 */
export function streamByLabel(
  { table, source }: Pick<TableDefinition, 'table' | 'source'>,
  label: string,
  viewType = StreamViewType.NEW_AND_OLD_IMAGES,
): TableStream {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}$/.test(label))
    throw new InputError(
      `stream label ${JSON.stringify(label)}: write LatestStreamLabel, such as 2026-11-22T08:00:00.000`,
    )
  const [account, region] = source.split('/')
  const tableArn = `arn:aws:dynamodb:${region}:${account}:table/${table}`
  return { tableArn, streamArn: `${tableArn}/stream/${label}`, viewType }
}
