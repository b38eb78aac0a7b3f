// Amazon S3, or a server that speaks its protocol, as an object store.
//
//   get       one request for each range, all of an object pinned by its tag; an attempt is a whole read: its length is counted, its
//             checksum verified where the server tells one
//   put       small objects whole, larger ones in parts; stretches of stored objects of at least 5 MiB are copied by the server. What
//             makes the object visible (PutObject, CompleteMultipartUpload) carries the condition and goes out once
//   retries   of all that can be sent twice, with full jitter, until the call's deadline; a server that throttles is asked less at once,
//             and `throttled` is answered when it is time to ask again
//
// The tag is S3's: two versions with the same bytes may share one, so a replace by tag is a comparison of contents.
// Objects whose name ends with a slash (consoles make them for folders) are not listed: no call here can name them.

import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import pMap from 'p-map'
import { InputError } from '../errors.ts'
import { resolveRange } from './byte-range.ts'
import { byLocation, parseLocation, parseObjectLocation } from './location.ts'
import type {
  AbandonOptions,
  AbandonResult,
  ByteRange,
  Failure,
  GetResult,
  ListedObject,
  ListOptions,
  ListResult,
  ObjectPart,
  ObjectStore,
  PutMode,
  PutOptions,
  PutResult,
} from './object-store.ts'
import { concurrencyLimit } from './s3/concurrency-limit.ts'
import { failureOf } from './s3/outcome.ts'
import { bytesOf, planParts, S3_LIMITS, S3_PARTS_MAX, seamsOf, type UploadedPart } from './s3/part-plan.ts'
import { noTraffic, type RequestCounts } from './traffic.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** When they run out; left out where nobody knows. */
  readonly expiration?: Date
}

export interface S3StoreSettings {
  /** Of another server than Amazon's: `http://127.0.0.1:7070`. */
  readonly endpoint?: string
  /** Default: as the environment or the profile says; with an endpoint `us-east-1`. */
  readonly region?: string
  /** `http://server/bucket/key` instead of `http://bucket.server/key`. Default: with an endpoint. */
  readonly forcePathStyle?: boolean
  /** Account that every bucket must belong to. */
  readonly expectedBucketOwner?: string
  /** Default: the SDK's chain of environment, profile and role. A function is asked again before they run out. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>)
  /** Requests under way at once. Default 32. */
  readonly concurrencyMax?: number
  /** An attempt ends when so long no byte came. Default 10 s. */
  readonly idleMsMax?: number
  /** A call ends, with all its attempts, when it took so long; those that move many bytes get more. Default 60 s. */
  readonly callMsMax?: number
  /** Slower connections than this are given up. Default 256. */
  readonly bytesPerMsMin?: number
  /** Uniform in [0, 1): jitter between attempts. */
  readonly random: () => number
}

/** Attempts of what can be sent twice. */
const ATTEMPTS_MAX = 8
const BACKOFF_FIRST_MS = 50
const BACKOFF_MAX_MS = 5_000
/** Objects up to this size are sent whole. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024
/** Parts of one object under way at once: they are held in memory. */
const PARTS_AT_ONCE = 4

interface Address {
  readonly Bucket: string
  readonly Key: string
}

type Command =
  | AbortMultipartUploadCommand
  | CompleteMultipartUploadCommand
  | CreateMultipartUploadCommand
  | DeleteObjectCommand
  | GetObjectCommand
  | HeadObjectCommand
  | ListMultipartUploadsCommand
  | ListObjectsV2Command
  | PutObjectCommand
  | UploadPartCommand
  | UploadPartCopyCommand

/** What is read of the answers. */
interface Answer {
  readonly ETag?: string
  readonly ContentLength?: number
  readonly UploadId?: string
  readonly CopyPartResult?: { readonly ETag?: string }
}

/** @throws InputError from its calls for a location that is not `s3://bucket/key`, or settings that have to be changed first */
export function s3Store(settings: S3StoreSettings): ObjectStore {
  const { endpoint, region, credentials, expectedBucketOwner, random } = settings
  const { concurrencyMax = 32, idleMsMax = 10_000, callMsMax = 60_000, bytesPerMsMin = 256 } = settings
  const msFor = (bytes: number): number => bytes / bytesPerMsMin
  const agent = { keepAlive: true, maxSockets: concurrencyMax }
  const client = new S3Client({
    maxAttempts: 1,
    ...(endpoint !== undefined && { endpoint, region: 'us-east-1' }),
    ...(region !== undefined && { region }),
    forcePathStyle: settings.forcePathStyle ?? endpoint !== undefined,
    ...(credentials !== undefined && { credentials }),
    requestHandler: { connectionTimeout: idleMsMax, httpAgent: agent, httpsAgent: agent },
  })
  // All that Upload asks of a client: so its commands go by the rules of all others.
  const uploadClient = {
    config: client.config,
    send: (command: Command) => send(command, S3_LIMITS.uploadBytesMax),
  } as unknown as S3Client
  const traffic = noTraffic()
  const limit = concurrencyLimit(concurrencyMax)
  /** Over all calls. */
  let throttledInARow = 0

  /** Sends a command that moves at most `bytes`, again where that is harmless and may help. */
  function send(command: Command, bytes = 0): Promise<Answer> {
    return sendAndRead(command, bytes, async (answer: Answer) => answer)
  }

  /** `read` is the rest of an attempt: it brings the answer's body. */
  async function sendAndRead<Output, Result>(
    command: Command,
    bytes: number,
    read: (output: Output, patience: Patience) => Promise<Result>,
  ): Promise<Result> {
    Object.assign(command.input, ownerOf(command))
    // Of all attempts together, from the first on: waiting for other calls is not the server's fault.
    const deadline = timeLimit(callMsMax + msFor(bytes), 'the call took too long')
    const attemptsMax = isSentOnce(command) ? 1 : ATTEMPTS_MAX
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          const result = await limit.run(() => attemptOnce(command, deadline, msFor(bytes), read), isThrottled)
          throttledInARow = 0
          return result
        } catch (error) {
          if (isThrottled(error)) throttledInARow++
          const isLast = attempt >= attemptsMax || deadline.signal.aborted || !mayPass(error)
          // Who is told that the server throttles may ask again at once, so it is told when it is time.
          if (isLast && !isThrottled(error)) throw error
          await sleep(random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.max(attempt, throttledInARow)))
          if (isLast) throw error
        }
      }
    } finally {
      deadline.stop()
    }
  }

  async function attemptOnce<Output, Result>(
    command: Command,
    deadline: TimeLimit,
    sendMs: number,
    read: (output: Output, patience: Patience) => Promise<Result>,
  ): Promise<Result> {
    traffic.requests[kindOf(command)]++
    const idle = timeLimit(idleMsMax + sendMs, 'nothing came')
    const signal = AbortSignal.any([deadline.signal, idle.signal])
    deadline.start()
    idle.start()
    try {
      const output = (await client.send(command as GetObjectCommand, { abortSignal: signal })) as Output
      const patience = {
        signal,
        moved: () => idle.restart(idleMsMax),
        expect: (bytes: number) => deadline.extend(msFor(bytes)),
      }
      return await read(output, patience)
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      idle.stop()
    }
  }

  function ownerOf(command: Command): object {
    if (expectedBucketOwner === undefined) return {}
    const owner = { ExpectedBucketOwner: expectedBucketOwner }
    return command instanceof UploadPartCopyCommand
      ? { ...owner, ExpectedSourceBucketOwner: expectedBucketOwner }
      : owner
  }

  async function getObject(path: string, range: ByteRange | undefined, etag: string | undefined): Promise<GetResult> {
    const address = addressOf(path)
    const pinned = { ...address, ...(etag !== undefined && { IfMatch: quoted(etag) }) }
    // HTTP has no range without bytes.
    if (range !== undefined && rangeBytes(range) === 0) return describe(path, pinned, range)
    const command = new GetObjectCommand({ ...pinned, ...(range !== undefined && { Range: rangeHeader(range) }) })
    try {
      return await sendAndRead(command, 0, (output: GetObjectCommandOutput, patience) =>
        readBody(path, range, output, patience),
      )
    } catch (error) {
      // Nothing of the range is in the object: it is empty or too short.
      if (range !== undefined && outcomeOf(error) === 'corrupt') return describe(path, pinned, range)
      throw error
    }
  }

  /** What a range gives that has no bytes in the object. */
  async function describe(path: string, pinned: Address & { IfMatch?: string }, range: ByteRange): Promise<GetResult> {
    const head = await send(new HeadObjectCommand(pinned))
    const objectBytes = head.ContentLength ?? 0
    const resolved = resolveRange(path, range, objectBytes)
    if (resolved.kind !== 'ok') return resolved
    const { start, end } = resolved
    if (start < end) return { kind: 'corrupt', cause: new Error(`${path}: the server gives no bytes of a range in it`) }
    return { kind: 'ok', bytes: new Uint8Array(0), etag: tagOf(path, head), objectBytes }
  }

  async function readBody(
    path: string,
    range: ByteRange | undefined,
    output: GetObjectCommandOutput,
    patience: Patience,
  ): Promise<GetResult> {
    const body = output.Body as Readable
    const close = () => body.destroy(patience.signal.reason)
    patience.signal.addEventListener('abort', close)
    // An error that comes when nobody waits for a chunk.
    body.on('error', () => {})
    try {
      // Of an answer that is no object's, nothing else means what it says.
      const etag = tagOf(path, output)
      const objectBytes = sizeOf(output)
      const resolved = resolveRange(path, range, objectBytes)
      if (resolved.kind !== 'ok') return resolved
      const bytes = new Uint8Array(resolved.end - resolved.start)
      patience.expect(bytes.length)
      let filled = 0
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        patience.moved()
        if (filled + chunk.length > bytes.length) throw wrongLength(path, filled + chunk.length, bytes.length)
        bytes.set(chunk, filled)
        filled += chunk.length
        traffic.read += chunk.length
      }
      if (filled < bytes.length) throw wrongLength(path, filled, bytes.length)
      return { kind: 'ok', bytes, etag, objectBytes }
    } finally {
      patience.signal.removeEventListener('abort', close)
      body.destroy()
    }
  }

  async function putObject(
    path: string,
    content: Uint8Array | readonly ObjectPart[],
    mode: PutMode,
    { signal }: PutOptions,
  ): Promise<PutResult> {
    const address = addressOf(path)
    const parts = content instanceof Uint8Array ? [{ kind: 'bytes' as const, bytes: content }] : content
    const objectBytes = parts.reduce((sum, part) => sum + bytesOf(part), 0)
    const planned = planParts(parts)
    const isCopied = planned.some((part) => part.kind === 'copy')
    if (!isCopied && objectBytes <= WHOLE_BYTES_MAX) {
      const bytes = await bringTogether(parts)
      if (!(bytes instanceof Uint8Array)) return bytes
      const command = new PutObjectCommand({ ...address, ...conditionOf(mode), Body: bytes })
      const etag = tagOf(path, await send(command, objectBytes))
      traffic.written += objectBytes
      return { kind: 'ok', etag, objectBytes }
    }
    if (parts.every((part) => part.kind === 'bytes')) return uploadBytes(path, parts, objectBytes, mode, signal)
    return uploadParts(path, planned, objectBytes, mode, signal)
  }

  async function uploadBytes(
    path: string,
    parts: readonly (ObjectPart & { kind: 'bytes' })[],
    objectBytes: number,
    mode: PutMode,
    signal: AbortSignal | undefined,
  ): Promise<PutResult> {
    const upload = new Upload({
      client: uploadClient,
      params: {
        ...addressOf(path),
        ...conditionOf(mode),
        Body: Readable.from(parts.map(({ bytes }) => bytes)),
        ContentLength: objectBytes,
      },
      partSize: S3_LIMITS.uploadBytesMax,
      queueSize: PARTS_AT_ONCE,
    })
    const abort = () => void upload.abort()
    signal?.addEventListener('abort', abort)
    try {
      const etag = tagOf(path, await upload.done())
      traffic.written += objectBytes
      return { kind: 'ok', etag, objectBytes }
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async function uploadParts(
    path: string,
    planned: readonly UploadedPart[],
    objectBytes: number,
    mode: PutMode,
    signal: AbortSignal | undefined,
  ): Promise<PutResult> {
    if (planned.length > S3_PARTS_MAX) {
      throw new Error(`${path}: ${planned.length} parts, and S3 takes ${S3_PARTS_MAX}; write smaller objects`)
    }
    const address = addressOf(path)
    const { UploadId } = await send(new CreateMultipartUploadCommand(address))
    const upload = { ...address, UploadId }
    try {
      const sent = await pMap(planned, (part, index) => sendPart(upload, part, index + 1), {
        concurrency: PARTS_AT_ONCE,
        ...(signal !== undefined && { signal }),
      })
      const failed = sent.find((part) => 'kind' in part)
      if (failed !== undefined) {
        await abandon(upload)
        return failed
      }
      const complete = { ...upload, ...conditionOf(mode), MultipartUpload: { Parts: sent as { ETag: string }[] } }
      const etag = tagOf(path, await send(new CompleteMultipartUploadCommand(complete)))
      return await verify(path, etag, objectBytes, planned)
    } catch (error) {
      await abandon(upload)
      throw error
    }
  }

  async function sendPart(
    upload: Address & { UploadId: string | undefined },
    part: UploadedPart,
    PartNumber: number,
  ): Promise<{ PartNumber: number; ETag: string } | Failure> {
    const target = { ...upload, PartNumber }
    if (part.kind === 'upload') {
      const bytes = await bringTogether(part.pieces)
      if (!(bytes instanceof Uint8Array)) return bytes
      const sent = await send(new UploadPartCommand({ ...target, Body: bytes }), bytes.length)
      traffic.written += bytes.length
      return { PartNumber, ETag: quoted(tagOf(upload.Key, sent)) }
    }
    const source = addressOf(part.from)
    const command = new UploadPartCopyCommand({
      ...target,
      CopySource: `${source.Bucket}/${source.Key.split('/').map(encodeURIComponent).join('/')}`,
      CopySourceRange: `bytes=${part.start}-${part.end - 1}`,
      CopySourceIfMatch: quoted(part.etag),
    })
    const bytes = part.end - part.start
    const copied = await send(command, bytes)
    traffic.copied += bytes
    return { PartNumber, ETag: quoted(tagOf(part.from, copied.CopyPartResult ?? {})) }
  }

  /**
   * A server that took another range than it was told would go unseen: no answer so far told a length. Where each copied part begins at
   * its place and the whole has its length, each part has its own.
   */
  async function verify(
    path: string,
    etag: string,
    objectBytes: number,
    planned: readonly UploadedPart[],
  ): Promise<PutResult> {
    const corrupt = (what: string): PutResult => ({
      kind: 'corrupt',
      cause: new Error(`${path}: put together of parts it ${what}`),
    })
    const { ContentLength } = await send(new HeadObjectCommand({ ...addressOf(path), IfMatch: quoted(etag) }))
    if (ContentLength !== objectBytes) return corrupt(`has ${ContentLength} bytes instead of ${objectBytes}`)
    const seams = await pMap(
      seamsOf(planned),
      async ({ at, part: { from, etag: sourceTag, start }, bytes }): Promise<PutResult | null> => {
        const copied = await getObject(path, { start: at, end: at + bytes }, etag)
        if (copied.kind !== 'ok') return copied
        const source = await getObject(from, { start, end: start + bytes }, sourceTag)
        if (source.kind !== 'ok') return source
        return Buffer.compare(copied.bytes, source.bytes) === 0
          ? null
          : corrupt(`holds other bytes at ${at} than ${from} at ${start}`)
      },
      { concurrency: PARTS_AT_ONCE },
    )
    return seams.find((seam) => seam !== null) ?? { kind: 'ok', etag, objectBytes }
  }

  /** Parts of an upload cost until it is ended. Where it cannot be, the bucket's rule for unfinished uploads does. */
  async function abandon(upload: Address & { UploadId: string | undefined }): Promise<void> {
    await send(new AbortMultipartUploadCommand(upload)).catch(() => {})
  }

  async function abandonUploads(prefix: string, { begunBeforeMs, dryRun }: AbandonOptions): Promise<AbandonResult> {
    const { path } = parseS3Location(prefix, parseLocation)
    const [bucket, ...rest] = path.split('/')
    let uploads = 0
    let marker: object | null = {}
    while (marker !== null) {
      const command: Command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: rest.join('/'), ...marker })
      const page: ListMultipartUploadsCommandOutput = await sendAndRead(
        command,
        0,
        async (output: ListMultipartUploadsCommandOutput) => output,
      )
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || Initiated === undefined || Initiated.getTime() >= begunBeforeMs) continue
        if (!dryRun) await send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
        uploads++
      }
      const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
      marker = page.IsTruncated ? { KeyMarker, UploadIdMarker } : null
    }
    return { kind: 'ok', uploads }
  }

  async function bringTogether(pieces: readonly ObjectPart[]): Promise<Uint8Array | Failure> {
    const brought = await pMap(pieces, bring, { concurrency: PARTS_AT_ONCE })
    const failed = brought.find((piece) => !(piece instanceof Uint8Array))
    if (failed !== undefined) return failed as Failure
    return brought.length === 1 ? (brought[0] as Uint8Array) : Buffer.concat(brought as Uint8Array[])
  }

  async function bring(piece: ObjectPart): Promise<Uint8Array | Failure> {
    if (piece.kind === 'bytes') return piece.bytes
    const got = await orFailure(piece.from, () => getObject(piece.from, piece, piece.etag))
    return got.kind === 'ok' ? got.bytes : got
  }

  async function listObjects(prefix: string, { after }: ListOptions): Promise<ListResult> {
    const { path } = parseS3Location(prefix, parseLocation)
    const [bucket, ...rest] = path.split('/')
    const start = after === undefined ? {} : { StartAfter: addressOf(after).Key }
    const objects: ListedObject[] = []
    let token: string | undefined
    do {
      const command: Command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: rest.join('/'),
        ...(token === undefined ? start : { ContinuationToken: token }),
      })
      const page = await sendAndRead(command, 0, async (output: ListObjectsV2CommandOutput) => output)
      for (const { Key, ETag, Size, LastModified } of page.Contents ?? []) {
        if (Key === undefined || Key.endsWith('/')) continue
        const found = `s3://${bucket}/${Key}`
        parseObjectLocation(found)
        objects.push({
          path: found,
          etag: tagOf(found, { ETag }),
          objectBytes: Size ?? 0,
          modifiedMs: LastModified?.getTime() ?? 0,
        })
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
    return { kind: 'ok', objects: objects.sort(byLocation) }
  }

  return {
    traffic,
    unproven: async () => endpoint ?? 'Amazon S3',
    get: (path, options = {}) => orFailure(path, () => getObject(path, options.range, options.etag)),
    put: (path, content, mode, options = {}) => orFailure(path, () => putObject(path, content, mode, options)),
    abandonUploads: (prefix, options) => orFailure(prefix, () => abandonUploads(prefix, options)),
    list: (prefix, options = {}) => orFailure(prefix, () => listObjects(prefix, options)),
    delete: (path) =>
      orFailure(path, async () => {
        await send(new DeleteObjectCommand(addressOf(path)))
        return { kind: 'ok' }
      }),
  }
}

async function orFailure<T>(path: string, act: () => Promise<T>): Promise<T | Failure> {
  try {
    return await act()
  } catch (error) {
    return failureOf(path, error)
  }
}

/** Null for an error that no call may hide. */
function outcomeOf(error: unknown): Failure['kind'] | null {
  try {
    return failureOf('', error).kind
  } catch {
    return null
  }
}

const isThrottled = (error: unknown): boolean => outcomeOf(error) === 'throttled'

/** What a further attempt may change. */
function mayPass(error: unknown): boolean {
  const kind = outcomeOf(error)
  return kind === 'throttled' || kind === 'unknown' || (kind === 'corrupt' && (error as Error).name !== 'InvalidRange')
}

/** Sent again, what makes an object visible would meet itself. */
function isSentOnce(command: Command): boolean {
  return command instanceof PutObjectCommand || command instanceof CompleteMultipartUploadCommand
}

function kindOf(command: Command): keyof RequestCounts {
  if (command instanceof GetObjectCommand || command instanceof HeadObjectCommand) return 'get'
  if (command instanceof ListObjectsV2Command || command instanceof ListMultipartUploadsCommand) return 'list'
  if (command instanceof DeleteObjectCommand) return 'delete'
  return command instanceof UploadPartCopyCommand ? 'copyPart' : 'put'
}

/** How long the reader of a body may wait. */
interface Patience {
  /** Aborted when nothing moved for too long, or the deadline passed. */
  readonly signal: AbortSignal
  /** Some bytes came. */
  moved(): void
  /** So many bytes are to come, which nobody knew before. */
  expect(bytes: number): void
}

interface TimeLimit {
  readonly signal: AbortSignal
  /** Begins, unless it has begun. */
  start(): void
  /** Begins again, with another length. */
  restart(ms: number): void
  /** Once: begins again with so much on top. */
  extend(ms: number): void
  stop(): void
}

function timeLimit(ms: number, what: string): TimeLimit {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let isExtended = false
  const restart = (lengthMs: number): void => {
    clearTimeout(timer)
    const abort = () => controller.abort(namedError('TimeoutError', `${what}: over ${Math.round(lengthMs)} ms`))
    timer = setTimeout(abort, lengthMs)
  }
  return {
    signal: controller.signal,
    start: () => {
      if (timer === undefined) restart(ms)
    },
    restart,
    extend: (moreMs) => {
      if (!isExtended) restart(ms + moreMs)
      isExtended = true
    },
    stop: () => clearTimeout(timer),
  }
}

function addressOf(location: string): Address {
  const { path } = parseS3Location(location, parseObjectLocation)
  const cut = path.indexOf('/')
  if (cut > 0) return { Bucket: path.slice(0, cut), Key: path.slice(cut + 1) }
  throw new InputError(`location ${JSON.stringify(location)}: names a bucket, not an object`)
}

function parseS3Location(location: string, parse: typeof parseLocation): ReturnType<typeof parseLocation> {
  const parsed = parse(location)
  if (parsed.scheme === 's3://' && !parsed.path.startsWith('/')) return parsed
  throw new InputError(`location ${JSON.stringify(location)}: not of S3; write s3://bucket/name`)
}

function conditionOf(mode: PutMode): { readonly IfNoneMatch?: '*'; readonly IfMatch?: string } {
  switch (mode.kind) {
    case 'create':
      return { IfNoneMatch: '*' }
    case 'replace':
      return { IfMatch: quoted(mode.etag) }
    case 'overwrite':
      return {}
  }
}

/** In headers tags are quoted, in the lists of some servers they are not: here they never are. */
function tagOf(path: string, { ETag }: { readonly ETag?: string | undefined }): string {
  if (ETag !== undefined && ETag !== '') return ETag.replace(/^"(.*)"$/, '$1')
  const what = `${path}: the server gave it no ETag, and nothing can be pinned without; use another server`
  throw namedError('MissingETag', what)
}

const quoted = (etag: string): string => `"${etag}"`

/** 0 for the whole object, whose size nobody knows yet, is no range. */
function rangeBytes(range: ByteRange | undefined): number {
  if (range === undefined) return 0
  return 'suffix' in range ? range.suffix : range.end - range.start
}

function rangeHeader(range: ByteRange): string {
  return 'suffix' in range ? `bytes=-${range.suffix}` : `bytes=${range.start}-${range.end - 1}`
}

/** Of the whole object. */
function sizeOf({ ContentRange, ContentLength }: GetObjectCommandOutput): number {
  const total = /\/(\d+)$/.exec(ContentRange ?? '')?.[1]
  return total === undefined ? (ContentLength ?? 0) : Number(total)
}

function wrongLength(path: string, came: number, wanted: number): Error {
  return namedError('LengthMismatch', `${path}: ${came} bytes came where ${wanted} were to come`)
}

function namedError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}
