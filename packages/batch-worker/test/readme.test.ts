import { mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LASTWRITE, newWorkspace, runProcess, type Workspace } from './run-lastwrite.ts'

interface Example {
  readonly script: string
  /** What the page says that it prints, where it does. */
  readonly output: string | null
}

/** The languages of blocks that show what is printed. */
const OUTPUT = ['text', 'json']

/** The `sh` blocks of the README, each with the block of output that follows it. */
function examples(): Example[] {
  const text = readFileSync(fileURLToPath(new URL('../README.md', import.meta.url)), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, content]) => ({ language, content }))
  return blocks.flatMap(({ language, content }, i) => {
    if (language !== 'sh') return []
    const next = blocks[i + 1]
    return { script: content!, output: next !== undefined && OUTPUT.includes(next.language!) ? next.content! : null }
  })
}

describe('the examples of the README', () => {
  let space: Workspace
  let environment: Record<string, string>

  beforeAll(() => {
    space = newWorkspace()
    const bin = join(space.folder, 'bin')
    mkdirSync(bin)
    symlinkSync(LASTWRITE, join(bin, 'lastwrite'))
    symlinkSync(process.execPath, join(bin, 'node'))
    environment = { PATH: `${bin}${delimiter}${process.env.PATH}` }
  })
  afterAll(() => space.remove())

  it.each(examples().map((example) => ({ ...example, first: example.script.split('\n')[0] })))(
    'runs: $first',
    async ({ script, output }) => {
      const outcome = await runProcess('bash', ['-euc', script], space.folder, environment)
      expect(outcome).toMatchObject({ code: 0, stderr: '' })
      if (output !== null) expect(outcome.stdout).toBe(output)
    },
  )
})
