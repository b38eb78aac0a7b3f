// Shows how far a merge is: a bar on a terminal; elsewhere a line now and then, and none for a merge that is soon done.

import type { MergeProgress } from '@lastwrite/merge-core'
import { Presets, SingleBar } from 'cli-progress'
import { count, warn } from './print.ts'

const LINE_EVERY_MS = 10_000

export interface ProgressDisplay {
  readonly show: (progress: MergeProgress) => void
  readonly stop: () => void
}

export function showProgress(options: { readonly quiet?: true }): ProgressDisplay {
  if (options.quiet === true) return { show: () => {}, stop: () => {} }
  return process.stderr.isTTY ? progressBar() : progressLines()
}

function progressBar(): ProgressDisplay {
  const bar = new SingleBar(
    { format: '{step} {bar} {words}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  )
  let step: MergeProgress['step'] | null = null
  return {
    show: (progress) => {
      const { done, total } = progress.step === 'commit' ? { done: 0, total: 1 } : progress
      const payload = { step: progress.step.padEnd(6), words: wordsOf(progress) }
      if (progress.step === step) {
        bar.setTotal(total)
        bar.update(done, payload)
      } else {
        bar.stop()
        bar.start(total, done, payload)
        step = progress.step
      }
    },
    stop: () => bar.stop(),
  }
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

function wordsOf(progress: MergeProgress): string {
  if (progress.step === 'commit') return `attempt ${progress.attempt}`
  return `${count(progress.done)} of ${count(progress.total)} ${progress.unit}`
}
