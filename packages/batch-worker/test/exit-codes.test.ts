import { DamagedObjectError, InputError, TryAgainError } from '@lastwrite/merge-core'
import { expect, it } from 'vitest'
import { describeError, exitCodeOf } from '../src/exit-codes.ts'

it.each([
  [new TryAgainError('lost the race'), 10],
  [new InputError('no such folder'), 20],
  [new DamagedObjectError('x.parquet', 'cut'), 21],
  [new TypeError('undefined is not a function'), 70],
  ['thrown text', 70],
])('ends with the exit code of semantics for %s', (error, code) => {
  expect(exitCodeOf(error)).toBe(code)
})

it('shows the stack of a defect, and only the message of what somebody can act on', () => {
  expect(describeError(new InputError('landing x: no such folder'))).toBe('lastwrite: landing x: no such folder')
  const defect = new TypeError('undefined is not a function')
  expect(describeError(defect)).toContain(defect.stack)
})
