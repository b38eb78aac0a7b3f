// Data on its way to another thread: typed arrays are moved, not copied.
//
// A view that is part of a larger buffer would take all of it along, and leave its neighbours without theirs: it is copied out first.

/** Smaller buffers are cheaper to copy than to move. */
const MOVED_BYTES_MIN = 4096

/** The value with every large typed array in a buffer of its own, and these buffers. Arrays, plain objects and maps are walked. */
export function movable<T>(value: T): { readonly value: T; readonly transferList: ArrayBuffer[] } {
  const buffers = new Set<ArrayBuffer>()
  return { value: walk(value, buffers) as T, transferList: [...buffers] }
}

function walk(value: unknown, buffers: Set<ArrayBuffer>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return alone(value as Uint8Array<ArrayBuffer>, buffers)
  if (Array.isArray(value)) return value.map((each) => walk(each, buffers))
  if (value instanceof Map) return new Map([...value].map(([key, each]) => [key, walk(each, buffers)]))
  if (Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, walk(each, buffers)]))
}

function alone(view: Uint8Array<ArrayBuffer>, buffers: Set<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (!(view.buffer instanceof ArrayBuffer)) return view
  if (buffers.has(view.buffer)) return view.slice()
  const owned = view.byteLength === view.buffer.byteLength ? view : copyOf(view)
  if (owned.byteLength >= MOVED_BYTES_MIN) buffers.add(owned.buffer)
  return owned
}

/** `slice` of a Buffer would share its memory. */
function copyOf<V extends Uint8Array<ArrayBuffer>>(view: V): V {
  return (view instanceof Buffer ? new Uint8Array(view) : view.slice()) as V
}
