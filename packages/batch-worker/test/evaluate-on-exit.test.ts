import { expect, it } from 'vitest'
import { ATTEMPTS, EVALUATE_ON_EXIT, type ExitRule } from '../src/evaluate-on-exit.ts'
import { exitCodeOf } from '../src/exit-codes.ts'

/** How an attempt ended, as DescribeJobs tells it. */
interface AttemptEnd {
  readonly exitCode?: number
  readonly reason?: string
  readonly statusReason?: string
}

const EXITED = 'Essential container in task exited'

/** What Batch does by its documentation: the first rule of which every condition holds; none holds: retry. */
function actionOf({ exitCode, reason = '', statusReason = '' }: AttemptEnd): ExitRule['action'] {
  const rule = EVALUATE_ON_EXIT.find(
    ({ onExitCode, onReason, onStatusReason }) =>
      matches(onExitCode, String(exitCode ?? '')) && matches(onReason, reason) && matches(onStatusReason, statusReason),
  )
  return rule?.action ?? 'RETRY'
}

function matches(pattern: string | undefined, text: string): boolean {
  if (pattern === undefined) return true
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

function thrown(name: string): Error {
  return Object.assign(new Error('x'), { name })
}

it('starts a job again that says so by its exit code, and no other', () => {
  const actions = ['TryAgainError', 'InputError', 'DamagedObjectError', 'TypeError'].map((name) =>
    actionOf({ exitCode: exitCodeOf(thrown(name)), statusReason: EXITED }),
  )
  expect(actions).toEqual(['RETRY', 'EXIT', 'EXIT', 'EXIT'])
})

it.each([
  ['RETRY', 'lost its host', { statusReason: 'Host EC2 (instance i-0123456789abcdef0) terminated.' }],
  ['RETRY', 'lost its Fargate Spot capacity', { exitCode: 137, statusReason: 'Your Spot Task was interrupted.' }],
  ['RETRY', 'was never started', { statusReason: 'Task failed to start', reason: 'CannotPullContainerError: timeout' }],
  [
    'EXIT',
    'had too little memory',
    { exitCode: 137, reason: 'OutOfMemoryError: Container killed due to memory usage' },
  ],
  ['EXIT', 'was killed by a fault of the processor', { exitCode: 139, statusReason: EXITED }],
  ['EXIT', 'ended in a way that nobody thought of', { statusReason: 'Something new' }],
] as const)('decides %s for a job that %s', (action, _, end) => {
  expect(actionOf(end)).toBe(action)
})

it('is a retry strategy that Batch takes', () => {
  expect(ATTEMPTS).toBe(10)
  expect(EVALUATE_ON_EXIT.length).toBeLessThanOrEqual(5)
  for (const { onExitCode = '1', onReason = 'x', onStatusReason = 'x' } of EVALUATE_ON_EXIT) {
    expect(onExitCode).toMatch(/^[0-9]+\*?$/)
    expect(onReason).toMatch(/^[\w\s.:]*\*?$/)
    expect(onStatusReason).toMatch(/^[\w\s.:]*\*?$/)
  }
  expect(EVALUATE_ON_EXIT.at(-1)).toEqual({ action: 'EXIT', onReason: '*' })
})
