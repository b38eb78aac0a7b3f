// Finds the command, loads its module and no other, and turns what it throws into an exit code.

import { Command, CommanderError } from 'commander'
import manifest from '../package.json' with { type: 'json' }
import { DONE, describeError, exitCodeOf, FIX_INPUT } from './exit-codes.ts'
import { dropFlagsThatAreOff, withStoreOptions } from './options.ts'

interface CommandEntry {
  readonly summary: string
  readonly load: () => Promise<Command>
  /** It reaches no table. */
  readonly offline?: true
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  init: {
    summary: 'create an empty table from a definition',
    load: async () => (await import('./cli/init.ts')).initCommand(),
  },
  merge: {
    summary: 'merge what has landed since the last merge',
    load: async () => (await import('./cli/merge.ts')).mergeCommand(),
  },
  plan: {
    summary: 'say what a merge would touch, read and write',
    load: async () => (await import('./cli/plan.ts')).planCommand(),
  },
  commit: {
    summary: 'commit what the shards of a plan have merged',
    load: async () => (await import('./cli/commit.ts')).commitCommand(),
  },
  backfill: {
    summary: 'bring in a DynamoDB export, or Parquet files',
    load: async () => (await import('./cli/backfill.ts')).backfillCommand(),
  },
  inspect: {
    summary: 'show columns, partitions, sizes and properties',
    load: async () => (await import('./cli/inspect.ts')).inspectCommand(),
  },
  history: {
    summary: 'list the snapshots',
    load: async () => (await import('./cli/history.ts')).historyCommand(),
  },
  sql: {
    summary: 'ask the table a question in SQL',
    load: async () => (await import('./cli/sql.ts')).sqlCommand(),
  },
  why: {
    summary: 'say why a row is what it is',
    load: async () => (await import('./cli/why.ts')).whyCommand(),
  },
  verify: {
    summary: 'hold the table against a DynamoDB export',
    load: async () => (await import('./cli/verify.ts')).verifyCommand(),
  },
  replay: {
    summary: 'land again what failed on its way, or was quarantined',
    load: async () => (await import('./cli/replay.ts')).replayCommand(),
  },
  maintain: {
    summary: 'expire, purge and clean: the daily job',
    load: async () => (await import('./cli/maintain.ts')).maintainCommand(),
  },
  expire: {
    summary: 'remove old snapshots and their files',
    load: async () => (await import('./cli/expire.ts')).expireCommand(),
  },
  purge: {
    summary: 'forget old removals',
    load: async () => (await import('./cli/purge.ts')).purgeCommand(),
  },
  clean: {
    summary: 'delete files that nothing names',
    load: async () => (await import('./cli/clean.ts')).cleanCommand(),
  },
  rollback: {
    summary: 'go back to an earlier snapshot',
    load: async () => (await import('./cli/rollback.ts')).rollbackCommand(),
  },
  cost: {
    summary: 'estimate the monthly bill on AWS',
    load: async () => (await import('./cli/cost.ts')).costCommand(),
    offline: true,
  },
}

const EPILOGUE = `
Exit codes: 0 done or nothing to do · 10 try again · 20 fix the command, the input or the definition ·
            21 a stored object is damaged · 70 a defect of lastwrite

Example:
  lastwrite init ./lake/orders --definition orders.table.json
  lastwrite merge ./lake/orders --landing ./landing/orders
  lastwrite sql ./lake/orders "select count(*) from orders"`

/** Runs the command that the words name (`['merge', './lake/orders', …]`); prints; gives the exit code. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  dropFlagsThatAreOff(process.env)
  process.exitCode = DONE
  try {
    const program = await programFor(words[0] === 'help' ? words[1] : words[0])
    await program.parseAsync(words, { from: 'user' })
    return Number(process.exitCode)
  } catch (error) {
    // Commander has said what is wrong, or printed the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : FIX_INPUT
    process.stderr.write(`${describeError(error)}\n`)
    return exitCodeOf(error)
  }
}

async function programFor(named: string | undefined): Promise<Command> {
  const program = new Command('lastwrite')
    .description(
      'Keeps a table of the latest copy of every DynamoDB item: change lines in, an Apache Iceberg table out.',
    )
    .version(manifest.version)
    .addHelpText('after', EPILOGUE)
    .exitOverride()
  for (const [name, { summary, load, offline }] of Object.entries(COMMANDS)) {
    const command = name === named ? await load() : new Command(name)
    if (name === named && offline !== true) withStoreOptions(command)
    program.addCommand(command.summary(summary).copyInheritedSettings(program))
  }
  return program
}
