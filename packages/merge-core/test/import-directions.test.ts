// Which folder of the library may know which: the arrows of its architecture, held against every import in its source.

import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const SOURCE = join(import.meta.dirname, '..', 'src')

/** The vocabulary at the root of the source that every folder may use. */
const VOCABULARY = ['errors.ts', 'environment.ts', 'invariant.ts', 'primitive-type.ts', 'table-definition.ts']

/** What a folder may import beside the vocabulary and itself: a folder, a file, or `type …` for its types only. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  store: [],
  iceberg: ['store'],
  columns: ['type iceberg'],
  parquet: ['columns', 'iceberg/single-value.ts', 'type iceberg/transform.ts', 'type store'],
  change: ['columns', 'iceberg/transform.ts', 'store'],
  protected: ['columns', 'change', 'parquet', 'iceberg', 'store'],
  files: ['columns', 'parquet', 'change', 'protected', 'iceberg', 'store'],
  landing: ['columns', 'change', 'type files', 'store'],
  export: ['change', 'store'],
  replay: ['change', 'protected/quarantine.ts', 'store', 'table-state.ts', 'type table.ts'],
  baseline: ['columns', 'parquet', 'change', 'files', 'export', 'iceberg', 'store', 'type landing'],
  threads: ['files', 'landing', 'baseline', 'store/stoppable.ts', 'type change', 'type iceberg', 'type store'],
  shards: [
    ...['columns', 'parquet', 'change', 'files', 'landing', 'iceberg', 'store'],
    ...['stored-files.ts', 'table-state.ts'],
  ],
  engines: [...['columns', 'parquet', 'change', 'files', 'shards', 'store', 'type iceberg', 'type landing']],
  verify: [
    ...['columns', 'change', 'files', 'baseline', 'export', 'landing', 'protected', 'store', 'type iceberg'],
    ...['stored-files.ts', 'table-state.ts', 'type table.ts'],
  ],
  maintain: [
    'landing',
    'protected',
    'iceberg',
    'store',
    'backfill-progress.ts',
    'commit-snapshot.ts',
    'table-state.ts',
    'type table.ts',
  ],
}

/** Packages and modules that one place alone may import. */
const ONLY_IN: readonly { readonly module: RegExp; readonly place: RegExp }[] = [
  { module: /^(node:)?worker_threads$|^piscina(\/|$)/, place: /^threads\// },
  { module: /^@aws-sdk\/|^@smithy\/|^aws-sdk(\/|$)/, place: /^store\/s3\.ts$/ },
]

/** Time, chance and the terminal come in through environment.ts, or tests could not repeat a run. An ordinary process takes them here. */
const MACHINE = 'node-environment.ts'
const FORBIDDEN: readonly { readonly name: string; readonly use: RegExp }[] = [
  { name: 'console', use: /\bconsole\s*[.[]/ },
  { name: 'Date.now', use: /\bDate\s*\.\s*now\b/ },
  { name: 'new Date() without an argument', use: /\bnew\s+Date\s*(\(\s*\)|(?!\s*\())/ },
  { name: 'Math.random', use: /\bMath\s*\.\s*random\b/ },
  { name: 'a random source of node:crypto', use: /\b(randomUUID|randomBytes|randomInt|getRandomValues)\b/ },
  { name: 'performance.now', use: /\bperformance\s*\.\s*now\b|\bhrtime\b/ },
  { name: 'process.env', use: /\bprocess\s*\.\s*env\b/ },
]

interface Import {
  readonly module: string
  readonly typeOnly: boolean
}

function importsOf(text: string): Import[] {
  const code = withoutComments(text)
  const statements = code.matchAll(/^[ \t]*(?:import|export)\b(\s+type\b)?(?:[^'"`;()=]*?\bfrom)?\s*(['"])(.*?)\2/gm)
  const calls = code.matchAll(/\bimport\s*\(\s*(?:(['"`])(.*?)\1)?/g)
  return [
    ...[...statements].map((found) => ({ module: found[3]!, typeOnly: found[1] !== undefined })),
    ...[...calls].map((found) => ({ module: found[2] ?? 'a computed module', typeOnly: false })),
  ]
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|(?<=^|[\s;{},])\/\/.*$/gm, '')
}

/** One sentence for each thing that must not be, given the source files by their path below `src`. */
function violations(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([file, text]) => [
    ...importsOf(text).flatMap((found) => importViolation(file, found) ?? []),
    ...FORBIDDEN.filter(({ use }) => file !== MACHINE && use.test(withoutComments(text))).map(
      ({ name }) => `${file} uses ${name}`,
    ),
  ])
}

function importViolation(file: string, { module, typeOnly }: Import): string | null {
  if (!module.startsWith('.')) {
    const bound = ONLY_IN.find((rule) => rule.module.test(module))
    if (module === 'a computed module') return `${file} imports a computed module`
    return bound === undefined || bound.place.test(file) ? null : `${file} imports ${module}`
  }
  const target = join(dirname(file), module)
  if (target.startsWith('..')) return `${file} imports ${module}, outside of src`
  if (target === MACHINE && file !== 'index.ts') return `${file} imports ${MACHINE}`
  const folder = folderOf(file)
  // The files at the root put the parts together.
  if (folder === null || folder === folderOf(target) || VOCABULARY.includes(target)) return null
  const allowed = MAY_IMPORT[folder]
  if (allowed === undefined) return `${file} lies in a folder without a rule`
  const names = [folderOf(target), target]
  const fits = allowed.some(
    (rule) => names.includes(rule) || (typeOnly && names.some((name) => rule === `type ${name}`)),
  )
  return fits ? null : `${file} imports ${typeOnly ? 'types of ' : ''}${target}`
}

const folderOf = (file: string): string | null => (file.includes('/') ? file.slice(0, file.indexOf('/')) : null)

describe('the source of merge-core', () => {
  it('imports in one direction only, and takes time, chance and the terminal from its caller', () => {
    const names = globSync('**/*.ts', { cwd: SOURCE })
    const files = new Map(names.map((name) => [name, readFileSync(join(SOURCE, name), 'utf8')]))
    expect(files.size).toBeGreaterThan(20)
    expect(violations(files)).toEqual([])
  })

  it('is read import by import: nothing that a file loads goes unseen', () => {
    const relative = globSync('**/*.ts', { cwd: SOURCE }).flatMap((name) => {
      const code = readFileSync(join(SOURCE, name), 'utf8')
      const specifiers = [...code.matchAll(/'(\.{1,2}\/[^']*\.ts)'/g)].map((found) => found[1])
      const seen = importsOf(code).map(({ module }) => module)
      return specifiers.filter((specifier) => !seen.includes(specifier!)).map((specifier) => `${name}: ${specifier}`)
    })
    expect(relative).toEqual([])
  })
})

describe('the check of directions', () => {
  const planted = (file: string, text: string): string[] => violations(new Map([[file, text]]))

  it.each([
    ['columns/a.ts', `import { x } from '../parquet/b.ts'`, 'columns/a.ts imports parquet/b.ts'],
    ['columns/a.ts', `import { x } from '../iceberg/transform.ts'`, 'columns/a.ts imports iceberg/transform.ts'],
    ['store/a.ts', `import type { X } from '../iceberg/b.ts'`, 'store/a.ts imports types of iceberg/b.ts'],
    ['iceberg/a.ts', `import {\n  type X,\n  y,\n} from '../columns/b.ts'`, 'iceberg/a.ts imports columns/b.ts'],
    ['parquet/decode/a.ts', `export * from '../../change/b.ts'`, 'parquet/decode/a.ts imports change/b.ts'],
    ['parquet/a.ts', `import '../files/b.ts'`, 'parquet/a.ts imports files/b.ts'],
    ['change/a.ts', `const x = await import('../files/b.ts')`, 'change/a.ts imports files/b.ts'],
    ['change/a.ts', 'await import(name)', 'change/a.ts imports a computed module'],
    ['protected/a.ts', `import x, * as y from "../files/b.ts"`, 'protected/a.ts imports files/b.ts'],
    ['files/a.ts', `import { mergeLanding } from '../merge.ts'`, 'files/a.ts imports merge.ts'],
    ['merge.ts', `import { x } from '../test/b.ts'`, 'merge.ts imports ../test/b.ts, outside of src'],
    ['elsewhere/a.ts', `import { x } from '../store/b.ts'`, 'elsewhere/a.ts lies in a folder without a rule'],
    ['merge.ts', `import { Worker } from 'node:worker_threads'`, 'merge.ts imports node:worker_threads'],
    ['files/a.ts', `import Piscina from 'piscina'`, 'files/a.ts imports piscina'],
    ['store/local.ts', `import { S3Client } from '@aws-sdk/client-s3'`, 'store/local.ts imports @aws-sdk/client-s3'],
    ['merge.ts', `import { nodeEnvironment } from './node-environment.ts'`, 'merge.ts imports node-environment.ts'],
    ['merge.ts', 'console.log(1)', 'merge.ts uses console'],
    ['merge.ts', 'const now = Date.now', 'merge.ts uses Date.now'],
    ['merge.ts', 'x = new Date()', 'merge.ts uses new Date() without an argument'],
    ['merge.ts', 'x = new Date', 'merge.ts uses new Date() without an argument'],
    ['merge.ts', 'Math.random()', 'merge.ts uses Math.random'],
    ['merge.ts', 'crypto.randomUUID()', 'merge.ts uses a random source of node:crypto'],
    ['merge.ts', 'performance.now()', 'merge.ts uses performance.now'],
    ['merge.ts', 'process.env.HOME', 'merge.ts uses process.env'],
  ])('finds what must not be in %s: %s', (file, text, sentence) => {
    expect(planted(file, `// A file.\n\n${text}\n`)).toEqual([sentence])
  })

  it.each([
    ['columns/a.ts', `import type { X } from '../iceberg/transform.ts'\nimport { y } from '../invariant.ts'`],
    ['parquet/a.ts', `import type { Y } from '../store/object-store.ts'\nimport { z } from '../columns/b.ts'`],
    ['files/a.ts', `import { z } from '../parquet/decode/b.ts'\nimport { w } from './c.ts'`],
    ['threads/a.ts', `import { Worker } from 'node:worker_threads'`],
    ['store/s3.ts', `import { S3Client } from '@aws-sdk/client-s3'`],
    ['merge.ts', `import { x } from './files/b.ts'\nexport type { y } from './threads/c.ts'`],
    ['columns/a.ts', `// import { x } from '../parquet/b.ts'\n/* Date.now() */ const day = new Date(0)`],
  ])('lets stand what may be in %s: %s', (file, text) => {
    expect(planted(file, text)).toEqual([])
  })
})
