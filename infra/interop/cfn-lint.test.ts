// The templates as AWS's own linter reads them, against the schemas of the resource types.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { describeWith } from '../../packages/merge-core/interop/parts.ts'
import { lintPython } from '../../scripts/parts.ts'
import { REGION } from '../test/deployed.ts'
import { FLEET, stageTemplates } from '../test/synthesized.ts'

interface Finding {
  readonly Rule: { readonly Id: string }
  readonly Message: string
  readonly Location: { readonly Path: readonly (string | number)[] }
}

/** What cfn-lint finds and we leave as it is, with the reason. */
const LEFT = [
  {
    rule: 'I1022',
    message: /^Prefer using Fn::Sub over Fn::Join/,
    why: 'the CDK writes joins, and nobody writes or reads the templates by hand',
  },
  {
    rule: 'W3005',
    message: /^'\w+Role\w+' dependency already enforced by a 'GetAtt'/,
    why: 'the CDK lets a resource wait for a role by name, together with the policy of the role, which nothing else waits for',
  },
]

const WRONG = { Resources: { Bucket: { Type: 'AWS::S3::Bucket', Properties: { BucketNames: 'x' } } } }

describeWith('lint', 'cfn-lint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lastwrite-templates-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  async function lint(template: object): Promise<Finding[]> {
    const file = join(folder, 'template.json')
    writeFileSync(file, JSON.stringify(template))
    const words = ['--format', 'json', '--include-checks', 'I', '--regions', REGION, '--template', file]
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    execFile(join(lintPython.folder, 'bin', 'cfn-lint'), words, (error, stdout, stderr) => {
      // Its exit code tells of findings, too.
      if (stdout === '') reject(new Error(stderr, { cause: error }))
      else resolve(stdout)
    })
    return JSON.parse(await promise)
  }

  it.each([
    ['that begins with an export, with a key of its own', {}],
    ['that begins empty, with the keys of S3', { from: 'empty', ownKey: false }],
    ['with a fleet', { fleet: FLEET }],
    ['with Spark on EMR Serverless', { emrServerless: { vcpusMax: 100 } }],
  ] as const)('finds nothing in a stage %s, but what is explained here', async (_, changes) => {
    const findings = (
      await Promise.all(Object.values(stageTemplates(changes)).map((template) => lint(template.toJSON())))
    ).flat()
    const isLeft = ({ Rule, Message }: Finding) =>
      LEFT.some(({ rule, message }) => Rule.Id === rule && message.test(Message))
    expect(findings.filter((finding) => !isLeft(finding)).map(textOf)).toEqual([])
    expect(LEFT.filter(({ rule }) => !findings.some(({ Rule }) => Rule.Id === rule))).toEqual([])
  })

  it('finds a property that no resource type has', async () => {
    expect((await lint(WRONG)).map(textOf)).toEqual([expect.stringMatching(/^E3002 Resources\/Bucket.*BucketNames/)])
  })
})

function textOf({ Rule, Location, Message }: Finding): string {
  return `${Rule.Id} ${Location.Path.join('/')}: ${Message}`
}
