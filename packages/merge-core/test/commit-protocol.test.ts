// Every order of steps that a few small worlds allow (commit-protocol/protocol.ts), with all safeguards, and without each in turn.

import { describe, expect, it } from 'vitest'
import { checkProtocol } from './commit-protocol/protocol.ts'
import { SAFEGUARDS, type Safeguard } from './commit-protocol/safeguards.ts'
import { SCENARIOS, type ScenarioName } from './commit-protocol/scenarios.ts'

const STATES_MAX = 5_000_000

describe('the commit protocol', () => {
  it.each(Object.keys(SCENARIOS) as ScenarioName[])('keeps its promises in every state of %s', (name) => {
    const { states, counterexample } = checkProtocol(SCENARIOS[name], null, STATES_MAX)
    console.log(`${name}: ${states} states`)
    expect(counterexample).toBeNull()
    expect(states).toBeGreaterThan(1000)
  })

  /** Where each is missed first, and by what. */
  const missed: readonly (readonly [Safeguard, ScenarioName, RegExp])[] = [
    ['the pointer is compared before it is swapped', 'two runs and a bad network', /was committed twice|is gone/],
    [
      'a folder is listed again after a version was created',
      'two runs beside another engine',
      /says that it merged put1, it merged nothing/,
    ],
    ['the history is searched after a lost answer', 'two runs and a bad network', /merged nothing, it merged put1/],
    ['the history is searched after a conflict', 'two runs and a bad network', /merged nothing, it merged put1/],
    ['the ledger is read again for each attempt', 'two runs and a bad network', /counted twice in the ledger/],
    [
      'a result is used again only for the task that it was made for',
      'two runs and a bad network',
      /holds a@1, and should hold nothing/,
    ],
    ['nothing is cleaned up after a lost answer', 'two runs and a bad network', /is named and was deleted/],
    [
      'names are never used twice',
      'two runs beside a rollback and expire on a REST server',
      /holds a@2, and should hold a@1/,
    ],
    ['the ledger changes with the snapshot', 'two runs and a bad network', /the ledger knows put1, .* it is lost/],
    ['the tombstones change with the snapshot', 'three runs that are killed', /holds a@1, and should hold nothing/],
    ['state changes only with a snapshot', 'two runs beside a purge on a REST server', /the watermark fell/],
    ['files over half a day old are not committed', 'a run and a clean that sleep', /is named and was deleted/],
    [
      'a merge refuses a main that was set back by others',
      'three runs and a main that is set back',
      /the ledger knows put2, .* it is lost/,
    ],
    [
      'a rollback brings back the state of its target',
      'two runs beside a rollback and expire on a REST server',
      /the ledger knows put\d, .* it is lost/,
    ],
    [
      'a rollback is made for the head that was looked at',
      'two runs beside a rollback that skips',
      /which nobody had looked at/,
    ],
    [
      'a rollback sets main to its target first',
      'two runs beside a rollback and expire on a REST server',
      /is named and was deleted/,
    ],
    [
      'the watermark rises where tombstones go',
      'two runs beside a purge on a REST server',
      /holds .*a@1.*, and should hold/,
    ],
    ['a purge stops at what is not merged', 'two runs beside a purge on a REST server', /and should hold .*b@1/],
    ['clean leaves what is younger than a day', 'a run and a clean that sleep', /is named and was deleted/],
    ['clean lists before it reads what is named', 'a run and a clean that sleep', /is named and was deleted/],
    [
      'clean asks the metadata of the last day',
      'queries while clean deletes what another engine expired',
      /from under a query/,
    ],
    [
      'expire leaves the files of snapshots that were current within a day',
      'queries while expire deletes',
      /from under a query/,
    ],
  ]

  it('has been seen to need each safeguard', () => {
    expect(missed.map(([safeguard]) => safeguard)).toEqual(SAFEGUARDS)
  })

  it.each(missed)('needs that %s', (safeguard, name, wrong) => {
    const { counterexample } = checkProtocol(SCENARIOS[name], safeguard, STATES_MAX)
    expect(counterexample?.at(-1)).toMatch(wrong)
  })

  it('tells what happened where it is broken', () => {
    const name = 'three runs that are killed'
    const { counterexample } = checkProtocol(SCENARIOS[name], 'the tombstones change with the snapshot', STATES_MAX)
    expect(counterexample).toEqual([
      'remove2 lands',
      'run 1 lists put1, remove2',
      'run 1 merges put1, remove2 into the empty table and writes the files of run 1.1',
      'run 1 commits run 1.1: it is made',
      'put1again lands',
      'run 2 lists put1, put1again, remove2',
      'run 2 merges put1again into run 1.1 and writes the files of run 2.1',
      'run 2 commits run 2.1: it is made',
      'run 2.1 holds a@1, and should hold nothing',
    ])
  })
})
