// Everything that must hold before a change is taken: the checks, all tests with their real parts, the demo, and that the benchmark's
// contestants all come to the right table (how fast they do is shown, and decides nothing).
// Its last line counts them all; a skipped test counts as a failure (test.ts).

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { runChecks } from './check.ts'
import { report, runTests } from './test.ts'

const COMMANDS = [
  'npm run demo',
  'npm run e2e -- --writes 1000',
  'npm run bench -- --size S --workload W1,W4,W8 --contestants lastwrite,duckdb,spark-iceberg,spark-plain --reps 1',
] as const

const checks = runChecks()
const tests = runTests(['unit', 'interop'])
const failedCommands = COMMANDS.filter((command) => !succeeds(command))

const failed = [...checks.failed, ...(tests.failed > 0 ? ['tests'] : []), ...failedCommands]
console.log(failed.length > 0 ? `\nfailed: ${failed.join('; ')}` : '\nall passed')
process.exitCode = report({
  passed: checks.passed.length + tests.passed + COMMANDS.length - failedCommands.length,
  failed: checks.failed.length + tests.failed + failedCommands.length,
  skipped: tests.skipped,
})

function succeeds(command: string): boolean {
  console.log(`\n== ${command}`)
  const [program, ...args] = command.split(' ')
  return spawnSync(program!, args, { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' }).status === 0
}
