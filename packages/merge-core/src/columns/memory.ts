// Memory for values that are all about to be written: not set to 0 first, which costs as much as copying them once.

/** Bytes of any content, in a buffer of their own. For those alone who write every one of them. */
export function unwrittenBytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
