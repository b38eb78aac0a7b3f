// Real S3 servers on loopback, each started for one test file, and a bucket for each test.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { describe } from 'vitest'
import { ministackPython, stampName, toxiproxy, versitygw } from '../../../scripts/parts.ts'
import type { ObjectStore } from '../src/store/object-store.ts'
import { type S3StoreSettings, s3Store } from '../src/store/s3.ts'
import { randomFrom } from '../test/random-from.ts'

export interface S3Server {
  readonly endpoint: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Makes a bucket, of a name of its own where none is given, and returns its location, `s3://name`. */
  newBucket(name?: string): Promise<string>
  openStore(settings?: Partial<S3StoreSettings>): ObjectStore
  /** What a child process needs to reach it. */
  readonly environment: Record<string, string>
  stop(): Promise<void>
}

export type ServerName = 'versitygw' | 'ministack'

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'testsecret' }
const START_MS_MAX = 60_000

/** @param kept where versitygw's objects lie and stay; a folder that goes with the server by default */
export async function startS3(name: ServerName, kept?: string): Promise<S3Server> {
  const port = await freePort()
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'lastwrite-s3-'))
  const child = name === 'versitygw' ? startVersitygw(port, folder) : startMinistack(port)
  const running = runningProcess(child)
  const endpoint = `http://127.0.0.1:${port}`
  await answering(endpoint, running)
  return s3At(endpoint, CREDENTIALS, async () => {
    await running.stop()
    if (kept === undefined) rmSync(folder, { recursive: true })
  })
}

/** A server that runs already. */
export function s3At(
  endpoint: string,
  credentials: S3Server['credentials'],
  stop: () => Promise<void> = async () => {},
): S3Server {
  const region = 'us-east-1'
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  let buckets = 0
  return {
    endpoint,
    credentials,
    environment: {
      LASTWRITE_ENDPOINT: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    async newBucket(name) {
      const Bucket = name ?? `lastwrite-${process.pid}-${Date.now().toString(36)}-${buckets++}`
      await client.send(new CreateBucketCommand({ Bucket }))
      return `s3://${Bucket}`
    },
    openStore: (settings = {}) => s3Store({ endpoint, credentials, random: randomFrom(1), ...settings }),
    async stop() {
      client.destroy()
      await stop()
    },
  }
}

export interface FaultProxy {
  readonly endpoint: string
  /** Adds a toxic (toxiproxy's own JSON: type, stream, attributes). */
  add(toxic: object): Promise<void>
  reset(): Promise<void>
  stop(): Promise<void>
}

/** A TCP proxy before a server, which delays, cuts and resets at will. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const [controlPort, port] = [await freePort(), await freePort()]
  const child = spawn(toxiproxy.program, ['-host', '127.0.0.1', '-port', String(controlPort)], { stdio: 'ignore' })
  const running = runningProcess(child)
  const control = `http://127.0.0.1:${controlPort}`
  await answering(`${control}/version`, running)
  const post = async (path: string, body?: object): Promise<void> => {
    const answer = await fetch(control + path, { method: 'POST', body: JSON.stringify(body ?? {}) })
    if (!answer.ok) throw new Error(`toxiproxy ${path}: ${answer.status} ${await answer.text()}`)
  }
  await post('/proxies', { name: 's3', listen: `127.0.0.1:${port}`, upstream: new URL(upstream).host, enabled: true })
  return {
    endpoint: `http://127.0.0.1:${port}`,
    add: (toxic) => post('/proxies/s3/toxics', toxic),
    reset: () => post('/reset'),
    stop: running.stop,
  }
}

type PartName = ServerName | 'toxiproxy'

/** A group of tests that need real servers. Where one is missing they are skipped, and the reason is printed; in CI that throws. */
export function describeWithServers(parts: readonly PartName[], name: string, body: () => void): void {
  const folders = { versitygw: versitygw.folder, ministack: ministackPython.folder, toxiproxy: toxiproxy.folder }
  const absent = parts.map((part) => folders[part]).find((folder) => !existsSync(join(folder, stampName)))
  if (absent !== undefined) {
    const missing = `${name}: ${absent} is not installed; run: npm run test:interop`
    if (process.env.CI === 'true') throw new Error(missing)
    console.warn(`${missing}; skipped`)
  }
  describe.skipIf(absent !== undefined)(name, body)
}

function startVersitygw(port: number, folder: string): ChildProcess {
  const [objects, versions] = [join(folder, 'objects'), join(folder, 'versions')]
  mkdirSync(objects, { recursive: true })
  mkdirSync(versions, { recursive: true })
  const args = ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', '--versioning-dir', versions, objects]
  const env = {
    ...process.env,
    ROOT_ACCESS_KEY: CREDENTIALS.accessKeyId,
    ROOT_SECRET_KEY: CREDENTIALS.secretAccessKey,
  }
  return spawn(versitygw.program, args, { stdio: ['ignore', 'ignore', 'pipe'], env })
}

function startMinistack(port: number): ChildProcess {
  const program = join(dirname(ministackPython.program), 'ministack')
  const env = { ...process.env, BIND_HOST: '127.0.0.1', GATEWAY_PORT: String(port) }
  return spawn(program, { stdio: ['ignore', 'ignore', 'pipe'], env })
}

export interface RunningProcess {
  /** Why it ended, or null while it runs. */
  readonly ended: string | null
  stop(): Promise<void>
}

export function runningProcess(child: ChildProcess): RunningProcess {
  let ended: string | null = null
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000)
  })
  child.on('error', (error) => {
    ended = error.message
  })
  child.on('exit', (code, signal) => {
    ended = `ended with ${code ?? signal}: ${said}`
  })
  return {
    get ended() {
      return ended
    },
    async stop() {
      if (ended !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** Any HTTP answer will do: servers refuse what is not signed. */
export async function answering(url: string, running: RunningProcess): Promise<void> {
  for (const startMs = Date.now(); Date.now() - startMs < START_MS_MAX; await sleep(50)) {
    if (running.ended !== null) throw new Error(`${url}: ${running.ended}`)
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return
  }
  await running.stop()
  throw new Error(`${url}: no answer within ${START_MS_MAX} ms`)
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
