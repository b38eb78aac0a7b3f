// Errors on their way between threads: cloning an error loses its class, and the class says what to do.

import { DamagedObjectError, InputError, TryAgainError } from '../errors.ts'

export interface PackedError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** Of a damaged object. */
  readonly path: string | undefined
  readonly cause: PackedError | undefined
}

export function packError(error: unknown): PackedError {
  const { name, message, stack, cause } = error instanceof Error ? error : new Error(String(error))
  return {
    name,
    message,
    stack,
    path: error instanceof DamagedObjectError ? error.path : undefined,
    cause: cause === undefined ? undefined : packError(cause),
  }
}

export function unpackError(packed: PackedError): Error {
  const error = emptyError(packed)
  return Object.assign(error, { message: packed.message, stack: packed.stack })
}

function emptyError({ name, message, path, cause }: PackedError): Error {
  const options = cause === undefined ? {} : { cause: unpackError(cause) }
  if (name === 'DamagedObjectError') return new DamagedObjectError(path ?? '', message, options)
  if (name === 'InputError') return new InputError(message, options)
  return name === 'TryAgainError' ? new TryAgainError(message, options) : new Error(message, options)
}
