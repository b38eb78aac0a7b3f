// Metadata as a catalog writes it that has no server for that: the updates applied, the log extended, gzip where the table wants it.

import * as zlib from 'node:zlib'
import { applyUpdates, type LoadedTable, type TableUpdate } from './catalog.ts'
import { type MetadataLogEntry, type TableMetadata, writeTableMetadata } from './metadata.ts'

const METADATA_LOG_DEFAULT = 100
const MAX_PREVIOUS = 'write.metadata.previous-versions-max'
export const METADATA_CODEC = 'write.metadata.compression-codec'

/** What `updates` make of a table at `nowMs`. */
export function nextMetadata(base: LoadedTable, updates: readonly TableUpdate[], nowMs: number): TableMetadata {
  const updated = applyUpdates(base.metadata, updates, nowMs)
  return { ...updated, 'metadata-log': extendedLog(base, updated) }
}

function extendedLog(base: LoadedTable, updated: TableMetadata): MetadataLogEntry[] {
  const kept = Number(updated.properties?.[MAX_PREVIOUS] ?? METADATA_LOG_DEFAULT)
  const entry = { 'timestamp-ms': base.metadata['last-updated-ms'], 'metadata-file': base.metadataLocation }
  return [...(updated['metadata-log'] ?? []), entry].slice(-(kept > 0 ? kept : METADATA_LOG_DEFAULT))
}

/** The bytes of a metadata file, and how its name ends: readers tell by it whether it is gzip. */
export function encodeMetadata(metadata: TableMetadata): { readonly bytes: Uint8Array; readonly suffix: string } {
  const text = Buffer.from(writeTableMetadata(metadata))
  return metadata.properties?.[METADATA_CODEC]?.toLowerCase() === 'gzip'
    ? { bytes: zlib.gzipSync(text), suffix: '.gz.metadata.json' }
    : { bytes: text, suffix: '.metadata.json' }
}
