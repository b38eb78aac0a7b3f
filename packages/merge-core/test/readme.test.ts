import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const PACKAGE = join(import.meta.dirname, '..')

/** The code blocks of one language, joined. */
function blocksOf(markdown: string, language: string): string {
  const blocks = markdown.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)
  return [...blocks]
    .filter((block) => block[1] === language)
    .map((block) => block[2])
    .join('')
}

it('prints what the README says that its example prints', async () => {
  const readme = readFileSync(join(PACKAGE, 'README.md'), 'utf8')
  const program = blocksOf(readme, 'ts')
  const said = blocksOf(readme, 'text')
  expect(said.split('\n').length).toBeGreaterThan(5)
  expect(await outputOf(program)).toBe(said)
})

/** Runs in a process of its own, inside the package, so that the package's name resolves as it does for a user. */
async function outputOf(program: string): Promise<string> {
  const TMPDIR = mkdtempSync(join(tmpdir(), 'readme-'))
  const run = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    cwd: PACKAGE,
    env: { ...process.env, TMPDIR },
  })
  const { stdout } = await run.finally(() => rmSync(TMPDIR, { recursive: true }))
  return stdout
}
