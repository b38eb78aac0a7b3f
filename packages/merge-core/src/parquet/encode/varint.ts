// Variable-length integers, seven bits a byte, least significant first (ULEB128; zigzag where signed).

/** Writes an unsigned integer of at most 32 bits; answers where it ends. */
export function writeVarint(value: number, out: Uint8Array, at: number): number {
  let rest = value >>> 0
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[at++] = rest
  return at
}

/** Writes a signed integer of 64 bits, given as halves; answers where it ends. */
export function writeZigzagVarint(low: number, high: number, out: Uint8Array, at: number): number {
  const sign = high >> 31
  let restLow = ((low << 1) ^ sign) >>> 0
  let restHigh = (((high << 1) | (low >>> 31)) ^ sign) >>> 0
  while (restHigh !== 0 || restLow > 0x7f) {
    out[at++] = (restLow & 0x7f) | 0x80
    restLow = ((restLow >>> 7) | (restHigh << 25)) >>> 0
    restHigh >>>= 7
  }
  out[at++] = restLow
  return at
}
