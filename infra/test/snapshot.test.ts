// The whole of each template, so that a change of it is seen by whoever reviews the change of code.

import type { Template } from 'aws-cdk-lib/assertions'
import { expect, it } from 'vitest'
import { FLEET, stageTemplates } from './synthesized.ts'

const stage = stageTemplates()

it.each(Object.entries(stage))('the template of the %s stack is as it was', async (name, template) => {
  await expect(textOf(template.toJSON())).toMatchFileSnapshot(`golden/${name}.template.json`)
})

it('a fleet adds to the pipeline stack, or changes of it, what it did', async () => {
  const large = stageTemplates({ fleet: FLEET })
  expect(textOf(large.storage.toJSON())).toBe(textOf(stage.storage.toJSON()))
  const [plain, parts] = [partsOf(stage.pipeline), partsOf(large.pipeline)]
  const differing = Object.entries(parts).filter(([name, part]) => textOf(part) !== textOf(plain[name]))
  const gone = Object.keys(plain).filter((name) => !(name in parts))
  const text = textOf({ ...Object.fromEntries(differing), gone })
  await expect(text).toMatchFileSnapshot('golden/fleet.json')
})

/** Each resource and each output of a template, by its name. */
function partsOf(template: Template): Readonly<Record<string, unknown>> {
  const { Resources, Outputs } = template.toJSON()
  return { ...Resources, ...Outputs }
}

/** The function's code has a test of its own. */
function textOf(part: unknown): string {
  return `${JSON.stringify(part, null, 2)}\n`.replaceAll(/[0-9a-f]{64}/g, '<hash>')
}
