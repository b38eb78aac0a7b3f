// How a command is asked to end before its end: by SIGTERM or SIGINT, or at its deadline.
//
// Asked once, what has begun is finished where it is near and left to the next run where it is not. Asked again, or where that takes
// too long, the process ends at once: what it had not committed is not there for anybody, as after a kill.

import { TRY_AGAIN } from './exit-codes.ts'
import { warn } from './print.ts'

/** A container is killed 30 s after SIGTERM, where nobody says otherwise. */
const GRACE_MS = 25_000
/** For calls that a stopped run has let go: an upload that it gave up is still told so. */
const LET_GO_MS = 3_000

let stop: (why: string) => void = endAtOnce

/** Of the process. Without a handler the first process of a container would not end at all. */
export function listenForSignals(): void {
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop(`stopped by ${name}`))
}

/** Does work that ends early when its signal is aborted. `deadline`: milliseconds until that happens by itself. */
export async function untilStopped<T>(
  { deadline }: { readonly deadline?: number },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const before = stop
  let grace: NodeJS.Timeout | undefined
  stop = (why) => {
    if (controller.signal.aborted) return endAtOnce(why)
    warn(`${why}: a commit that has begun is finished; another signal ends it at once`)
    grace = setTimeout(endAtOnce, GRACE_MS, `${why}, and not at an end ${GRACE_MS / 1000} s later`)
    controller.abort(new Error(why))
  }
  const timer = deadline === undefined ? undefined : setTimeout(stop, deadline, 'stopped at its deadline')
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    clearTimeout(grace)
    stop = before
  }
}

/** Lets the process of a command that is to be run again end, though calls that nobody waits for may be under way. */
export function endSoon(): void {
  setTimeout(() => process.exit(), LET_GO_MS).unref()
}

function endAtOnce(why: string): never {
  warn(`lastwrite: ${why}; what was committed stands, run the same command again`)
  process.exit(TRY_AGAIN)
}
