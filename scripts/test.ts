// Runs the tests and ends with the line "N passed, N failed": node scripts/test.ts [unit|interop] [vitest argument…]
//
// Without a name: both, interop after its parts are installed. Fails where a test failed; in CI also where one was skipped.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface TestCounts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

type Project = 'unit' | 'interop'

const root = join(import.meta.dirname, '..')

export function runTests(projects: readonly Project[], vitestArgs: readonly string[] = []): TestCounts {
  const counts = projects.map((project) => runProject(project, vitestArgs))
  const sum = (pick: (one: TestCounts) => number): number => counts.reduce((total, one) => total + pick(one), 0)
  return { passed: sum((one) => one.passed), failed: sum((one) => one.failed), skipped: sum((one) => one.skipped) }
}

function runProject(project: Project, vitestArgs: readonly string[]): TestCounts {
  if (project === 'interop') {
    const setup = spawnSync('node', ['scripts/setup-parts.ts'], { cwd: root, stdio: 'inherit' })
    if (setup.status !== 0) return { passed: 0, failed: 1, skipped: 0 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-test-'))
  const out = join(folder, 'result.json')
  try {
    // Each file may start engines that take a gigabyte.
    const order = project === 'interop' ? ['--no-file-parallelism'] : []
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${out}`]
    const args = ['run', '--project', project, ...order, ...reporters, ...vitestArgs]
    const { status } = spawnSync('vitest', args, { cwd: root, stdio: 'inherit' })
    return readCounts(out, status)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** vitest's JSON leaves out what is no test: a file that cannot be loaded, an error outside of one. Those fail, too. */
function readCounts(out: string, status: number | null): TestCounts {
  let result: Record<string, number> & { testResults: { status: string; assertionResults: unknown[] }[] }
  try {
    result = JSON.parse(readFileSync(out, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const broken = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length
  const failed = (result.numFailedTests ?? 0) + broken
  return {
    passed: result.numPassedTests ?? 0,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: (result.numPendingTests ?? 0) + (result.numTodoTests ?? 0),
  }
}

/** The last line, and the exit code that goes with it. */
export function report({ passed, failed, skipped }: TestCounts): number {
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failed > 0 || (skipped > 0 && process.env.CI === 'true') ? 1 : 0
}

if (import.meta.main) {
  const [first, ...rest] = process.argv.slice(2)
  const named = first === 'unit' || first === 'interop'
  const vitestArgs = named ? rest : process.argv.slice(2)
  process.exitCode = report(runTests(named ? [first] : ['unit', 'interop'], vitestArgs))
}
