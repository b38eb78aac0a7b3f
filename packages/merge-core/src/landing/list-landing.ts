// Which landing objects there are.
//
// Firehose puts an object under the hour in which its oldest record arrived (`<prefix>2026/11/30/18/…`), and delivers for up to a day.
// An hour that ended 48 hours ago is closed: it is listed once a day, in a listing of the whole prefix, and a listing in between begins
// behind the closed hours. So what comes late is found late. No listing says what is merged, the ledger does.

import type { ListedObject, ObjectStore } from '../store/object-store.ts'
import { failureError } from '../store/stored-object.ts'

/** When prefixes were last listed whole, in epoch seconds. Only of prefixes whose closed hours are worth leaving out. */
export type WholeListings = ReadonlyMap<string, number>

export interface LandingListing {
  /** Each once, in the order of their names: with Firehose's names, the oldest first. */
  readonly objects: ListedObject[]
  /** `2026/11/28/18`: of a prefix or more the hours before were left out. Null where everything was listed. */
  readonly openSince: string | null
  /** Prefixes that were listed whole, as from now on closed hours are worth leaving out. */
  readonly whole: WholeListings
}

const HOUR_S = 3600
const WHOLE_EVERY_S = 24 * HOUR_S
const CLOSED_AFTER_S = 48 * HOUR_S
/** What one request lists. Leaving out fewer objects saves nothing. */
const CLOSED_OBJECTS_MIN = 1000
const HOUR_IN_NAME = /\/(\d{4})\/(\d\d)\/(\d\d)\/(\d\d)\/[^/]*$/
const HOUR_FOLDER = /^\d{4}\/\d\d\/\d\d\/\d\d\//

/** Every object under the prefixes. */
export async function listLanding(store: ObjectStore, prefixes: readonly string[]): Promise<ListedObject[]> {
  return (await listOpenLanding(store, prefixes, new Map(), 0)).objects
}

/** Objects under the prefixes, without closed hours where these were listed within a day. */
export async function listOpenLanding(
  store: ObjectStore,
  prefixes: readonly string[],
  listings: WholeListings,
  nowS: number,
): Promise<LandingListing> {
  const firstOpenHour = hourText(nowS - CLOSED_AFTER_S)
  const objects = new Map<string, ListedObject>()
  const whole = new Map<string, number>()
  let openSince: string | null = null
  for (const prefix of prefixes) {
    const leavesOut = isRecent(listings.get(prefix), nowS)
    const listed = await store.list(prefix, leavesOut ? { after: prefix + firstOpenHour } : {})
    if (listed.kind !== 'ok') throw failureError(prefix, 'listing', listed)
    if (leavesOut) openSince = firstOpenHour
    else if (mayLeaveOut(prefix, listed.objects, firstOpenHour)) whole.set(prefix, nowS)
    for (const object of listed.objects) objects.set(object.path, object)
  }
  return { objects: [...objects.values()].sort((a, b) => (a.path < b.path ? -1 : 1)), openSince, whole }
}

/** A time to come was told by a clock that was wrong. */
function isRecent(listedS: number | undefined, nowS: number): boolean {
  return listedS !== undefined && listedS <= nowS && nowS < listedS + WHOLE_EVERY_S
}

/** Whether the prefix is laid out by hours, as far as its names sort among these, and has enough in closed ones. */
function mayLeaveOut(prefix: string, objects: readonly ListedObject[], firstOpenHour: string): boolean {
  let closed = 0
  for (const { path } of objects) {
    const name = path.slice(prefix.length)
    if (name > '9999/') continue
    if (!HOUR_FOLDER.test(name)) return false
    if (name < firstOpenHour) closed++
  }
  return closed >= CLOSED_OBJECTS_MIN
}

function hourText(epochS: number): string {
  return new Date(epochS * 1000).toISOString().slice(0, 13).replace(/[-T]/g, '/')
}

/** Start of the hour under which an object lies, in epoch seconds; null where its name does not say. */
export function hourInName(path: string): number | null {
  const [, year, month, day, hour] = HOUR_IN_NAME.exec(path) ?? []
  return year === undefined ? null : Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour)) / 1000
}
