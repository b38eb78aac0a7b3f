// The whole of each template, so that a change of it is seen by whoever reviews the change of code.

import { expect, it } from 'vitest'
import { stageTemplates } from './synthesized.ts'

const stage = stageTemplates()

it.each(Object.entries(stage))('the template of the %s stack is as it was', async (name, template) => {
  const text = `${JSON.stringify(template.toJSON(), null, 2)}\n`
  // The function's code has a test of its own.
  await expect(text.replaceAll(/[0-9a-f]{64}/g, '<hash>')).toMatchFileSnapshot(`golden/${name}.template.json`)
})
