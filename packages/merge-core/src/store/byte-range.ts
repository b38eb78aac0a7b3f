import { invariant } from '../invariant.ts'
import type { ByteRange, Failure } from './object-store.ts'

/** The stretch [start, end) that a range means in an object of that size; `corrupt` where the object is too short for it. */
export function resolveRange(
  path: string,
  range: ByteRange | undefined,
  objectBytes: number,
): { readonly kind: 'ok'; readonly start: number; readonly end: number } | Failure {
  if (range === undefined) return { kind: 'ok', start: 0, end: objectBytes }
  if ('suffix' in range) {
    invariant(Number.isSafeInteger(range.suffix) && range.suffix >= 0, `${path}: suffix of ${range.suffix} bytes`)
    return { kind: 'ok', start: Math.max(0, objectBytes - range.suffix), end: objectBytes }
  }
  const { start, end } = range
  invariant(
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end,
    `${path}: range [${start}, ${end})`,
  )
  if (end <= objectBytes) return { kind: 'ok', start, end }
  return { kind: 'corrupt', cause: new Error(`${path}: holds ${objectBytes} bytes, [${start}, ${end}) was asked for`) }
}
