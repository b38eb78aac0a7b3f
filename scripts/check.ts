// The checks that run no test of behaviour: node scripts/check.ts

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const CHECKS = [
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'format and lint', command: 'biome', args: ['ci', '--error-on-warnings', '.'] },
  { name: 'unused files, exports and dependencies', command: 'knip', args: [] },
  {
    name: 'import directions',
    command: 'vitest',
    args: ['run', '--project', 'unit', '--reporter=dot', 'packages/merge-core/test/import-directions.test.ts'],
  },
] as const

/** Runs them all, one after the other, and returns the names of those that failed. */
export function runChecks(): { readonly passed: string[]; readonly failed: string[] } {
  const passed: string[] = []
  const failed: string[] = []
  for (const { name, command, args } of CHECKS) {
    console.log(`\n== ${name}: ${command} ${args.join(' ')}`)
    const { status } = spawnSync(command, args, { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' })
    ;(status === 0 ? passed : failed).push(name)
  }
  return { passed, failed }
}

if (import.meta.main) {
  const { passed, failed } = runChecks()
  console.log(`\n${passed.length} passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join('; ')}` : ''}`)
  process.exitCode = failed.length > 0 ? 1 : 0
}
