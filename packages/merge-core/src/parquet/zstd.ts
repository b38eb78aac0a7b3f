// zstd from memory to memory of our own, with one context for all pages of a thread.
//
// zlib's synchronous functions make a context and a buffer for each call: a tenth of the time of rewriting a row group, and half of its
// garbage. They are made of a stream's write into a given buffer, which is called here directly. That write is not documented, so
// whatever is not exactly as expected gives null, the context is dropped, and the caller takes the documented function.

import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib'

/** What zlib's streams have inside. `writeSync` sets the state: bytes of room and of input that are left. */
interface Engine {
  readonly handle: {
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputBytes: number,
      out: Uint8Array,
      outAt: number,
      outBytes: number,
    ): void
    onerror: (message: string) => void
  }
  readonly state: Uint32Array
  failed: boolean
}

/** Null once a stream was not as expected. */
let compressor: Engine | null | undefined
let compressorParameters: Readonly<Record<number, number>> | undefined
let decompressor: Engine | null | undefined

/** Writes one frame of `bytes` to out[0 …], compressed by `parameters` (the same object at every call); answers its length, or null. */
export function compressFrame(
  bytes: Uint8Array,
  out: Uint8Array,
  parameters: Readonly<Record<number, number>>,
): number | null {
  if (compressor === undefined || compressorParameters !== parameters) {
    compressor = engineOf(createZstdCompress({ params: parameters }))
    compressorParameters = parameters
  }
  if (compressor === null) return null
  const { handle, state } = compressor
  handle.writeSync(constants.ZSTD_e_end, bytes, 0, bytes.length, out, 0, out.length)
  // Where no room is left the frame may not have ended.
  if (!compressor.failed && state[1] === 0 && state[0]! > 0) return out.length - state[0]!
  compressor = undefined
  return null
}

/** Writes what the frame in `bytes` holds to out[0 …], which must be longer; answers how many bytes, or null where it is no frame. */
export function decompressFrame(bytes: Uint8Array, out: Uint8Array): number | null {
  if (decompressor === undefined) decompressor = engineOf(createZstdDecompress())
  if (decompressor === null) return null
  const { handle, state } = decompressor
  handle.writeSync(constants.ZSTD_e_continue, bytes, 0, bytes.length, out, 0, out.length)
  if (!decompressor.failed && state[1] === 0 && state[0]! > 0) return out.length - state[0]!
  decompressor = undefined
  return null
}

function engineOf(stream: object): Engine | null {
  const { _handle: handle, _writeState: state } = stream as { _handle?: Engine['handle']; _writeState?: unknown }
  if (typeof handle?.writeSync !== 'function' || !(state instanceof Uint32Array) || state.length !== 2) return null
  const engine: Engine = { handle, state, failed: false }
  handle.onerror = () => {
    engine.failed = true
  }
  return engine
}
