// Data on its way to another thread.
//
// Typed arrays are moved: a view that is part of a larger buffer would take all of it along, and leave its neighbours without theirs,
// so it is copied out first. What many tasks read, landing objects, is put into shared memory once and goes along for nothing.

import { alignedBytes } from './line-memory.ts'

/** Smaller buffers are cheaper to copy than to move. */
const SMALL_BYTES = 4096

type View = Uint8Array<ArrayBufferLike>

/** The value with every large typed array in a buffer of its own, and these buffers. Arrays, plain objects and maps are walked. */
export function movable<T>(value: T): { readonly value: T; readonly transferList: ArrayBuffer[] } {
  const buffers = new Set<ArrayBufferLike>()
  const alone = (view: View): View => {
    if (view.buffer instanceof SharedArrayBuffer) return view
    const owned = view.byteLength === view.buffer.byteLength && !buffers.has(view.buffer) ? view : copyOf(view)
    if (owned.byteLength >= SMALL_BYTES) buffers.add(owned.buffer)
    return owned
  }
  return { value: withViews(value, alone) as T, transferList: [...buffers] as ArrayBuffer[] }
}

/** The value with every typed array in one stretch of shared memory, so that giving it to one task takes it from no other. */
export async function shared<T>(value: T, take: (bytes: number) => View | Promise<View>): Promise<T> {
  let bytes = 0
  withViews(value, (view) => {
    bytes += alignedBytes(view.byteLength)
    return view
  })
  const { buffer, byteOffset } = await take(bytes)
  let at = byteOffset
  return withViews(value, (view) => {
    const copy = copyAt(buffer, at, view)
    at += alignedBytes(view.byteLength)
    return copy
  }) as T
}

function withViews(value: unknown, replace: (view: View) => View): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return replace(value as View)
  if (Array.isArray(value)) return value.map((each) => withViews(each, replace))
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, withViews(each, replace)]))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withViews(each, replace)]))
}

/** `slice` of a Buffer would share its memory. */
function copyOf(view: View): View {
  return view instanceof Buffer ? new Uint8Array(view) : view.slice()
}

function copyAt(memory: ArrayBufferLike, at: number, view: View): View {
  const TypedArray = (view instanceof Buffer ? Uint8Array : view.constructor) as new (
    memory: ArrayBufferLike,
    at: number,
    length: number,
  ) => View
  const copy = new TypedArray(memory, at, view.length)
  copy.set(view)
  return copy
}
