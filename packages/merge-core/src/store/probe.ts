// Shows that a store's conditional writes work, before a table rests on them.
//
//   1  what is created once cannot be created again
//   2  a replace by a stale tag, and one of what is not there, leave things as they are; one by the right tag does not
//   3  of eight who create one object at the same time one wins, and its bytes stand
//   4  of eight who replace one version at the same time one wins, and its bytes stand
//
// A server that ignores the conditions, or checks them and writes in two steps, fails one of these. Passing proves nothing of a server
// that is wrong only now and then: its own documents have to say that it compares and writes atomically.

import { InputError } from '../errors.ts'
import type { Failure, ObjectStore, PutMode, PutResult } from './object-store.ts'
import { failureError } from './stored-object.ts'

const RACERS = 8
const RACES = 2
const CREATE: PutMode = { kind: 'create' }

/**
 * @param server how the refusal names the store
 * @param folder where a few small objects may be written, under a name that was never used; they are deleted again
 * @throws InputError naming the server and the check that failed; TryAgainError where no clear answer came; InputError where a right
 *   is missing
 */
export async function probeStore(store: ObjectStore, server: string, folder: string): Promise<void> {
  const written = new Set<string>()
  const put = (name: string, text: string, mode: PutMode): Promise<PutResult> => {
    const path = `${folder}/${name}`
    written.add(path)
    return store.put(path, new TextEncoder().encode(text), mode)
  }
  const check = (holds: boolean, what: string): void => {
    if (holds) return
    throw new InputError(
      `${server}: ${what}. Writers would overwrite each other's commits: use a store with conditional writes ` +
        `(If-None-Match and If-Match on PutObject), or a catalog that keeps the pointer elsewhere`,
    )
  }
  const stands = async (name: string, text: string): Promise<boolean> => {
    const path = `${folder}/${name}`
    const got = await store.get(path)
    if (got.kind !== 'ok') throw unclear(path, 'reading', got)
    return new TextDecoder().decode(got.bytes) === text
  }

  try {
    const first = etagOf(folder, await put('once', 'first', CREATE))
    const again = settled(folder, await put('once', 'second', CREATE))
    check(again === 'conflict' && (await stands('once', 'first')), 'an object that exists was created again')

    const replacing = await put('once', 'second', { kind: 'replace', etag: first })
    check(replacing.kind !== 'missing', 'an object that was just created is not there to be replaced')
    const second = etagOf(folder, replacing)
    check(await stands('once', 'second'), 'a replace by the right tag did not write')
    const stale = settled(folder, await put('once', 'third', { kind: 'replace', etag: first }))
    check(stale === 'conflict' && (await stands('once', 'second')), 'a replace by a stale tag was not refused')
    const none = settled(folder, await put('none', 'third', { kind: 'replace', etag: second }))
    check(none === 'missing' || none === 'conflict', 'a replace of an object that does not exist created it')

    for (let race = 0; race < RACES; race++) {
      const name = `race-${race}`
      const created = await winnerOf(folder, (text) => put(name, text, CREATE))
      check(created.winners === 1, `of ${RACERS} who created one object at once ${created.winners} won`)
      check(await stands(name, created.text), 'of several who created one object at once the bytes of a loser stand')
      const { etag } = created
      const replaced = await winnerOf(folder, (text) => put(name, `${text} again`, { kind: 'replace', etag }))
      check(replaced.winners === 1, `of ${RACERS} who replaced one version at once ${replaced.winners} won`)
      check(
        await stands(name, `${replaced.text} again`),
        'of several who replaced one version at once the bytes of a loser stand',
      )
    }
  } finally {
    // A role that may not delete leaves them behind: they lie where cleaning looks.
    await Promise.all([...written].map((path) => store.delete(path)))
  }
}

async function winnerOf(folder: string, act: (text: string) => Promise<PutResult>) {
  const texts = Array.from({ length: RACERS }, (_, racer) => `racer ${racer}`)
  const results = await Promise.all(texts.map(act))
  const won = texts.filter((_, racer) => settled(folder, results[racer]!) === 'ok')
  const etag = results.find((result) => result.kind === 'ok')?.etag ?? ''
  return { winners: won.length, text: won[0] ?? '', etag }
}

function etagOf(folder: string, result: PutResult): string {
  if (result.kind === 'ok') return result.etag
  throw unclear(folder, 'writing', result)
}

/** The outcome of a put that a condition may have stopped. */
function settled(folder: string, result: PutResult): 'ok' | 'conflict' | 'missing' {
  if (result.kind === 'ok' || result.kind === 'conflict' || result.kind === 'missing') return result.kind
  throw unclear(folder, 'writing', result)
}

function unclear(path: string, doing: string, failure: Failure): Error {
  return failureError(path, `probing the store: ${doing}`, failure)
}
