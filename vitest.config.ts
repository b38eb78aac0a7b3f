import { defineConfig } from 'vitest/config'

// `unit` needs nothing but Node; `interop` starts real engines (scripts/setup-parts.ts installs them).
export default defineConfig({
  test: {
    // By default Vitest leaves one core of two idle.
    maxWorkers: 2,
    projects: [
      { test: { name: 'unit', include: ['{packages/*,infra,benchmarks}/test/**/*.test.ts'], testTimeout: 120_000 } },
      {
        test: {
          name: 'interop',
          include: ['packages/*/interop/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          // Of tests that say they are concurrent: most of their time they wait.
          maxConcurrency: 12,
        },
      },
    ],
  },
})
