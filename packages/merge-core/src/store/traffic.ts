/** Requests to a store by kind. Each attempt counts, and each page of a list. */
export interface RequestCounts {
  get: number
  /** Whole objects, parts, and what begins and ends an upload of parts. */
  put: number
  /** Parts that the store copied itself. */
  copyPart: number
  list: number
  delete: number
}

/** What went through a store, in bytes and requests. */
export interface Traffic {
  read: number
  written: number
  /** By parts that the store copied itself. */
  copied: number
  readonly requests: RequestCounts
}

export function noTraffic(): Traffic {
  return { read: 0, written: 0, copied: 0, requests: { get: 0, put: 0, copyPart: 0, list: 0, delete: 0 } }
}

/** Adds `times` times what went through another store, or this one earlier. */
export function addTraffic(sum: Traffic, more: Readonly<Traffic>, times = 1): Traffic {
  for (const name of ['read', 'written', 'copied'] as const) sum[name] += times * more[name]
  for (const name of Object.keys(sum.requests) as (keyof RequestCounts)[]) {
    sum.requests[name] += times * more.requests[name]
  }
  return sum
}
