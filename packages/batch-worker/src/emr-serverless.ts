// Has EMR Serverless do the tasks of a merge, and waits for it.
//
// The job's script goes beside the task files, so that each job runs the one that this version wrote its tasks for. The state of the job is
// asked for until it has ended; where the merge ends before, the job is cancelled, and where nobody is left to do that, it ends by itself
// at the deadline of the merge.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { debuglog } from 'node:util'
import {
  CancelJobRunCommand,
  EMRServerlessClient,
  GetJobRunCommand,
  type JobRun,
  StartJobRunCommand,
} from '@aws-sdk/client-emr-serverless'
import { type Environment, InputError, TryAgainError } from '@lastwrite/merge-core'
import { createObject } from '@lastwrite/merge-core/store/stored-object'
import { callOptions, lacksSettings } from './aws-calls.ts'
import { MERGE_TASK, REFUSED } from './spark-engine.ts'

export interface EmrServerless {
  /** Id of an application for Spark. */
  readonly application: string
  /** ARN of the role that its jobs read and write with. */
  readonly role: string
  readonly region?: string | undefined
  /** The merge is to end so many milliseconds after its start. */
  readonly deadlineMs?: number | undefined
}

/** Of a call: all three can be sent twice. */
const ATTEMPTS_MAX = 6
/** A job takes a minute to start; a merge should not wait much longer than it works. */
const WAIT_FIRST_MS = 1_000
const WAIT_MAX_MS = 15_000
/** What EMR Serverless takes. */
const TIMEOUT_MINUTES = { min: 5, max: 7 * 24 * 60 }

const debug = debuglog('lastwrite-spark')

/**
 * Returns when the results of the tasks stand beside their files.
 * @throws TryAgainError where the job failed or was stopped, InputError where it would fail again
 */
export async function runOnEmrServerless(
  { application: applicationId, role, region, deadlineMs }: EmrServerless,
  { store, random }: Pick<Environment, 'store' | 'random'>,
  taskFiles: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const client = new EMRServerlessClient({ maxAttempts: ATTEMPTS_MAX, ...(region !== undefined && { region }) })
  const script = taskFiles[0]!.replace(/[^/]+$/, 'merge_task.py')
  await createObject(store, script, await readFile(MERGE_TASK))
  const started = await answerOf(applicationId, () =>
    client.send(
      new StartJobRunCommand({
        applicationId,
        executionRoleArn: role,
        // Names of task files are used once: a request that is sent twice starts one job.
        clientToken: createHash('sha256').update(script).digest('hex'),
        name: 'lastwrite merge',
        jobDriver: { sparkSubmit: { entryPoint: script, entryPointArguments: [...taskFiles] } },
        ...(deadlineMs !== undefined && { executionTimeoutMinutes: timeoutMinutes(deadlineMs) }),
      }),
      callOptions(),
    ),
  )
  const job = { applicationId, jobRunId: started.jobRunId! }
  const run = await ended().catch(async (error) => {
    // Where even that fails the job goes on, and writes files that nobody names.
    await client.send(new CancelJobRunCommand(job), callOptions()).catch(debug)
    throw error
  })
  checkEnd(run)

  async function ended(): Promise<JobRun> {
    for (let waitMs = WAIT_FIRST_MS; ; waitMs = Math.min(2 * waitMs, WAIT_MAX_MS)) {
      await sleep(waitMs * (0.5 + 0.5 * random()), undefined, { signal })
      const { jobRun } = await answerOf(applicationId, () => client.send(new GetJobRunCommand(job), callOptions()))
      debug('%s %s %s', job.jobRunId, jobRun!.state, jobRun!.stateDetails)
      if (ENDS.includes(jobRun!.state!)) return jobRun!
    }
  }
}

const ENDS: readonly string[] = ['SUCCESS', 'FAILED', 'CANCELLED']

function timeoutMinutes(deadlineMs: number): number {
  const minutes = Math.ceil(deadlineMs / 60_000)
  return Math.min(Math.max(minutes, TIMEOUT_MINUTES.min), TIMEOUT_MINUTES.max)
}

function checkEnd({ applicationId, jobRunId, state, stateDetails }: JobRun): void {
  if (state === 'SUCCESS') return
  const isRefused = /\bExitCode: (\d+)/.exec(stateDetails ?? '')?.[1] === String(REFUSED)
  const remedy = isRefused ? 'mend what it says' : 'run again, or with --engine node'
  const said = stateDetails ? `; it said last:\n${stateDetails}` : ''
  const Failure = isRefused ? InputError : TryAgainError
  throw new Failure(
    `EMR Serverless job ${jobRunId} of application ${applicationId}: ended as ${state}; ${remedy}; nothing of it is visible${said}`,
  )
}

/** What the next run may find otherwise, beside calls that no answer came to, and answers of 500 and above. */
const PASSING = ['ConflictException', 'ServiceQuotaExceededException', 'ThrottlingException']

async function answerOf<T>(application: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (cause) {
    const { name, message, $metadata } = cause as Error & { readonly $metadata?: { readonly httpStatusCode?: number } }
    const status = $metadata?.httpStatusCode ?? 500
    const what = `EMR Serverless application ${application}: ${name}: ${message}`
    if (!lacksSettings(cause as Error) && (status >= 500 || PASSING.includes(name)))
      throw new TryAgainError(`${what}; run again`, { cause })
    const remedy = 'correct --emr-application, --emr-role or the rights of this process, or use --engine node'
    throw new InputError(`${what}; ${remedy}`, { cause })
  }
}
