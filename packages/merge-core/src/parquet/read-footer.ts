// Reads a file's footer and binds its leaves to fields.
//
// One read of the file's end is enough for most files. What a footer claims is checked against the file's length and against
// itself; pages are checked when they are read.

import { DamagedObjectError } from '../errors.ts'
import type { Field } from '../primitive-type.ts'
import type { ByteSource as StoredSource } from '../store/byte-source.ts'
import { decodeFileMetaData, type FileMetaData, type KeyValue, Repetition, type SchemaElement } from './footer.ts'
import { MalformedError, malformed } from './malformed.ts'

/** The bytes of one file, whole or by range, wherever they come from. */
export type ByteSource = Omit<StoredSource, 'etag'>

/** A column that is stored: one chunk in each row group. */
export interface Leaf {
  /** Which of a row group's chunks. */
  readonly column: number
  /** Names from below the root, joined by dots. */
  readonly name: string
  readonly element: SchemaElement
  readonly fieldId: number | null
  readonly maxDefinitionLevel: number
  readonly maxRepetitionLevel: number
  /** Inside a group, or repeated: not read as a column. */
  readonly nested: boolean
}

/** A group below the root, named so that it can be refused by name. */
export interface NestedGroup {
  readonly name: string
  readonly fieldId: number | null
}

/** A file's footer with what is derived from it; plain data that may be sent to a thread. */
export interface Footer extends FileMetaData {
  readonly keyValueMetadata: readonly KeyValue[]
  readonly path: string
  readonly fileBytes: number
  /** Where the footer's thrift bytes begin; all pages lie before it. */
  readonly footerStart: number
  readonly leaves: readonly Leaf[]
  readonly nestedGroups: readonly NestedGroup[]
}

const SUFFIX_BYTES = 64 * 1024
// Magic, footer length, magic.
const FILE_BYTES_MIN = 12
const TAIL_BYTES = 8
const DEPTH_MAX = 64
const MAGIC = 0x31524150 // PAR1
const MAGIC_ENCRYPTED = 0x45524150 // PARE

/** Rows of the largest row group that is read. */
const ROW_GROUP_ROWS_MAX = 2 ** 26

/** Reads and checks the footer. Throws DamagedObjectError: no Parquet file, encrypted, lengths beyond the file, counts that differ. */
export async function readFooter(source: ByteSource): Promise<Footer> {
  const { path, bytes: fileBytes } = source
  if (fileBytes < FILE_BYTES_MIN) throw new DamagedObjectError(path, `${fileBytes} bytes are no Parquet file`)
  const suffixStart = Math.max(0, fileBytes - SUFFIX_BYTES)
  const suffix = await readExactly(source, suffixStart, fileBytes)
  const tail = new DataView(suffix.buffer, suffix.byteOffset + suffix.length - TAIL_BYTES, TAIL_BYTES)
  const magic = tail.getUint32(4, true)
  if (magic === MAGIC_ENCRYPTED) throw new DamagedObjectError(path, 'the footer is encrypted, which is not read')
  if (magic !== MAGIC) throw new DamagedObjectError(path, 'does not end with PAR1: no Parquet file, or cut')
  const footerBytes = tail.getUint32(0, true)
  const footerStart = fileBytes - TAIL_BYTES - footerBytes
  if (footerStart < 4) throw new DamagedObjectError(path, `claims a footer of ${footerBytes} bytes in ${fileBytes}`)
  const thrift =
    footerStart >= suffixStart
      ? suffix.subarray(footerStart - suffixStart, suffix.length - TAIL_BYTES)
      : await readExactly(source, footerStart, fileBytes - TAIL_BYTES)
  return blameFor(path, 'footer', () => parseFooter(path, fileBytes, footerStart, thrift))
}

/** Bytes [start, end), refused where the source gives fewer or more. */
export async function readExactly(
  source: ByteSource,
  start: number,
  end: number,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = await source.read(start, end, into)
  if (bytes.length !== end - start) {
    throw new DamagedObjectError(source.path, `bytes ${start} to ${end} came as ${bytes.length} bytes`)
  }
  return bytes
}

/** Runs a decoder; a MalformedError becomes a DamagedObjectError of `path` that names `place`. */
export function blameFor<T>(path: string, place: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    throw new DamagedObjectError(path, `${place}: ${error.message}`, { cause: error })
  }
}

function parseFooter(path: string, fileBytes: number, footerStart: number, thrift: Uint8Array): Footer {
  const metadata = decodeFileMetaData(thrift)
  if (metadata.encryptionAlgorithm !== undefined) malformed('columns are encrypted, which is not read')
  const { leaves, nestedGroups } = resolveSchema(metadata.schema)
  checkRowGroups(metadata, leaves)
  const keyValueMetadata = metadata.keyValueMetadata ?? []
  return { ...metadata, keyValueMetadata, path, fileBytes, footerStart, leaves, nestedGroups }
}

function checkRowGroups(metadata: FileMetaData, leaves: readonly Leaf[]): void {
  let rows = 0
  for (const [i, group] of metadata.rowGroups.entries()) {
    if (group.columns.length !== leaves.length) {
      malformed(`row group ${i} has ${group.columns.length} columns, the schema ${leaves.length}`)
    }
    if (group.numRows < 0 || group.numRows > ROW_GROUP_ROWS_MAX)
      malformed(`row group ${i} claims ${group.numRows} rows`)
    rows += group.numRows
  }
  if (rows !== metadata.numRows) malformed(`claims ${metadata.numRows} rows, its row groups have ${rows}`)
}

interface SchemaWalk {
  readonly schema: readonly SchemaElement[]
  readonly leaves: Leaf[]
  readonly nestedGroups: NestedGroup[]
  next: number
}

/** The leaves of a schema tree given in depth-first order. Throws MalformedError where it is no tree. */
export function resolveSchema(schema: readonly SchemaElement[]): {
  leaves: readonly Leaf[]
  nestedGroups: readonly NestedGroup[]
} {
  const walk: SchemaWalk = { schema, leaves: [], nestedGroups: [], next: 1 }
  const root = schema[0] ?? malformed('the schema is empty')
  for (let i = 0; i < (root.numChildren ?? 0); i++) walkElement(walk, [], 0, 0)
  if (walk.next !== schema.length) malformed(`the schema has ${schema.length} elements, its tree ${walk.next}`)
  return { leaves: walk.leaves, nestedGroups: walk.nestedGroups }
}

function walkElement(walk: SchemaWalk, parents: readonly string[], definition: number, repetition: number): void {
  const element = walk.schema[walk.next++] ?? malformed('the schema ends inside its tree')
  if (parents.length > DEPTH_MAX) malformed(`the schema is deeper than ${DEPTH_MAX}`)
  const path = [...parents, element.name]
  const name = path.join('.')
  const repeated = element.repetitionType === Repetition.REPEATED
  const maxDefinitionLevel = definition + (repeated || element.repetitionType === Repetition.OPTIONAL ? 1 : 0)
  const maxRepetitionLevel = repetition + (repeated ? 1 : 0)
  // Some writers give -1 where they mean none.
  const fieldId = element.fieldId !== undefined && element.fieldId >= 0 ? element.fieldId : null
  if (element.type === undefined) {
    walk.nestedGroups.push({ name, fieldId })
    for (let i = 0; i < (element.numChildren ?? 0); i++) walkElement(walk, path, maxDefinitionLevel, maxRepetitionLevel)
    return
  }
  walk.leaves.push({
    column: walk.leaves.length,
    name,
    element,
    fieldId,
    maxDefinitionLevel,
    maxRepetitionLevel,
    nested: parents.length > 0 || repeated,
  })
}

/** Names that a field has had, by field id: Iceberg's name mapping for files that were written without field ids. */
export type NameMapping = ReadonlyMap<number, readonly string[]>

/** Whether any element carries a field id. */
function hasFieldIds(footer: Footer): boolean {
  return (
    footer.leaves.some((leaf) => leaf.fieldId !== null) || footer.nestedGroups.some((group) => group.fieldId !== null)
  )
}

/**
 * The leaf that stores `field`, or null where the file has none (an optional field is null in all its rows then). Binds by field id;
 * by name only where the file has no field ids at all and `names` is given. Throws DamagedObjectError where the stored column is
 * nested, the id is there twice, a required field is missing, or there is nothing to bind by.
 */
export function bindField(footer: Footer, field: Field, names?: NameMapping): Leaf | null {
  const known = bindings(footer, field, names)
  const leaves = footer.leaves.filter(known)
  const group = footer.nestedGroups.find(known)
  const refuse = (message: string): never => {
    throw new DamagedObjectError(footer.path, `column "${field.name}" (field id ${field.id}) ${message}`)
  }
  if (group !== undefined) return refuse(`is stored nested, as ${group.name}`)
  if (leaves.length > 1) return refuse(`is stored twice, as ${leaves.map((leaf) => leaf.name).join(' and ')}`)
  const leaf = leaves[0]
  if (leaf?.nested === true) return refuse(`is stored nested, as ${leaf.name}`)
  if (leaf === undefined && field.required) return refuse('is required, and the file does not have it')
  return leaf ?? null
}

function bindings(footer: Footer, field: Field, names?: NameMapping): (stored: NestedGroup) => boolean {
  if (hasFieldIds(footer)) return (stored) => stored.fieldId === field.id
  if (names === undefined) {
    throw new DamagedObjectError(footer.path, 'has no field ids; give the table a name mapping, or rewrite the file')
  }
  const own = names.get(field.id) ?? []
  return (stored) => own.includes(stored.name)
}
