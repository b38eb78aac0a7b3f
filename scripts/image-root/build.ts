// Runs the steps of a Dockerfile in folders, by chroot. It knows what the worker's Dockerfile uses and refuses all else: a step that is
// passed over would prove nothing.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, matchesGlob, relative, resolve } from 'node:path'

export interface Stage {
  readonly root: string
  readonly environment: Record<string, string>
  readonly layers: { readonly step: string; readonly mebibytes: number }[]
  /** WORKDIR. */
  folder: string
  /** `uid:gid`. */
  user: string
  entrypoint: readonly string[]
}

/** What the network needs that a machine builds in; it does not become part of the image, as with Docker's predefined arguments. */
const OF_THE_MACHINE = /^(https?_proxy|no_proxy|node_extra_ca_certs|npm_config_.*)$/i
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * @param context folder that COPY reads, without what its .dockerignore names
 * @param bases folders with a root each, by the name of the argument that FROM names
 * @param work folder for the roots of the stages
 * @param target the stage to make; those that it takes nothing from are left out
 * @returns the stages that were made, by name
 */
export function buildStages(
  dockerfile: string,
  context: string,
  bases: ReadonlyMap<string, string>,
  work: string,
  target: string,
): Map<string, Stage> {
  const stages = new Map<string, Stage>()
  const isIgnored = ignoredBy(join(context, '.dockerignore'))
  let stage: Stage | undefined
  const steps = stepsOf(readFileSync(dockerfile, 'utf8'))
  const isNeeded = neededBy(target, steps)
  let isSkipped = false
  for (const [name, rest] of steps) {
    if (name === 'FROM') isSkipped = !isNeeded(rest)
    if (isSkipped) continue
    if (name === 'ARG' && stage === undefined) continue
    if (name === 'FROM') {
      const [, image, as] = /^(\S+) AS (\w+)$/.exec(rest) ?? unknown(name, rest)
      stage = stageFrom(image!, join(work, as!))
      stages.set(as!, stage)
    } else {
      if (stage === undefined) return unknown(name, rest)
      const before = sizeOf(stage.root)
      runStep(stage, name, rest)
      stage.layers.push({ step: `${name} ${rest}`, mebibytes: sizeOf(stage.root) - before })
    }
  }
  return stages

  function stageFrom(image: string, root: string): Stage {
    const from = stages.get(image)
    const base = from?.root ?? bases.get(/^\$\{(\w+)\}$/.exec(image)?.[1] ?? '') ?? unknown('FROM', image)
    run('cp', ['--archive', base, root])
    return {
      root,
      environment: { ...(from?.environment ?? { PATH, HOME: '/root' }) },
      layers: [...(from?.layers ?? [{ step: `FROM ${image}`, mebibytes: sizeOf(root) }])],
      folder: from?.folder ?? '/',
      user: from?.user ?? '0:0',
      entrypoint: from?.entrypoint ?? [],
    }
  }

  function runStep(stage: Stage, name: string, rest: string): void {
    switch (name) {
      case 'RUN':
        runInStage(stage, ['/bin/sh', '-c', rest])
        return
      case 'COPY':
        copy(stage, rest)
        return
      case 'ENV':
        for (const [variable, value] of assignments(rest)) stage.environment[variable!] = value!
        return
      case 'WORKDIR':
        stage.folder = resolve(stage.folder, rest)
        mkdirSync(join(stage.root, stage.folder), { recursive: true })
        return
      case 'USER':
        stage.user = /^\d+:\d+$/.test(rest) ? rest : unknown(name, rest)
        return
      case 'ENTRYPOINT':
        stage.entrypoint = JSON.parse(rest)
        return
      // What is run when nothing is said, and labels: neither is in the root.
      case 'CMD':
      case 'LABEL':
        return
      default:
        unknown(name, rest)
    }
  }

  function copy(stage: Stage, rest: string): void {
    const words = rest.split(/\s+/)
    const flag = /^--from=(\w+)$/.exec(words[0]!)
    if (flag !== null) words.shift()
    const from = flag === null ? context : (stages.get(flag[1]!)?.root ?? unknown('COPY', rest))
    if (words.length < 2 || words.some((word) => /[[*?$"]|^--/.test(word))) unknown('COPY', rest)
    const to = words.pop()!
    const target = join(stage.root, resolve(stage.folder, to))
    for (const word of words) {
      const source = join(from, word)
      // Of a folder Docker copies what is in it.
      const place = to.endsWith('/') && !statSync(source).isDirectory() ? join(target, basename(source)) : target
      cpSync(source, place, {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
        filter: (path) => flag !== null || !isIgnored(relative(context, path)),
      })
    }
  }
}

/** As `docker run` would, with the network of the machine. */
function runInStage({ root, user, folder, environment }: Stage, words: readonly string[]): void {
  const ofTheMachine = Object.entries(process.env).filter(([name]) => OF_THE_MACHINE.test(name))
  const env = { ...Object.fromEntries(ofTheMachine), ...environment }
  run('chroot', [`--userspec=${user}`, root, 'env', `--chdir=${folder}`, ...words], env)
}

export function run(program: string, words: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const { status, error } = spawnSync(program, words, { stdio: 'inherit', env })
  if (status !== 0) throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? `ended with ${status}`}`)
}

/** In MiB. */
export function sizeOf(folder: string): number {
  const { stdout } = spawnSync('du', ['--summarize', '--bytes', folder], { encoding: 'utf8' })
  return Number(stdout.split('\t')[0]) / 2 ** 20
}

function stepsOf(text: string): [name: string, rest: string][] {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const steps = lines.join('\n').replaceAll('\\\n', ' ').split('\n')
  return steps.map((step) => [step.split(' ', 1)[0]!, step.slice(step.indexOf(' ') + 1).trim()])
}

/** Whether a FROM line begins a stage that the target is made of. */
function neededBy(target: string, steps: readonly (readonly [string, string])[]): (from: string) => boolean {
  const sources = new Map<string, string[]>()
  for (const [name, rest] of steps) {
    const stage = [...sources.values()].at(-1)
    if (name === 'FROM') sources.set(rest.split(' ')[2]!, [rest.split(' ')[0]!])
    else if (name === 'COPY') stage?.push(...[...rest.matchAll(/--from=(\w+)/g)].map(([, from]) => from!))
  }
  const needed = new Set([target])
  for (const name of needed) for (const from of sources.get(name) ?? []) needed.add(from)
  return (from) => needed.has(from.split(' ')[2]!)
}

function assignments(rest: string): string[][] {
  return rest.split(/\s+/).map((word) => (/^\w+=[^$"'\\]*$/.test(word) ? word.split('=', 2) : unknown('ENV', rest)))
}

function ignoredBy(file: string): (path: string) => boolean {
  const patterns = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  const unclear = patterns.find((pattern) => /^[!#/]/.test(pattern))
  if (unclear !== undefined) unknown('.dockerignore', unclear)
  return (path) => patterns.some((pattern) => matchesGlob(path, pattern))
}

function unknown(name: string, rest: string): never {
  throw new Error(`${name} ${rest}: no such step is known here; teach it to scripts/image-root/build.ts`)
}
