// When AWS Batch starts a job again: the exit codes of the worker, and ends that were not its own, as a retry strategy of a job definition.
//
// Batch takes the first rule that matches, and retries what none matches: so the last one matches everything. A job that Batch itself ends,
// at its timeout or because somebody terminated it, is never retried (AWS Batch User Guide, "Automated job retries").

import { TRY_AGAIN } from './exit-codes.ts'

/** A rule as the API of Batch and `CfnJobDefinition.EvaluateOnExitProperty` have it; a pattern may end with `*`. */
export interface ExitRule {
  readonly action: 'RETRY' | 'EXIT'
  readonly onExitCode?: string
  readonly onReason?: string
  readonly onStatusReason?: string
}

/** The most that Batch takes: a table that many write to loses races, and Spot capacity comes and goes. */
export const ATTEMPTS = 10

export const EVALUATE_ON_EXIT: readonly ExitRule[] = [
  { action: 'RETRY', onExitCode: String(TRY_AGAIN) },
  // Of EC2, Spot or not: "Host EC2 (instance i-0123456789abcdef0) terminated."
  { action: 'RETRY', onStatusReason: 'Host EC2*' },
  // Of Fargate Spot.
  { action: 'RETRY', onStatusReason: 'Your Spot Task was interrupted*' },
  // Nothing of ours ran: the image could not be pulled, or no network interface came in time.
  { action: 'RETRY', onStatusReason: 'Task failed to start*' },
  { action: 'EXIT', onReason: '*' },
]
