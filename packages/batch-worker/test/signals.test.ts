import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'

const SIGNALS = new URL('../src/signals.ts', import.meta.url).href

/** A process with its handlers: it says that it has begun, and then does what is given. */
async function begun(work: string): Promise<{ child: ChildProcess; end: Promise<object> }> {
  const program = `import { listenForSignals, untilStopped } from '${SIGNALS}'
listenForSignals()
const alive = setInterval(() => {}, 1000)
console.log('begun')
${work}
clearInterval(alive)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] })
  await once(child.stdout, 'data')
  const said = text(child.stderr)
  return { child, end: once(child, 'close').then(async ([code]) => ({ code, stderr: await said })) }
}

const UNTIL_ABORTED = `new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason.message)))`

it.each(['SIGTERM', 'SIGINT'] as const)(
  'has the work end that %s stops, and go on with what it gives',
  async (name) => {
    const { child, end } = await begun(`console.error(await untilStopped({}, (signal) => ${UNTIL_ABORTED}))`)
    child.kill(name)
    expect(await end).toEqual({
      code: 0,
      stderr: `stopped by ${name}: a commit that has begun is finished; another signal ends it at once\nstopped by ${name}\n`,
    })
  },
)

it('ends at once with 10 at a second signal', async () => {
  const { child, end } = await begun('await untilStopped({}, () => new Promise(() => {}))')
  child.kill('SIGTERM')
  await once(child.stderr!, 'data')
  child.kill('SIGINT')
  expect(await end).toMatchObject({
    code: 10,
    stderr: expect.stringMatching(/\nlastwrite: stopped by SIGINT; what was committed stands/),
  })
})

it('ends at once with 10 where nothing can be stopped', async () => {
  const { child, end } = await begun('await new Promise(() => {})')
  child.kill('SIGTERM')
  expect(await end).toMatchObject({ code: 10 })
})

it('has the work end at its deadline', async () => {
  const { end } = await begun(`console.error(await untilStopped({ deadline: 10 }, (signal) => ${UNTIL_ABORTED}))`)
  expect(await end).toMatchObject({ code: 0, stderr: expect.stringMatching(/\nstopped at its deadline\n$/) })
})
