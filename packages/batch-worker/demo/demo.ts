// Shows the whole way once, on real changes: four published versions of a data package become a change stream, the stream lands,
// three merges make a table of it, a fourth has nothing to do, and SQL answers from the table.
//
// Each command that is printed is the one that ran, in a process of its own.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Change, PUBLISHED, type Publication, readPublications } from './changes.ts'
import { type Landed, landDeliveries } from './landing.ts'

const LASTWRITE = fileURLToPath(new URL('../bin/lastwrite.mjs', import.meta.url))
/** Tells a folder that an earlier demo made, and may be replaced, from one that somebody needs. */
const MARKER = '.lastwrite-demo'

const QUESTIONS: readonly (readonly [string, string])[] = [
  [
    'How much of CSS, HTML and JavaScript does each browser have? (Node, Deno and Bun are asked about JavaScript only)',
    `select browser, count(*) as features, count(*) filter (supported) as supported, round(100 * avg(supported::int), 1) as percent
     from compat group by browser having features > 5000 order by percent desc limit 6`,
  ],
  [
    'What came to Chrome, Firefox and Safari alike most recently?',
    `select feature, max(available_since) as in_all_since from compat
     where browser in ('chrome', 'firefox', 'safari') and supported and standard_track
     group by feature having count(*) = 3 and count(available_since) = 3 order by in_all_since desc, feature limit 6`,
  ],
  [
    'Where did an attribute not fit its column? (spec_url is declared as text; some features name several specifications)',
    `select area, count(*) as kept_in_extra, any_value(_extra) as example from compat
     where _extra is not null group by area order by kept_in_extra desc limit 4`,
  ],
]

const startedAt = performance.now()
const folder = process.argv[2] ?? join('demo', 'out')
const table = `./${join(folder, 'lake', 'compat')}`
const landing = `./${join(folder, 'landing')}`
const definition = `./${join(folder, 'compat.table.json')}`
let steps = 0
await prepareFolder()
await demo()

async function demo(): Promise<void> {
  step(
    'Changes: what four published versions of @mdn/browser-compat-data say of CSS, HTML and JavaScript, feature by browser',
  )
  const publications = [...readPublications(PUBLISHED)]
  for (const { version, changes } of publications) say(`version ${version.padEnd(7)} ${operations(changes)}`)
  const [first, second, third, fourth] = publications as [Publication, Publication, Publication, Publication]
  const deliveries = landDeliveries(landing, [[first], [second], [third, fourth]])

  step('An empty table')
  await lastwrite('init', table, '--definition', definition)

  step(`The first version lands and is merged: all of it is new`)
  sayLanded(await nextOf(deliveries))
  await lastwrite('merge', table, '--landing', landing)

  step('The second lands; what would a merge touch?')
  sayLanded(await nextOf(deliveries))
  await lastwrite('plan', table, '--landing', landing)
  await lastwrite('merge', table, '--landing', landing)

  step('The third and the fourth land together')
  sayLanded(await nextOf(deliveries))
  await lastwrite('merge', table, '--landing', landing)

  step('Merged again: nothing has landed since, so there is no new snapshot and no data file is opened')
  await lastwrite('merge', table, '--landing', landing)

  step('Questions')
  for (const [question, sql] of QUESTIONS) {
    say('')
    say(question)
    await lastwrite('sql', table, sql.replaceAll(/\s+/g, ' '))
  }
  await lastwrite('history', table)

  step('Why is a row what it is, and why is one not there?')
  await lastwrite('why', table, '--key', keyOf(fourth.changes.find((change) => change.operation === 'modify')!))
  await lastwrite('why', table, '--key', keyOf(third.changes.find((change) => change.operation === 'remove')!))

  step('Proof: the table against the changes applied one by one, in their order, to a Map')
  await compareWithModel(publications)

  await sayGoodbye()
}

/** Throws where the table is not what the changes make of it. */
async function compareWithModel(publications: readonly Publication[]): Promise<void> {
  const model = new Map<string, string>()
  for (const { feature, browser, item } of publications.flatMap((publication) => publication.changes)) {
    const key = `${feature} ${browser}`
    if (item === null) model.delete(key)
    else model.set(key, JSON.stringify([item.supported, item.version_added ?? null, item.changed_in]))
  }
  const columns = 'feature, browser, supported, version_added, changed_in'
  const text = await run(['sql', table, `select ${columns} from compat`, '--json'])
  const rows = JSON.parse(text) as { [column: string]: unknown }[]
  let different = 0
  for (const row of rows) {
    const value = JSON.stringify([row.supported, row.version_added, row.changed_in])
    if (model.get(`${row.feature} ${row.browser}`) !== value) different++
  }
  say(`${number(rows.length)} rows in the table, ${number(model.size)} items in the Map, ${different} differ`)
  if (different > 0 || rows.length !== model.size) throw new Error('the table is not what the changes make of it')
}

async function sayGoodbye(): Promise<void> {
  step(`Done in ${Math.round((performance.now() - startedAt) / 1000)} s. The files stay for looking around:`)
  say(`${landing}   the gzip objects that landed`)
  say(`${table}   the Iceberg table: data/ and metadata/, readable by DuckDB, Spark, Trino, pyiceberg, Athena`)
  say(`./${join(folder, 'lake', '_lastwrite')}   tombstones, ledger, quarantine, reports`)
  say('')
  say('Try next:')
  say(`  npx lastwrite inspect ${table}`)
  say(`  npx lastwrite sql ${table} "select * from compat where feature = 'css.properties.anchor-name'"`)
  say(`  npx lastwrite merge ${table} --landing ${landing} --json`)
}

async function prepareFolder(): Promise<void> {
  if (existsSync(folder) && !existsSync(join(folder, MARKER))) {
    throw new Error(`${folder} stands and was not made by this demo: name another folder, or remove it`)
  }
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, MARKER), 'made by the demo of lastwrite, which replaces this folder\n')
  await copyFile(fileURLToPath(new URL('compat.table.json', import.meta.url)), definition)
}

/** Runs a command as a user would, and shows what it prints. */
async function lastwrite(...words: string[]): Promise<void> {
  const text = await run(words)
  process.stdout.write(text.replaceAll(/^(?=.)/gm, '     '))
}

/** Runs a command and gives what it prints. */
function run(words: readonly string[]): Promise<string> {
  say('')
  say(`$ npx lastwrite ${words.map(shellWord).join(' ')}`)
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [LASTWRITE, ...words], { stdio: ['ignore', 'pipe', 'inherit'] })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString('utf8'))
      else reject(new Error(`lastwrite ${words[0]} ended with exit code ${code}`))
    })
  })
}

async function nextOf(deliveries: AsyncGenerator<Landed>): Promise<Landed> {
  const { value, done } = await deliveries.next()
  if (done === true) throw new Error('nothing more lands')
  return value
}

function step(title: string): void {
  process.stdout.write(`\n${++steps}. ${title}\n`)
}

function say(text: string): void {
  process.stdout.write(`${`   ${text}`.trimEnd()}\n`)
}

function sayLanded({ objects, lines, twice, late, bytes }: Landed): void {
  const size = `${(bytes / 1024 / 1024).toFixed(1)} MiB of gzip`
  say(
    `${number(lines)} lines in ${objects} objects, ${size}, shuffled; ${number(twice)} stand there twice, ${number(late)} are late`,
  )
}

function operations(changes: readonly Change[]): string {
  const times = (operation: Change['operation']) => changes.filter((change) => change.operation === operation).length
  return `${number(times('insert'))} inserts, ${number(times('modify'))} updates, ${number(times('remove'))} removals`
}

function keyOf({ feature, browser }: Change): string {
  return JSON.stringify({ feature, browser })
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  return word.includes("'") && !/["$`\\!]/.test(word) ? `"${word}"` : `'${word.replaceAll("'", "'\\''")}'`
}
