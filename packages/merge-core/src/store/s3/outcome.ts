// What an error of the S3 client says about the call: one of the store's outcome classes.
//
// The name decides. The status does only where the name says nothing (an answer without a body, a proxy's own page): for an error
// inside a 200 the client shows a status of its own making.

import { InputError } from '../../errors.ts'
import type { Failure } from '../object-store.ts'

/** The server is certain that it did not act for want of capacity. */
const THROTTLED = new Set([
  'SlowDown',
  'ServiceUnavailable',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'BandwidthLimitExceeded',
])
const CONFLICT = new Set(['PreconditionFailed', 'ConditionalRequestConflict', 'OperationAborted'])
const MISSING = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion'])
const DENIED = new Set([
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'ExpiredToken',
  'Forbidden',
  'InvalidAccessKeyId',
  'InvalidObjectState',
  'InvalidToken',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
])
/** What came, or what was to be copied, is not as long as it must be, or has another checksum. */
const CORRUPT = new Set(['InvalidRange', 'ChecksumMismatch', 'LengthMismatch'])
/** Lost on the way: the same call, made again, may well succeed. */
const UNKNOWN = new Set([
  'AbortError',
  'BadDigest',
  'IncompleteBody',
  'InternalError',
  // An answer of 200 that has something else in it.
  'MissingETag',
  'NoSuchUpload',
  'RequestTimeout',
  'TimeoutError',
  'XAmzContentSHA256Mismatch',
  'XAmzContentChecksumMismatch',
])

/** What a person has to change, by the error's name. */
const REMEDIES: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket; correct the location, or create the bucket',
  InvalidBucketName:
    'no bucket has such a name: 3 to 63 lower-case letters, digits, dots and hyphens; correct the location',
  PermanentRedirect: "the bucket lies in another region; give the bucket's own with --region",
  AuthorizationHeaderMalformed: "the bucket lies in another region; give the bucket's own with --region",
  RegionMissing: "no region; give the buckets' own with --region, or set AWS_REGION",
  CredentialsProviderError: 'no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role',
}

/**
 * @throws InputError where the settings must be changed first; the error itself where it is a defect: a request that no server takes
 */
export function failureOf(path: string, error: unknown): Failure {
  if (!(error instanceof Error) || error instanceof InputError) throw error
  const { name } = error
  const remedy = REMEDIES[name] ?? (/^Region is missing/.test(error.message) ? REMEDIES.RegionMissing : undefined)
  if (remedy !== undefined) throw new InputError(`${path}: ${remedy} (${said(error)})`, { cause: error })
  if (CONFLICT.has(name)) return { kind: 'conflict' }
  if (MISSING.has(name)) return { kind: 'missing' }
  if (DENIED.has(name)) return { kind: 'denied', cause: withName(error) }
  if (THROTTLED.has(name)) return { kind: 'throttled', cause: withName(error) }
  if (CORRUPT.has(name) || /^Checksum mismatch\b/.test(error.message)) return { kind: 'corrupt', cause: error }
  if (UNKNOWN.has(name)) return { kind: 'unknown', cause: withName(error) }
  return failureOfStatus(statusOf(error), error)
}

function failureOfStatus(status: number | undefined, error: Error): Failure {
  switch (status) {
    case 401:
    case 403:
      return { kind: 'denied', cause: withName(error) }
    case 404:
      return { kind: 'missing' }
    case 409:
    case 412:
      return { kind: 'conflict' }
    case 429:
    case 503:
      return { kind: 'throttled', cause: withName(error) }
    default:
      // No status: the connection failed, before or after the server acted.
      if (status === undefined ? isOfConnection(error) : status < 400 || status >= 500) {
        return { kind: 'unknown', cause: withName(error) }
      }
      throw error
  }
}

function statusOf(error: Error): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

/** Errors of sockets carry a code. Those of a parser that met the end of a cut answer carry the answer. */
function isOfConnection(error: Error): boolean {
  return 'code' in error || '$response' in error || '$metadata' in error
}

/** Messages of S3 are terse, and some servers leave them out. */
function withName(error: Error): Error {
  return new Error(said(error), { cause: error })
}

function said({ name, message }: Error): string {
  if (message === '' || message === name) return name
  return message.includes(name) || name === 'Error' ? message : `${name}: ${message}`
}
