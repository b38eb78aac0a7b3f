import { describe, expect, it } from 'vitest'
import { readAhead } from '../src/files/read-ahead.ts'

describe('reading ahead', () => {
  it('has the next item under way while one is worked on, and no more', async () => {
    const started: number[] = []
    const seen: [number, string, number[]][] = []
    const read = async (item: number) => {
      started.push(item)
      return `read ${item}`
    }
    for await (const [item, text] of readAhead([1, 2, 3], read)) seen.push([item, text, [...started]])
    expect(seen).toEqual([
      [1, 'read 1', [1, 2]],
      [2, 'read 2', [1, 2, 3]],
      [3, 'read 3', [1, 2, 3]],
    ])
  })

  it('fails when the turn comes of the item that could not be read', async () => {
    const seen: number[] = []
    const all = (async () => {
      const read = async (item: number) => {
        if (item === 2) throw new Error('torn')
      }
      for await (const [item] of readAhead([1, 2, 3], read)) seen.push(item)
    })()
    await expect(all).rejects.toThrow('torn')
    expect(seen).toEqual([1])
  })

  it('lets the failure of the next item go where it is not asked for', async () => {
    const unhandled: unknown[] = []
    const note = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', note)
    const read = async (item: number) => {
      if (item === 2) throw new Error('torn')
    }
    for await (const [item] of readAhead([1, 2], read)) if (item === 1) break
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  it('ends at once where there is nothing to read', async () => {
    for await (const _ of readAhead([], async () => 0)) expect.unreachable()
  })
})
