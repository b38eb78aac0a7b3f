// Installs what the interop tests and the benchmark run against (parts.ts): node scripts/setup-parts.ts
//
// A part that is there is left alone. One that is not is built beside its place and stamped last, so that an interrupted run
// leaves nothing that looks finished; a second run waits for the first. What cannot be installed is named, with the remedy; that
// is a failure only in CI: elsewhere the tests that need it are skipped.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  cacheFolder,
  dynamodbLocalFolder,
  dynamodbLocalPom,
  enginesPython,
  type GoPart,
  lintPython,
  ministackPython,
  motoPython,
  type PythonPart,
  restCatalogCoordinates,
  restCatalogFolder,
  restCatalogJar,
  restCatalogLauncher,
  rivalsPython,
  s3aFolder,
  s3aPom,
  sparkRuntimeCoordinates,
  sparkRuntimeFolder,
  stampName,
  toxiproxy,
  versitygw,
} from './parts.ts'
import { withLock } from './process-lock.ts'

const MAVEN_DEPENDENCIES = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
/** pyarrow and PySpark have wheels for these. */
const PYTHON_MINORS = [11, 12, 13, 10]

interface Part {
  readonly name: string
  readonly folder: string
  /** What goes into the stamp. */
  readonly content: unknown
  /** Throws with a remedy where it cannot. */
  readonly install: () => void
}

const parts: readonly Part[] = [
  pythonEnvironment('Python with DuckDB, pyarrow, pyiceberg and PySpark', enginesPython),
  pythonEnvironment("Python with the benchmark's rivals", rivalsPython),
  pythonEnvironment('the S3 server ministack', ministackPython),
  pythonEnvironment('AWS Glue by moto, with pyiceberg', motoPython),
  pythonEnvironment('cfn-lint and sqlglot', lintPython),
  goProgram('the S3 server versitygw', versitygw),
  goProgram('the fault proxy toxiproxy', toxiproxy),
  {
    name: `Iceberg for Spark (${sparkRuntimeCoordinates})`,
    folder: sparkRuntimeFolder,
    content: { artifact: sparkRuntimeCoordinates },
    install: () => copyJar(sparkRuntimeCoordinates, sparkRuntimeFolder),
  },
  {
    name: `Iceberg's REST catalog (${restCatalogCoordinates})`,
    folder: restCatalogFolder,
    content: { artifact: restCatalogCoordinates },
    install() {
      copyJar(restCatalogCoordinates, restCatalogFolder)
      run('javac', ['-cp', restCatalogJar, '-d', restCatalogFolder, restCatalogLauncher], JAVA)
    },
  },
  {
    name: 'DynamoDB Local',
    folder: dynamodbLocalFolder,
    content: { pom: dynamodbLocalPom },
    install: () => copyTree(dynamodbLocalPom, dynamodbLocalFolder),
  },
  {
    name: "Hadoop's S3A for Spark",
    folder: s3aFolder,
    content: { pom: s3aPom },
    // Spark's own are behind them in the class path.
    install: () =>
      copyTree(s3aPom, s3aFolder, [
        'io.netty',
        'org.apache.httpcomponents',
        'org.slf4j',
        'commons-codec',
        'commons-logging',
      ]),
  },
]

const JAVA = 'install Maven and a JDK 17 (Debian: apt-get install maven)'

function copyJar(coordinates: string, folder: string): void {
  const goal = [`${MAVEN_DEPENDENCIES}:copy`, `-Dartifact=${coordinates}`, `-DoutputDirectory=${folder}`]
  run('mvn', ['--batch-mode', '--quiet', ...goal], JAVA)
}

/** All that a pom depends on, but for what is of these groups. */
function copyTree(pom: string, folder: string, without: readonly string[] = []): void {
  const options = [`-DoutputDirectory=${folder}`, '-DincludeScope=runtime', `-DexcludeGroupIds=${without.join(',')}`]
  const goal = ['-f', pom, `${MAVEN_DEPENDENCIES}:copy-dependencies`, ...options]
  run('mvn', ['--batch-mode', '--quiet', ...goal], JAVA)
}

function pythonEnvironment(name: string, { requirements, folder, program }: PythonPart): Part {
  return {
    name,
    folder,
    content: { requirements },
    install() {
      const venv = 'install the venv module of Python (Debian: apt-get install python3-venv)'
      run(findPython(), ['-m', 'venv', folder], venv)
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]
      run(program, pip, 'see what pip says; is its registry in reach?')
    },
  }
}

function goProgram(name: string, { module, folder }: GoPart): Part {
  return {
    name: `${name} (${module})`,
    folder,
    content: { module },
    install() {
      const remedy = 'install Go 1.25 or later; is its module proxy in reach?'
      run('go', ['install', module], remedy, { GOBIN: folder, GOFLAGS: '' })
    },
  }
}

function findPython(): string {
  for (const program of [...PYTHON_MINORS.map((minor) => `python3.${minor}`), 'python3']) {
    const check = `import sys; sys.exit(sys.version_info[:2] not in ${pythonVersions()})`
    if (spawnSync(program, ['-c', check], { stdio: 'ignore' }).status === 0) return program
  }
  throw new Error(`no Python 3.${PYTHON_MINORS.join(', 3.')} in the path: install one`)
}

const pythonVersions = (): string => `[${PYTHON_MINORS.map((minor) => `(3, ${minor})`).join(', ')}]`

function run(program: string, args: readonly string[], remedy: string, environment: NodeJS.ProcessEnv = {}): void {
  const env = { ...process.env, ...environment }
  const result: SpawnSyncReturns<Buffer> = spawnSync(program, args, { stdio: ['ignore', 2, 2], env })
  if (result.error) throw new Error(`${program} does not start (${result.error.message}): ${remedy}`)
  if (result.status !== 0) throw new Error(`${program} ended with ${result.status ?? result.signal}: ${remedy}`)
}

async function installAll(): Promise<boolean> {
  let complete = true
  for (const part of parts) {
    if (existsSync(join(part.folder, stampName))) {
      console.log(`${part.name}: is there`)
      continue
    }
    console.log(`${part.name}: installing into ${part.folder}`)
    const startMs = performance.now()
    try {
      rmSync(part.folder, { recursive: true, force: true })
      part.install()
      writeFileSync(join(part.folder, stampName), `${JSON.stringify(part.content)}\n`)
      console.log(`${part.name}: installed in ${((performance.now() - startMs) / 1000).toFixed(0)} s`)
    } catch (error) {
      complete = false
      console.error(`${part.name}: not installed: ${(error as Error).message}`)
    }
  }
  return complete
}

const complete = await withLock(join(cacheFolder, 'setup.lock'), installAll)
if (!complete && process.env.CI === 'true') process.exitCode = 1
