#!/usr/bin/env node
// Starts the command line from its sources. In plain JavaScript: until the compile cache is on, a file with types costs the compiler that
// strips them, which takes longer to load than all the rest of a short command.

import { enableCompileCache } from 'node:module'

enableCompileCache()
await import('../src/main.ts')
