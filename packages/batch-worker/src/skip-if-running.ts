// `--skip-if-running`: a scheduled run that comes while an earlier one is at work leaves it to that one and to the next.
//
// It only saves work. Where the queue does not tell, for want of the right to ask it or otherwise, the run goes ahead.

import { InputError } from '@lastwrite/merge-core'
import { DONE, isDefect } from './exit-codes.ts'
import type { LogOptions, OutputOptions, SkipOptions, StoreOptions } from './options.ts'
import { print, printJson, toJson, warn } from './print.ts'
import { type RunOf, skipSummary } from './run-summary.ts'

interface Options extends LogOptions, OutputOptions, SkipOptions, Pick<StoreOptions, 'region'> {
  readonly commitJob?: string
}

/** Does a run's work, unless a job that does the same is under way and the run is to be skipped then. */
export async function unlessRunning(run: RunOf, options: Options, work: () => Promise<void>): Promise<void> {
  const running = options.skipIfRunning ? await runningInQueue(options) : null
  if (running === null) return work()
  if (options.log === 'json') warn(toJson(skipSummary(run, running, process.env)))
  if (options.json) printJson({ skipped: running })
  else if (options.log === 'text' && !options.quiet)
    print(`${run.location}: nothing done, as the job ${running.name} (${running.id}) is ${running.status}`)
  process.exitCode = DONE
}

async function runningInQueue(options: Options) {
  const { AWS_BATCH_JOB_ID: id, AWS_BATCH_JQ_NAME: queue } = process.env
  if (id === undefined || queue === undefined)
    throw new InputError(
      '--skip-if-running asks the queue of the job that this process is, and AWS_BATCH_JOB_ID and AWS_BATCH_JQ_NAME name none; ' +
        'leave it out outside of AWS Batch',
    )
  const { findRunning } = await import('./batch-jobs.ts')
  try {
    return await findRunning({ id, queue }, options)
  } catch (error) {
    if (isDefect(error)) throw error
    warn(`warning: ${(error as Error).message}; going ahead without`)
    return null
  }
}
