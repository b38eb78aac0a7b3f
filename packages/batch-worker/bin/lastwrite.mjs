#!/usr/bin/env node
// Starts the command line. In plain JavaScript: until the compile cache is on, a file with types costs the compiler that strips them,
// which takes longer to load than all the rest of a short command.

import { enableCompileCache } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'

// Threads learn of it from the environment.
process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
enableCompileCache()
// Columns lie outside of V8's heap. By default every 64 MB of them start a collection of all garbage, however little the heap holds;
// counted with the heap they start one where there is something to gain. Set before any thread starts, it holds for all. Node 22 and
// its V8 do not know it.
if (Number.parseInt(process.versions.node, 10) >= 24) setFlagsFromString('--external-memory-accounted-in-global-limit')
await import('../src/main.ts')
