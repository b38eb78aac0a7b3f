// Merges and upkeep by the S3 store on a real server, behind a proxy that breaks three of four requests. When a request comes is not the
// seed's alone, so that a seed replays what lands and about what goes wrong.

import { afterAll, beforeAll, it } from 'vitest'
import type { ObjectStore } from '../src/store/object-store.ts'
import { expectConverges } from '../test/chaos-runs.ts'
import { drawFault } from '../test/chaos-store.ts'
import { randomFrom } from '../test/random-from.ts'
import { type S3FaultProxy, startS3FaultProxy, type WireFault, type WireRequest } from './fault-proxy.ts'
import { describeWithServers, type S3Server, startS3 } from './s3-servers.ts'

// `LASTWRITE_CHAOS_SEED=17` runs that seed alone, `LASTWRITE_S3_CHAOS_SEEDS=1000` so many.
const { LASTWRITE_CHAOS_SEED, LASTWRITE_S3_CHAOS_SEEDS = '20' } = process.env
const seeds =
  LASTWRITE_CHAOS_SEED === undefined
    ? [...Array(Number(LASTWRITE_S3_CHAOS_SEEDS)).keys()]
    : [Number(LASTWRITE_CHAOS_SEED)]

const IDLE_MS = 1_000

describeWithServers(['versitygw'], 'merges and upkeep on an S3 server of which three of four requests go wrong', () => {
  let server: S3Server
  let proxy: S3FaultProxy
  let clean: ObjectStore
  let bucket: string
  beforeAll(async () => {
    server = await startS3('versitygw')
    proxy = await startS3FaultProxy(server.endpoint)
    clean = server.openStore()
    bucket = await server.newBucket()
  })
  afterAll(async () => {
    await proxy.stop()
    await server.stop()
  })

  it.concurrent.each(seeds)('end with the table of the model, whole and without leftovers: seed %i', async (seed) => {
    const root = `${bucket}/seed-${seed}`
    const onWire = randomFrom(seed)
    const unconditional: string[] = []
    proxy.watch(root, (request) => {
      if (request.operation.endsWith('-overwrite')) unconditional.push(request.path)
      return wireFault(request, onWire)
    })
    const chaos = server.openStore({ endpoint: proxy.endpoint, random: () => 0, idleMsMax: IDLE_MS })
    await expectConverges(
      {
        chaos: { ...chaos, unproven: async () => null },
        clean,
        root,
        clock: { ms: Date.now() },
        isStoreOnTime: false,
        rounds: 1,
        settled: () => proxy.settled(root),
        unconditional: () => unconditional,
      },
      randomFrom(seed + 1_000_000),
    )
  })
})

function wireFault({ operation }: WireRequest, random: () => number): WireFault | null {
  switch (drawFault(random)) {
    case 'error':
      return random() < 0.5 ? { kind: 'reset-before' } : { kind: 'answer', status: 500, code: 'InternalError' }
    case 'throttled':
      return { kind: 'answer', status: 503, code: 'SlowDown' }
    case 'late':
      // A few so late that nobody waits for them any more.
      return { kind: 'late', ms: random() < 0.99 ? 10 * random() : 1.5 * IDLE_MS }
    case 'corrupt':
      // Of whole objects the server tells a checksum.
      return operation === 'get' ? { kind: 'flipped' } : null
    case 'lost':
      return { kind: 'reset-after' }
    default:
      return null
  }
}
