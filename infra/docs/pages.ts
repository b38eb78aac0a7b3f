// The pages that tell what the stacks hold, with these parts of them made anew: node infra/docs/pages.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withSection } from '../../scripts/marked-section.ts'
import { namedQueries } from '../lib/queries.ts'

export interface Page {
  readonly path: string
  readonly text: string
}

export function pages(): Page[] {
  return [pageWith('docs/athena.md', 'queries', queriesSection())]
}

function pageWith(name: string, section: string, content: string): Page {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  return { path, text: withSection(readFileSync(path, 'utf8'), section, content, name) }
}

function queriesSection(): string {
  return namedQueries('shop', 'orders', ['pk'])
    .map(({ name, description, sql }) => `**${name}**: ${description}\n\n\`\`\`sql\n${sql}\n\`\`\``)
    .join('\n\n')
}

if (import.meta.main) for (const { path, text } of pages()) writeFileSync(path, text)
