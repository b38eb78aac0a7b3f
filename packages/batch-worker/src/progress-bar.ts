import type { MergeProgress } from '@lastwrite/merge-core'
import { Presets, SingleBar } from 'cli-progress'
import type { ProgressDisplay } from './progress.ts'

/** On a terminal's standard error; `wordsOf` says how far it is. */
export function progressBar(wordsOf: (progress: MergeProgress) => string): ProgressDisplay {
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
