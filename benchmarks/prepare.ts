// Makes what a workload needs, once: rows, change lines, each contestant's table. All of it is kept in the cache, below a name that
// holds what it was made by, so that a changed generator or contestant makes it anew.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, rivalsPython, stampName } from '../scripts/parts.ts'
import type { Attribute, BaseData, Contestant } from './contestants/contestant.ts'
import type { ChangeShape, TableShape, Workload } from './workloads.ts'

export interface Changes {
  readonly landing: string
  /** Of the table after the merge. */
  readonly expected: { readonly rows: number; readonly checksum: string; readonly changes: number }
}

/** Whose tables are kept under its name, or that of the table it shares. */
type Owner = Pick<Contestant, 'name' | 'table'>

const here = import.meta.dirname
const generator = join(here, 'generate.py')
const cache = join(cacheFolder, 'bench')
const folder = join(cache, `${hashOf([generator, join(here, 'checksum.py')])}-${duckdbVersion()}`)

/** Tables stand in one place, so that one benchmark runs at a time. */
export const benchLock = join(cache, 'bench.lock')

export function prepareBase(table: TableShape): BaseData {
  const parquet = join(folder, 'base', tableName(table))
  made(parquet, (target) => generate('base', table, target))
  return { rows: table.rows, parquet, layout: table.layout, keys: table.keys, ...describe(table) }
}

export function prepareChanges({ table, changes, again }: Workload): Changes {
  const target = join(folder, 'changes', `${tableName(table)}-${changesName(changes)}`)
  made(target, (unfinished) => {
    const base = changes.load ? '' : prepareBase(table).parquet
    generate('changes', table, unfinished, JSON.stringify(changes), base)
  })
  const expected = JSON.parse(readFileSync(join(target, 'expected.json'), 'utf8')) as Changes['expected']
  if (!again) return { landing: join(target, 'landing'), expected }
  const copy = join(target, 'landing-again')
  made(copy, (unfinished) => copyFolder(join(target, 'landing'), unfinished))
  return { landing: copy, expected }
}

/** Change lines that make the rows from `first` on, in a folder that the caller removes. */
export function rowLines(table: TableShape, first: number, rows: number): string {
  return scratchLines('lines', table, String(first), String(rows))
}

/** Removals of keys that were never there, in a folder that the caller removes. */
export function removalLines(table: TableShape, keys: number): string {
  return scratchLines('removals', table, String(keys))
}

/** Where the table of a contestant stands while it is merged into: always here, whatever the workload. */
export function liveFolder(contestant: Owner): string {
  return join(cache, 'live', tableOf(contestant))
}

/** Makes the live table fresh from `name`, which `make` makes in place the first time (or again, with `rebuild`). */
export async function freshTable(
  contestant: Owner,
  name: string,
  make: (live: string) => Promise<void>,
): Promise<void> {
  const live = liveFolder(contestant)
  const kept = join(keptTables(contestant), name)
  rmSync(live, { recursive: true, force: true })
  if (!existsSync(kept)) {
    mkdirSync(live, { recursive: true })
    await make(live)
    const unfinished = `${kept}.unfinished`
    copyFolder(live, unfinished)
    renameSync(unfinished, kept)
    rmSync(live, { recursive: true })
  }
  copyFolder(kept, live)
  execFileSync('sync')
}

export function forgetTables(contestant: Contestant): void {
  rmSync(keptTables(contestant), { recursive: true, force: true })
}

function keptTables(contestant: Owner): string {
  const sources = join(here, 'contestants')
  const files = readdirSync(sources).filter((file) => file.startsWith(`${tableOf(contestant)}.`))
  return join(folder, 'tables', `${tableOf(contestant)}-${hashOf(files.sort().map((file) => join(sources, file)))}`)
}

function tableOf({ name, table }: Owner): string {
  return table ?? name
}

export function tableName({ rows, layout, keys, columns }: TableShape): string {
  return `${rows}-${layout}-${keys}-${columns}`
}

export function changesName(changes: ChangeShape): string {
  return createHash('sha256').update(JSON.stringify(changes)).digest('hex').slice(0, 8)
}

/** @throws where the rivals are not installed */
export function checkParts(): void {
  if (!existsSync(join(rivalsPython.folder, stampName))) {
    throw new Error(`${rivalsPython.folder} lacks Python with the benchmark's rivals: run node scripts/setup-parts.ts`)
  }
}

/** Runs Python with the rivals' packages and returns what it prints. */
export function python(script: string, ...args: readonly string[]): string {
  return execFileSync(rivalsPython.program, [script, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 * 1024 * 1024,
  })
}

function describe(table: TableShape): { attributes: Attribute[]; partition: string } {
  return JSON.parse(python(generator, 'describe', JSON.stringify(table)))
}

function generate(action: string, table: TableShape, target: string, ...args: readonly string[]): void {
  python(generator, action, JSON.stringify(table), target, ...args)
}

function scratchLines(action: string, table: TableShape, ...args: readonly string[]): string {
  const target = join(folder, 'scratch')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  generate(action, table, target, ...args)
  return target
}

/** Makes `target` unless it is there; one that was interrupted does not look finished. */
function made(target: string, make: (unfinished: string) => void): void {
  if (existsSync(target)) return
  process.stderr.write(`making ${target}\n`)
  const unfinished = `${target}.unfinished`
  rmSync(unfinished, { recursive: true, force: true })
  mkdirSync(unfinished, { recursive: true })
  make(unfinished)
  renameSync(unfinished, target)
}

/** As fast as the file system can: without copying the bytes where it knows how. */
function copyFolder(from: string, to: string): void {
  mkdirSync(join(to, '..'), { recursive: true })
  if (existsSync(to)) rmSync(to, { recursive: true })
  execFileSync('cp', ['--archive', '--reflink=auto', from, to])
}

/** Its SQL makes the data: another version may hash, and so draw, otherwise. */
function duckdbVersion(): string {
  return /^duckdb==(.*)$/m.exec(readFileSync(rivalsPython.requirements, 'utf8'))![1]!
}

function hashOf(files: readonly string[]): string {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest('hex').slice(0, 12)
}
