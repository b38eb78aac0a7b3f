// A server on loopback that gives the answers a test lays out and remembers what it was asked.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  /** With its query, as it came. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** `cut`: the connection ends without an answer. `hang`: nothing ever comes. A text is sent as it stands, with status 200. */
export type Answer = { readonly status?: number; readonly body?: object } | string | 'cut' | 'hang'

export interface ScriptedServer {
  readonly uri: string
  readonly asked: Asked[]
  stop(): Promise<void>
}

export async function scriptedServer(answerTo: (asked: Asked) => Answer): Promise<ScriptedServer> {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
    const one = { method: request.method!, path: request.url!, headers: request.headers, body }
    asked.push(one)
    const answer = answerTo(one)
    if (answer === 'hang') return
    if (answer === 'cut') request.socket.destroy()
    else if (typeof answer === 'string') response.end(answer)
    else response.writeHead(answer.status ?? 200).end(JSON.stringify(answer.body ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}
