// JSON that loses no digit: Iceberg's ids are 64-bit integers, and JSON.parse rounds beyond 2^53.

declare global {
  interface JSON {
    rawJSON(text: string): unknown
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown,
    ): unknown
  }
}

/**
 * Integers beyond 2^53 become bigints. Numbers that would be written in other digits than they were read (1.0) become raw JSON texts.
 * Throws SyntaxError, and RangeError where the text nests too deeply.
 */
export function parseJson(text: string): unknown {
  return JSON.parse(text, (_key, value, context) =>
    typeof value === 'number' ? exactNumber(value, context.source) : value,
  )
}

function exactNumber(value: number, source: string): unknown {
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value) ? value : BigInt(source)
  return String(value) === source ? value : JSON.rawJSON(source)
}

/** Writes bigints as integers, on one line. */
export function writeJson(value: unknown): string {
  return JSON.stringify(value, (_key, each) => (typeof each === 'bigint' ? JSON.rawJSON(String(each)) : each))
}
