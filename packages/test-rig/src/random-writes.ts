// Random writes to a table of DynamoDB Local, of every kind that changes an item, and some that change nothing.
//
// Keys belong to writers, so the writes of a key follow each other; each item holds the number of its last write (write-log.ts).

import type { AttributeMap, AttributeValue } from '@lastwrite/merge-core/change-lines'
import type { DynamoDBLocal } from './dynamodb-local.ts'
import { pick, randomItem, randomValue, SET_ATTRIBUTES } from './random-items.ts'
import { WRITE_ATTRIBUTE, type WriteLog } from './write-log.ts'

export interface RandomWrites {
  readonly dynamodb: DynamoDBLocal
  readonly tableName: string
  readonly log: WriteLog
  readonly random: () => number
  readonly writes: number
  /** At once. */
  readonly writers: number
  readonly keys: number
}

interface Slot {
  readonly key: AttributeMap
  /** Number of the last write of the item that stands; null where there is none. */
  write: number | null
  /** What the last put wrote, unless the item changed since or is large. */
  put: AttributeMap | null
}

const BATCH_MAX = 25
const SHARES = {
  batch: 0.05,
  transact: 0.05,
  update: 0.4,
  remove: 0.1,
  recreate: 0.04,
  ttl: 0.03,
  same: 0.02,
  large: 0.002,
}

/** Returns how many of each kind were written. */
export async function writeRandomly(settings: RandomWrites): Promise<Record<string, number>> {
  const { dynamodb, tableName: TableName, log, random, keys, writers } = settings
  const counts: Record<string, number> = {}
  let left = settings.writes
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(slotsOf(writer))))
  return counts

  function slotsOf(writer: number): Slot[] {
    const own = Math.ceil((keys - writer) / writers)
    return Array.from({ length: own }, (_, i) => ({ key: keyOf(i * writers + writer), write: null, put: null }))
  }

  async function write(slots: readonly Slot[]): Promise<void> {
    while (left > 0) {
      const slot = pick(slots, random)
      const kind = kindOf(random())
      const several = kind === 'batch' || kind === 'transact' ? someOf(slots, kind === 'batch' ? BATCH_MAX : 5) : [slot]
      const count = Math.min(left, several.length)
      left -= count
      counts[kind] = (counts[kind] ?? 0) + count
      if (kind === 'batch') await batch(several.slice(0, count))
      else if (kind === 'transact') await transact(several.slice(0, count))
      else await writeOne(kind, slot)
    }
  }

  async function writeOne(kind: string, slot: Slot): Promise<void> {
    if (kind === 'update') return act(slot, 'UpdateItem', updateOf(slot))
    if (kind === 'remove' || kind === 'ttl') return remove(slot, kind === 'ttl' ? 'ttl' : 'user')
    if (kind === 'recreate') await remove(slot, 'user')
    if (kind === 'same' && slot.put !== null) {
      // Changes nothing: no record, and the item keeps the number of its write.
      await dynamodb.call('PutItem', { TableName, Item: slot.put })
      return
    }
    await act(slot, 'PutItem', putOf(slot, kind === 'large'))
  }

  async function act(slot: Slot, operation: string, action: Action): Promise<void> {
    await dynamodb.call(operation, { TableName, ...action.input })
    took(slot, action)
  }

  async function remove(slot: Slot, by: 'user' | 'ttl'): Promise<void> {
    await dynamodb.call('DeleteItem', { TableName, Key: slot.key })
    removed(slot, by)
  }

  async function batch(slots: readonly Slot[]): Promise<void> {
    const actions = slots.map((slot) => (random() < 0.8 ? putOf(slot, false) : null))
    const requests = slots.map((slot, i) =>
      actions[i] === null ? { DeleteRequest: { Key: slot.key } } : { PutRequest: actions[i]!.input },
    )
    await dynamodb.call('BatchWriteItem', { RequestItems: { [TableName]: requests } })
    for (const [i, slot] of slots.entries()) settle(slot, actions[i]!)
  }

  async function transact(slots: readonly Slot[]): Promise<void> {
    const kinds = slots.map(() => pick(['Put', 'Update', 'Delete'] as const, random))
    const actions = slots.map((slot, i) =>
      kinds[i] === 'Put' ? putOf(slot, false) : kinds[i] === 'Update' ? updateOf(slot) : null,
    )
    const items = slots.map((slot, i) => ({
      [kinds[i]!]: { TableName, ...(actions[i]?.input ?? { Key: slot.key }) },
    }))
    await dynamodb.call('TransactWriteItems', { TransactItems: items })
    for (const [i, slot] of slots.entries()) settle(slot, actions[i]!)
  }

  function settle(slot: Slot, action: Action | null): void {
    if (action === null) removed(slot, 'user')
    else took(slot, action)
  }

  function took(slot: Slot, { write, put }: Action): void {
    log.wrote(write)
    slot.write = write
    slot.put = put
  }

  function removed(slot: Slot, by: 'user' | 'ttl'): void {
    if (slot.write !== null) log.removed(slot.write, by)
    slot.write = null
    slot.put = null
  }

  interface Action {
    readonly write: number
    readonly input: object
    readonly put: AttributeMap | null
  }

  function putOf(slot: Slot, isLarge: boolean): Action {
    const write = log.nextWrite()
    const item = { ...randomItem(random, isLarge), ...slot.key, [WRITE_ATTRIBUTE]: { N: String(write) } }
    return { write, input: { Item: item }, put: isLarge ? null : item }
  }

  /** Sets some attributes, removes others, and leaves the rest. Creates the item where there is none. */
  function updateOf(slot: Slot): Action {
    const write = log.nextWrite()
    const names: Record<string, string> = { '#w': WRITE_ATTRIBUTE }
    const values: Record<string, AttributeValue> = { ':w': { N: String(write) } }
    const sets = ['#w = :w']
    const removes: string[] = []
    for (const [i, name] of SET_ATTRIBUTES.entries()) {
      const chance = random()
      if (chance > 0.3) continue
      names[`#${i}`] = name
      if (chance > 0.25) {
        removes.push(`#${i}`)
      } else {
        values[`:${i}`] = randomValue(name, random)
        sets.push(`#${i} = :${i}`)
      }
    }
    const input = {
      Key: slot.key,
      UpdateExpression: `SET ${sets.join(', ')}${removes.length > 0 ? ` REMOVE ${removes.join(', ')}` : ''}`,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    }
    return { write, input, put: null }
  }

  function someOf(slots: readonly Slot[], most: number): readonly Slot[] {
    const count = Math.min(slots.length, 2 + Math.floor(random() * (most - 1)))
    const first = Math.floor(random() * slots.length)
    return Array.from({ length: count }, (_, i) => slots[(first + i) % slots.length]!)
  }
}

function kindOf(chance: number): string {
  let sum = 0
  for (const [kind, share] of Object.entries(SHARES)) {
    sum += share
    if (chance < sum) return kind
  }
  return 'put'
}

/** A partition key of text, and a sort key whose number the writers spell as they like. */
function keyOf(index: number): AttributeMap {
  const pk = `${['u', 'ü', '\u{1f980}', '\uffff'][index % 4]}#${index >> 2}`
  const sk = ['0', '-1.5', '12345678901234567890123456789012345678', '1E-20'][(index >> 2) % 4]!
  return { pk: { S: pk }, sk: { N: sk } }
}
