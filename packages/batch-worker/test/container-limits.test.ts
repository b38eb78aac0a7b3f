import { expect, it } from 'vitest'
import { defaultMemoryBytes, defaultThreads } from '../src/container-limits.ts'

const MIB = 1024 ** 2

it.each([
  ['no limit', null, 512, 8],
  ['512 MiB', 512, 256, 1],
  ['2 GiB', 2048, 1024, 2],
  ['30 GiB', 30_720, 15_360, 8],
])('takes of a machine with 8 processors and %s', (_, limit, memory, threads) => {
  const limitBytes = limit === null ? null : limit * MIB
  expect([defaultMemoryBytes(limitBytes), defaultThreads(limitBytes, 8)]).toEqual([memory * MIB, threads])
})
