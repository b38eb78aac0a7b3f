// A column chunk of stored pages and of rows that are encoded between them.
//
// A data page can be read wherever it lies: it starts no difference from a page before it, and of the chunk it needs the codec and the
// dictionary alone. So pages without a changed row go to the new chunk as they stand, under the codec of the stored chunk and over
// its dictionary, behind whose entries new ones may follow.

import type { Column } from '../columns/column.ts'
import type { EarlierPages } from './encode/carried-bounds.ts'
import type { ColumnChunk } from './footer.ts'
import type { ChunkPage } from './read-row-group.ts'

export interface SplicedChunk {
  readonly kind: 'spliced'
  readonly rows: number
  /** Of the stored chunk, as its file's footer gives it. */
  readonly chunk: ColumnChunk
  /** Of the stored chunk; null where it has none. */
  readonly dictionary: ChunkPage | null
  /** The new chunk, in the order of its rows. */
  readonly pieces: readonly SplicedPiece[]
  /** The rows of all pieces to encode; a dictionary column, over the stored entries and what follows them, where there is a dictionary. */
  readonly column: Column
  /** The pages that most of them lay in. */
  readonly earlier: EarlierPages
}

export type SplicedPiece =
  | { readonly kind: 'page'; readonly page: ChunkPage; readonly bounds: PageBounds }
  | { readonly kind: 'rows'; readonly rows: number }

/** What the stored column index says of a page; both bounds are empty where all its rows are null. */
export interface PageBounds {
  readonly isNull: boolean
  readonly min: Uint8Array
  readonly max: Uint8Array
  readonly nulls: number
}
