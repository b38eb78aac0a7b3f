// Shared memory for the lines of one batch after another.
//
// V8 does not count shared memory among what a heap keeps alive: a thread that was given some holds it until its heap happens to be
// collected. Asked for anew with each batch it would pile up, so it is given back by hand.

export interface LineMemory {
  /** So many bytes, whatever they hold, for values of any width. */
  take(bytes: number): Uint8Array<SharedArrayBuffer>
  /** Nothing that was taken is used any more. */
  release(): void
}

/** Of what is not used the system gives no page. */
const SLAB_BYTES = 64 * 1024 * 1024
/** That of the widest value. */
const ALIGNMENT = 8

/** So many bytes and those up to where the next value may begin. */
export function alignedBytes(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

export function lineMemory(): LineMemory {
  const slabs: SharedArrayBuffer[] = []
  let slab = 0
  let used = 0
  return {
    take(bytes) {
      while (slab < slabs.length && used + bytes > slabs[slab]!.byteLength) {
        slab++
        used = 0
      }
      if (slab === slabs.length) slabs.push(new SharedArrayBuffer(Math.max(SLAB_BYTES, bytes)))
      const taken = new Uint8Array(slabs[slab]!, used, bytes)
      used += alignedBytes(bytes)
      return taken
    },
    release() {
      slab = 0
      used = 0
    },
  }
}
