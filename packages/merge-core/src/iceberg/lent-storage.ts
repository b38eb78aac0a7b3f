// What a REST catalog lends to reach the files of a table ("vended credentials": `storage-credentials` and `config` of an answer).

/** Settings of S3 for everything below a prefix. */
export interface LentStorage {
  /** With its scheme: `s3://bucket/table`. */
  readonly prefix: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly endpoint?: string
  readonly region?: string
  readonly pathStyle?: boolean
  /** Epoch milliseconds; null where the server does not say. */
  readonly runsOutMs: number | null
}

/** What an answer lends: by prefix, or in its plain configuration for the table's location. Empty where it lends nothing. */
export function lentStorage(location: string, body: Readonly<Record<string, unknown>>): LentStorage[] {
  const common = textsIn(body.config)
  const listed = Array.isArray(body['storage-credentials']) ? body['storage-credentials'] : []
  const byPrefix = listed.flatMap((each: { prefix?: unknown; config?: unknown } | null) =>
    typeof each?.prefix === 'string' ? settingsIn(each.prefix, { ...common, ...textsIn(each.config) }) : [],
  )
  return byPrefix.length > 0 ? byPrefix : settingsIn(`${location.replace(/\/+$/, '')}/`, common)
}

/** When the first of them runs out, in epoch milliseconds. */
export function runsOutMs(storage: readonly LentStorage[]): number {
  return Math.min(Number.POSITIVE_INFINITY, ...storage.flatMap((each) => each.runsOutMs ?? []))
}

/** Names as the Java and Python implementations read them. */
function settingsIn(prefix: string, config: Readonly<Record<string, string>>): LentStorage[] {
  const accessKeyId = config['s3.access-key-id']
  const secretAccessKey = config['s3.secret-access-key']
  if (accessKeyId === undefined || secretAccessKey === undefined) return []
  const sessionToken = config['s3.session-token']
  const endpoint = config['s3.endpoint']
  const region = config['s3.region'] ?? config['client.region']
  const pathStyle = config['s3.path-style-access']
  const expires = config['s3.session-token-expires-at-ms'] ?? config['expiration-time']
  return [
    {
      prefix,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      ...(endpoint !== undefined && { endpoint }),
      ...(region !== undefined && { region }),
      ...(pathStyle !== undefined && { pathStyle: pathStyle === 'true' }),
      runsOutMs: expires !== undefined && /^\d+$/.test(expires) ? Number(expires) : null,
    },
  ]
}

function textsIn(config: unknown): Record<string, string> {
  if (typeof config !== 'object' || config === null) return {}
  return Object.fromEntries(
    Object.entries(config).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
