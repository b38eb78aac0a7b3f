// The pages that tell what the stacks hold, with these parts of them made anew: node infra/docs/pages.ts

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { withSection } from '../../scripts/marked-section.ts'
import { namedQueries } from '../lib/queries.ts'
import { deployed } from '../test/deployed.ts'
import { diagramOf } from './diagram.ts'

export interface Page {
  readonly name: string
  readonly path: string
  readonly text: string
}

export function pages(): Page[] {
  return [pageWith('README.md', 'stacks', diagramSection()), pageWith('docs/athena.md', 'queries', queriesSection())]
}

function pageWith(name: string, section: string, content: string): Page {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  return { name, path, text: withSection(readFileSync(path, 'utf8'), section, content, name) }
}

/** Of the templates of the tests, which are held against the stacks (test/snapshot.test.ts). */
function diagramSection(): string {
  const template = (name: string) => {
    const text = readFileSync(new URL(`../test/golden/${name}.template.json`, import.meta.url), 'utf8')
    return { toJSON: () => JSON.parse(text) }
  }
  const stage = { storage: template('storage'), pipeline: template('pipeline') }
  return `\`\`\`mermaid\n${diagramOf(deployed(stage, { Landing: 'landing', Tables: 'tables' }))}\n\`\`\``
}

function queriesSection(): string {
  return namedQueries('shop', 'orders', ['pk'])
    .map(({ name, description, sql }) => `**${name}**: ${description}\n\n\`\`\`sql\n${sql}\n\`\`\``)
    .join('\n\n')
}

if (import.meta.main) for (const { path, text } of pages()) writeFileSync(path, text)
