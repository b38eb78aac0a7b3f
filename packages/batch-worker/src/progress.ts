// Shows how far a command is: a bar on a terminal; elsewhere a line now and then, and none for one that is soon done.

import type { BackfillProgressStep, MergeProgress, ReplayProgress, VerifyProgress } from '@lastwrite/merge-core'
import { count, warn } from './print.ts'

const LINE_EVERY_MS = 10_000

export type Progress = MergeProgress | BackfillProgressStep | ReplayProgress | VerifyProgress

export interface ProgressDisplay {
  readonly show: (progress: Progress) => void
  readonly stop: () => void
}

export async function showProgress(options: { readonly quiet?: true }): Promise<ProgressDisplay> {
  if (options.quiet === true) return { show: () => {}, stop: () => {} }
  if (!process.stderr.isTTY) return progressLines()
  const { progressBar } = await import('./progress-bar.ts')
  return progressBar(wordsOf)
}

function progressLines(): ProgressDisplay {
  let saidAt = performance.now()
  return {
    show: (progress) => {
      if (performance.now() - saidAt < LINE_EVERY_MS) return
      saidAt = performance.now()
      warn(`${progress.step}: ${wordsOf(progress)}`)
    },
    stop: () => {},
  }
}

function wordsOf(progress: Progress): string {
  if (progress.step === 'commit') return `attempt ${progress.attempt}`
  return `${count(progress.done)} of ${count(progress.total)} ${progress.unit}`
}
