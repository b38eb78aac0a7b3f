import { afterAll, expect, it } from 'vitest'
import { LASTWRITE, newWorkspace, runProcess } from './run-lastwrite.ts'

/** Has Node look for DuckDB from the root folder, where nobody installs packages. */
const WITHOUT_DUCKDB = `data:text/javascript,${encodeURIComponent(`import { registerHooks } from 'node:module'
registerHooks({
  resolve: (name, context, next) =>
    next(name, name.startsWith('@duckdb/') ? { ...context, parentURL: 'file:///lastwrite.mjs' } : context),
})`)}`

const space = newWorkspace()
afterAll(() => space.remove())

it('says how to get DuckDB where it is not installed', async () => {
  const words = ['--import', WITHOUT_DUCKDB, LASTWRITE, 'sql', 'lake/orders', 'select 1']
  const { code, stdout, stderr } = await runProcess(process.execPath, words, space.folder, {})
  expect({ code, stdout }).toEqual({ code: 20, stdout: '' })
  expect(stderr).toMatch(/^lastwrite: sql: DuckDB is not installed.*npm install @duckdb\/node-api.*\n$/)
})
