import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** A file of its own for one long property: begun last, it would run alone. */
const LONGEST = /\/interop\/merge-model\.test\.ts$/

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => Number(LONGEST.test(b.moduleId)) - Number(LONGEST.test(a.moduleId)))
  }
}

// `unit` needs nothing but Node; `interop` starts real engines (scripts/setup-parts.ts installs them).
export default defineConfig({
  test: {
    // By default Vitest leaves one core of two idle.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: 'unit', include: ['{packages/*,infra,benchmarks}/test/**/*.test.ts'], testTimeout: 120_000 } },
      {
        test: {
          name: 'interop',
          include: ['{packages/*,infra}/interop/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // Of tests that say they are concurrent: most of their time they wait.
          maxConcurrency: 12,
        },
      },
    ],
  },
})
