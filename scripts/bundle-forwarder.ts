// Bundles the Lambda function into a folder: handler.mjs, whose export `handler` Lambda calls, and the client of S3 beside it:
// node scripts/bundle-forwarder.ts <folder>
//
// The SDK goes into the bundle, though Lambda's runtime brings one: this is the version that was tested, and of it only what is used
// is loaded at a cold start.

import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'rolldown'

const source = join(import.meta.dirname, '..', 'packages', 'lambda-forwarder', 'src')

export async function bundleForwarder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await build({
    input: join(source, 'handler.ts'),
    platform: 'node',
    resolve: {
      // The SDK's ES modules: of its CommonJS nothing can be left out.
      mainFields: ['module', 'main'],
      alias: { '@aws-sdk/credential-provider-node': join(source, 'execution-role.ts') },
    },
    output: { dir: folder, format: 'esm', minify: true, entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' },
    logLevel: 'warn',
  })
}

if (import.meta.main) await bundleForwarder(process.argv[2]!)
