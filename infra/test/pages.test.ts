import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { pages } from '../docs/pages.ts'

it.each(pages())('$name tells what the stacks hold; else run node infra/docs/pages.ts', ({ path, text }) => {
  expect(readFileSync(path, 'utf8')).toBe(text)
})
