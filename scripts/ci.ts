// Everything that must hold before a change is taken: the checks, all tests with their real parts, and the demo.
// Its last line counts them all; a skipped test counts as a failure (test.ts).

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { runChecks } from './check.ts'
import { report, runTests } from './test.ts'

const checks = runChecks()
const tests = runTests(['unit', 'interop'])
console.log('\n== demo: npm run demo')
const demo = spawnSync('npm', ['run', 'demo'], { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' })

const failed = [...checks.failed, ...(tests.failed > 0 ? ['tests'] : []), ...(demo.status === 0 ? [] : ['demo'])]
console.log(failed.length > 0 ? `\nfailed: ${failed.join('; ')}` : '\nall passed')
process.exitCode = report({
  passed: checks.passed.length + tests.passed + (demo.status === 0 ? 1 : 0),
  failed: checks.failed.length + tests.failed + (demo.status === 0 ? 0 : 1),
  skipped: tests.skipped,
})
