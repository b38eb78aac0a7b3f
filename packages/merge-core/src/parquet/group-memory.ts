// Memory for the bytes of a row group, read or encoded, to be used for one group after another.
//
// Shared memory: another thread can read a file into it and write a file from it, without its being moved there and coming back as fresh
// pages.

const FIRST_BYTES = 1 << 20

const free: GroupMemory[] = []

/** Two, so that one is read or written while the other is worked on. `freeMemories` gives them back. */
export function takeMemories(): [GroupMemory, GroupMemory] {
  return [free.pop() ?? new GroupMemory(), free.pop() ?? new GroupMemory()]
}

/** Nothing in them is used any more. */
export function freeMemories(memories: readonly GroupMemory[]): void {
  free.push(...memories)
}

export class GroupMemory {
  bytes: Uint8Array<ArrayBufferLike> = new Uint8Array(0)

  /** Makes room for so many bytes; those that are there stay. */
  reserve(bytes: number): void {
    if (this.bytes.length >= bytes) return
    const larger = new Uint8Array(new SharedArrayBuffer(Math.max(FIRST_BYTES, Math.ceil(bytes * 1.5))))
    larger.set(this.bytes)
    this.bytes = larger
  }
}
