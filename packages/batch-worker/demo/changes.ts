// What really changed between published versions of a data package, as a DynamoDB stream would have told it.
//
// `@mdn/browser-compat-data` says for each feature of the web platform which browser has it. One item is one feature in one
// browser. A version that adds it is an insert, one that says something else a modify, one that leaves it out a remove, in the
// order of publication; each has a higher sequence number than all before it.

import { createRequire } from 'node:module'

export interface Item {
  readonly feature: string
  readonly browser: string
  readonly [attribute: string]: Json | undefined
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json | undefined }

export interface Change {
  readonly operation: 'insert' | 'modify' | 'remove'
  readonly sequence: bigint
  /** Epoch seconds. */
  readonly at: number
  readonly feature: string
  readonly browser: string
  /** Null for a removal. */
  readonly item: Item | null
}

export interface Publication {
  readonly version: string
  /** Epoch seconds. */
  readonly publishedAt: number
  readonly changes: readonly Change[]
}

/** The dev dependencies that hold four versions of the package, in the order of their publication. */
export const PUBLISHED = ['bcd-8.1.5', 'bcd-8.1.6', 'bcd-8.1.7', 'bcd-8.1.9']

/** The parts of the web platform that the demo follows: about a third of the data. */
const AREAS = ['css', 'html', 'javascript']

/** Sequence numbers begin just below a power of ten, so that their length grows within the first version: real ones differ in length. */
const FIRST_SEQUENCE = 10n ** 22n - 1_000_000_000n
const CHANGES_A_SECOND = 400

export function* readPublications(packages: readonly string[]): Generator<Publication> {
  const require = createRequire(import.meta.url)
  let before = new Map<string, Item>()
  let sequence = FIRST_SEQUENCE
  for (const name of packages) {
    const data = require(name) as CompatData
    const after = itemsOf(data)
    const publishedAt = Math.floor(Date.parse(data.__meta.timestamp) / 1000)
    const changes: Change[] = []
    for (const [operation, key, item] of differences(before, after)) {
      // Gaps as a shard that serves other partitions leaves them.
      sequence += BigInt(7_919 + ((changes.length * 104_729) % 50_021))
      const at = publishedAt + Math.floor(changes.length / CHANGES_A_SECOND)
      const versioned = item === null ? null : { ...item, changed_in: data.__meta.version }
      changes.push({ operation, sequence, at, feature: key.feature, browser: key.browser, item: versioned })
    }
    yield { version: data.__meta.version, publishedAt, changes }
    before = after
  }
}

function* differences(
  before: ReadonlyMap<string, Item>,
  after: ReadonlyMap<string, Item>,
): Generator<[Change['operation'], Item, Item | null]> {
  for (const [key, item] of before) if (!after.has(key)) yield ['remove', item, null]
  for (const [key, item] of after) {
    const old = before.get(key)
    if (old === undefined) yield ['insert', item, item]
    else if (JSON.stringify(old) !== JSON.stringify(item)) yield ['modify', item, item]
  }
}

interface CompatData {
  readonly __meta: { readonly timestamp: string; readonly version: string }
  readonly browsers: { readonly [browser: string]: Browser }
  readonly [area: string]: unknown
}

interface Browser {
  readonly releases: { readonly [version: string]: { readonly release_date?: string } }
}

interface Compat {
  readonly support: { readonly [browser: string]: Support | readonly Support[] }
  readonly status?: { readonly deprecated: boolean; readonly experimental: boolean; readonly standard_track: boolean }
  readonly mdn_url?: string
  readonly spec_url?: string | readonly string[]
  readonly tags?: readonly string[]
}

type Support = { readonly version_added: string | false | null; readonly [property: string]: Json | undefined }

function itemsOf(data: CompatData): Map<string, Item> {
  const items = new Map<string, Item>()
  const areas = Object.fromEntries(AREAS.map((area) => [area, data[area]]))
  for (const [feature, compat] of features(areas, '')) {
    for (const [browser, support] of Object.entries(compat.support)) {
      items.set(`${feature} ${browser}`, toItem(feature, browser, compat, support, data.browsers[browser]))
    }
  }
  return items
}

function* features(node: Record<string, unknown>, path: string): Generator<[string, Compat]> {
  for (const [name, child] of Object.entries(node)) {
    if (name === '__compat') yield [path, child as Compat]
    else if (!name.startsWith('__') && typeof child === 'object' && child !== null) {
      yield* features(child as Record<string, unknown>, path === '' ? name : `${path}.${name}`)
    }
  }
}

function toItem(
  feature: string,
  browser: string,
  compat: Compat,
  support: Support | readonly Support[],
  known: Browser | undefined,
): Item {
  const statements = Array.isArray(support) ? (support as readonly Support[]) : [support as Support]
  const added = statements[0]?.version_added
  const release = typeof added === 'string' ? known?.releases[added.replace('≤', '')] : undefined
  return {
    feature,
    browser,
    area: feature.slice(0, feature.indexOf('.')),
    supported: typeof added === 'string' && statements[0]?.version_removed === undefined,
    version_added: typeof added === 'string' ? added : undefined,
    available_since: release?.release_date,
    deprecated: compat.status?.deprecated,
    experimental: compat.status?.experimental,
    standard_track: compat.status?.standard_track,
    statements: statements.length,
    mdn_url: compat.mdn_url,
    // Text for most features, a list for some: the column is declared as text, so lists are kept in `_extra`.
    spec_url: compat.spec_url,
    support: statements,
    tags: compat.tags,
  }
}
