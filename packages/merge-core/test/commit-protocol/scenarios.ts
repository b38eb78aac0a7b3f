// Small enough to visit every state of them; together they hold everything that can happen.

import type { Change, Key, Scenario } from './world.ts'

const put = (key: Key, version: number): Change => ({ key, version, operation: 'put' })
const copy = (change: Change): Change => ({ ...change, isCopy: true })
const remove = (key: Key, version: number): Change => ({ key, version, operation: 'remove' })

export const SCENARIOS = {
  'two runs and a bad network': {
    catalog: 'folder',
    changes: { put1: put('a', 1), remove2: remove('a', 2), other3: put('b', 3) },
    landed: ['put1'],
    runs: 2,
    attempts: 3,
    chances: { lostAnswers: 1, delays: 1, resends: 1, crashes: 1 },
  },
  'three runs that are killed': {
    catalog: 'folder',
    changes: { put1: put('a', 1), remove2: remove('a', 2), put1again: copy(put('a', 1)) },
    landed: ['put1'],
    runs: 3,
    attempts: 2,
    chances: { crashes: 1, lostAnswers: 1 },
  },
  'two runs beside another engine': {
    catalog: 'folder',
    changes: { put1: put('a', 1), remove2: remove('a', 2) },
    landed: ['put1'],
    runs: 2,
    attempts: 3,
    chances: { rewrites: 1, foreignRollbacks: 1, propertyChanges: 1, metadataDeletions: 1, lostAnswers: 1 },
  },
  'two runs beside another engine on a REST server': {
    catalog: 'rest',
    changes: { put1: put('a', 1), remove2: remove('a', 2) },
    landed: ['put1'],
    runs: 2,
    attempts: 3,
    chances: { rewrites: 1, foreignRollbacks: 1, propertyChanges: 1, delays: 1 },
  },
  'two runs beside a rollback and expire on a REST server': {
    catalog: 'rest',
    changes: { put1: put('a', 1), put2: put('a', 2) },
    landed: ['put1'],
    runs: 2,
    attempts: 2,
    upkeep: ['rollback-reapply', 'expire'],
    chances: { lostAnswers: 1, halfDays: 2 },
  },
  'two runs beside a rollback that skips': {
    catalog: 'folder',
    changes: { put1: put('a', 1), put2: put('a', 2), put2again: copy(put('a', 2)) },
    landed: ['put1'],
    runs: 2,
    attempts: 2,
    upkeep: ['rollback-skip'],
    chances: { lostAnswers: 1, rewrites: 1 },
  },
  'two runs beside a purge on a REST server': {
    catalog: 'rest',
    changes: { put1: put('a', 1), remove2: remove('a', 2), put1again: copy(put('a', 1)), other1: put('b', 1) },
    landed: ['put1', 'remove2'],
    runs: 2,
    attempts: 2,
    upkeep: ['purge'],
    chances: { delays: 1, crashes: 1 },
  },
  'three runs and a main that is set back': {
    catalog: 'folder',
    changes: { put1: put('a', 1), put2: put('a', 2), put3: put('a', 3) },
    landed: ['put1'],
    runs: 3,
    attempts: 1,
    chances: { foreignRollbacks: 1, rewrites: 1 },
  },
  'a run and a clean that sleep': {
    catalog: 'folder',
    changes: { put1: put('a', 1) },
    landed: ['put1'],
    runs: 1,
    attempts: 2,
    upkeep: ['clean'],
    chances: { halfDays: 5, delays: 1, lostAnswers: 1, propertyChanges: 1 },
  },
  'queries while expire deletes': {
    catalog: 'folder',
    changes: { put1: put('a', 1), put2: put('a', 2) },
    landed: ['put1'],
    runs: 2,
    attempts: 1,
    upkeep: ['expire'],
    chances: { halfDays: 3, queries: 1 },
  },
  'queries while clean deletes what another engine expired': {
    catalog: 'folder',
    changes: { put1: put('a', 1), put2: put('a', 2) },
    landed: ['put1'],
    runs: 2,
    attempts: 1,
    upkeep: ['clean'],
    chances: { halfDays: 3, queries: 1, foreignExpires: 1 },
  },
} satisfies Record<string, Scenario>

export type ScenarioName = keyof typeof SCENARIOS
