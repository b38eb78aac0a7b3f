// The errors an operator acts on, one class for each thing to do. Everything else that is thrown is a defect (exit 70).
//
// A message names the thing, the value, the place and the remedy.

/** Nothing was lost; run the same command again (exit 10): throttled, lost the race too often, a deadline. */
export class TryAgainError extends Error {
  override readonly name = 'TryAgainError'
}

/** The input, the definition or a right must be changed first (exit 20). */
export class InputError extends Error {
  override readonly name = 'InputError'
}

/** A stored object (data file, manifest, metadata, state file) is not what it must be (exit 21). */
export class DamagedObjectError extends Error {
  override readonly name = 'DamagedObjectError'
  readonly path: string
  /** The message without the path. */
  readonly detail: string
  constructor(path: string, detail: string, options?: ErrorOptions) {
    super(`${path}: ${detail}`, options)
    this.path = path
    this.detail = detail
  }
}
