/**
 * Bytes that break their format, found by a decoder that does not know whose bytes they are. Whoever knows the object turns it
 * into a DamagedObjectError with the path, the row group and the column.
 */
export class MalformedError extends Error {
  override readonly name = 'MalformedError'
}

export function malformed(message: string): never {
  throw new MalformedError(message)
}
