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
    { format: '{step} {bar} {value}/{total} {unit}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  )
  let step: MergeProgress['step'] | null = null
  return {
    show: (progress) => {
      const words = { step: progress.step.padEnd(6), unit: progress.unit }
      if (progress.step === step) {
        bar.setTotal(progress.total)
        bar.update(progress.done, words)
      } else {
        bar.stop()
        bar.start(progress.total, progress.done, words)
        step = progress.step
      }
    },
    stop: () => bar.stop(),
  }
}

function progressLines(): ProgressDisplay {
  let saidAt = performance.now()
  return {
    show: ({ step, done, total, unit }) => {
      if (performance.now() - saidAt < LINE_EVERY_MS) return
      saidAt = performance.now()
      warn(`${step}: ${count(done)} of ${count(total)} ${unit}`)
    },
    stop: () => {},
  }
}
