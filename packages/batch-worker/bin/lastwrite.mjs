#!/usr/bin/env node
// Starts the command line. In plain JavaScript: until the compile cache is on, a file with types costs the compiler that strips them,
// which takes longer to load than all the rest of a short command.

import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Threads learn of it from the environment.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
enableCompileCache()
await import('../src/main.ts')
