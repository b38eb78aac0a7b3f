import { Presets, SingleBar } from 'cli-progress'
import type { Progress, ProgressDisplay } from './progress.ts'

/** On a terminal's standard error; `wordsOf` says how far it is. */
export function progressBar(wordsOf: (progress: Progress) => string): ProgressDisplay {
  const bar = new SingleBar(
    { format: '{step} {bar} {words}', stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  )
  let step: Progress['step'] | null = null
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
