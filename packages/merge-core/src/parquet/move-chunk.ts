// Column chunks at another place: bytes that move take their offsets along.

import type { ColumnChunk, ColumnIndex, OffsetIndex } from './footer.ts'

/** A column chunk of a stored file, taken over byte for byte. It must have the layout of its field in the new file (isSameLayout). */
export interface KeptChunk {
  readonly kind: 'kept'
  /** The chunk and nothing else, its dictionary page included. */
  readonly bytes: Uint8Array
  /** As its file's footer gives it. */
  readonly chunk: ColumnChunk
  /** As its file has them; null where there are none. */
  readonly columnIndex: ColumnIndex | null
  readonly offsetIndex: OffsetIndex | null
}

/** Its dictionary page, if any; an offset of 0 means none in a file, but may be one in an encoded group, whose pages ascend. */
export function chunkStart({ metaData }: ColumnChunk): number {
  const { dictionaryPageOffset, dataPageOffset } = metaData!
  return dictionaryPageOffset === undefined || dictionaryPageOffset === 0
    ? dataPageOffset
    : Math.min(dictionaryPageOffset, dataPageOffset)
}

/** The chunk `by` bytes further on. What points to indexes is dropped: they are written anew. */
export function moveChunk(chunk: ColumnChunk, by: number): ColumnChunk {
  const { dictionaryPageOffset, bloomFilterOffset, ...metaData } = chunk.metaData!
  return {
    fileOffset: 0,
    metaData: {
      ...metaData,
      dataPageOffset: metaData.dataPageOffset + by,
      dictionaryPageOffset: dictionaryPageOffset === undefined ? undefined : dictionaryPageOffset + by,
      bloomFilterOffset: bloomFilterOffset === undefined ? undefined : bloomFilterOffset + by,
    },
  }
}

export function moveOffsetIndex(index: OffsetIndex, by: number): OffsetIndex {
  const pageLocations = index.pageLocations.map((location) => ({ ...location, offset: location.offset + by }))
  return { ...index, pageLocations }
}
