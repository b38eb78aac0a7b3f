// Real catalogs on loopback, each started for one test file, and a proxy before them that loses answers.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe } from 'vitest'
import {
  glueServer,
  motoPython,
  pythonFolder,
  restCatalogFolder,
  restCatalogJar,
  sparkRuntimeFolder,
  stampName,
} from '../../../scripts/parts.ts'
import { answering, freePort, runningProcess } from './s3-servers.ts'

export interface CatalogServer {
  readonly uri: string
  stop(): Promise<void>
}

/**
 * Iceberg's REST catalog. Its database lies in `folder`.
 * @param warehouse where it puts tables
 * @param properties of its catalog, such as how it reaches the warehouse
 */
export async function startRestCatalog(
  folder: string,
  warehouse = `file://${folder}/warehouse`,
  properties: Readonly<Record<string, string>> = {},
): Promise<CatalogServer> {
  const port = await freePort()
  const classPath = `${restCatalogFolder}:${restCatalogJar}`
  const settings = Object.entries(properties).map(([name, value]) => `${name}=${value}`)
  const args = [join(folder, 'catalog.db'), warehouse, String(port), ...settings]
  const child = spawn('java', ['-Xmx384m', '-cp', classPath, 'LoopbackRest', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const running = runningProcess(child)
  const uri = `http://127.0.0.1:${port}`
  await answering(`${uri}/v1/config`, running)
  return { uri, stop: running.stop }
}

/** Makes a namespace of one level. */
export async function createNamespace({ uri }: CatalogServer, name: string): Promise<void> {
  const answer = await fetch(`${uri}/v1/namespaces`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ namespace: [name] }),
  })
  if (!answer.ok) throw new Error(`namespace ${name}: ${answer.status} ${await answer.text()}`)
}

/** AWS Glue by moto, which honours VersionId. */
export async function startGlue(): Promise<CatalogServer> {
  const port = await freePort()
  const child = spawn(motoPython.program, [glueServer, '-H', '127.0.0.1', '-p', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const running = runningProcess(child)
  const uri = `http://127.0.0.1:${port}`
  await answering(uri, running)
  return { uri, stop: running.stop }
}

/** What becomes of a request that the server has answered: the caller never hears of it, or hears a status of the proxy's own. */
export type Loss = 'cut' | number

export interface LossyProxy extends CatalogServer {
  /** The answer to the next request that fits is lost, after the server acted. */
  loseNext(fits: (method: string, path: string, body: string) => boolean, loss: Loss): void
  /** Answers lost so far. */
  readonly lost: number
}

export async function startLossyProxy(upstream: string): Promise<LossyProxy> {
  let lost = 0
  let next: { fits: Parameters<LossyProxy['loseNext']>[0]; loss: Loss } | null = null

  async function pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await bytesOf(asked)
    const { method = 'GET', url = '/', headers } = asked
    const forwarded = request(new URL(url, upstream), { method, headers: { ...headers, host: new URL(upstream).host } })
    forwarded.end(body)
    const [response] = (await once(forwarded, 'response')) as [IncomingMessage]
    const bytes = await bytesOf(response)
    if (next?.fits(method, url, body.toString())) {
      const { loss } = next
      next = null
      lost++
      if (loss === 'cut') asked.socket.destroy()
      else answer.writeHead(loss).end('lost')
      return
    }
    answer.writeHead(response.statusCode!, { 'content-type': response.headers['content-type'] ?? '' }).end(bytes)
  }

  const server = createServer((asked, answer) => {
    pass(asked, answer).catch(() => asked.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get lost() {
      return lost
    },
    loseNext: (fits, loss) => {
      next = { fits, loss }
    },
    async stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(message as AsyncIterable<Buffer>))
}

type PartName = 'rest' | 'glue' | 'python' | 'spark'

/** A group of tests that need real catalogs. Where a part is missing they are skipped, and the reason is printed; in CI that throws. */
export function describeWithCatalogs(parts: readonly PartName[], name: string, body: () => void): void {
  const folders = { rest: restCatalogFolder, glue: motoPython.folder, python: pythonFolder, spark: sparkRuntimeFolder }
  const absent = parts.map((part) => folders[part]).find((folder) => !existsSync(join(folder, stampName)))
  if (absent !== undefined) {
    const missing = `${name}: ${absent} is not installed; run: npm run test:interop`
    if (process.env.CI === 'true') throw new Error(missing)
    console.warn(`${missing}; skipped`)
  }
  describe.skipIf(absent !== undefined)(name, body)
}
