// What a container's scheduler is told (semantics, "Exit codes of the worker"), and what a person is told with it.

/** Done, or nothing to do. */
export const DONE = 0
/** Nothing was lost: the same command again will do. */
export const TRY_AGAIN = 10
/** The command line, the input, the definition or a right must change first. */
export const FIX_INPUT = 20
/** A stored object is not what it must be. */
const DAMAGED = 21
/** A mistake in this program. */
const DEFECT = 70

/** By name, not by class: a mistyped command must not load the library to be told so. */
const EXIT_CODE_BY_ERROR = new Map([
  ['TryAgainError', TRY_AGAIN],
  ['InputError', FIX_INPUT],
  ['DamagedObjectError', DAMAGED],
])

export function exitCodeOf(error: unknown): number {
  return error instanceof Error ? (EXIT_CODE_BY_ERROR.get(error.name) ?? DEFECT) : DEFECT
}

export function isDefect(error: unknown): boolean {
  return exitCodeOf(error) === DEFECT
}

/** One paragraph for what somebody can act on; the stack, and where to send it, for a defect. */
export function describeError(error: unknown): string {
  if (!isDefect(error)) return `lastwrite: ${(error as Error).message}`
  const text = error instanceof Error ? error.stack : String(error)
  return `lastwrite: this is a defect of lastwrite; nothing half-written is visible. Please report these lines:\n${text}`
}
