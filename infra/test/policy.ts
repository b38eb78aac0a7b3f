// What IAM decides of a call, by the policies of a role: denied, unless a statement allows and none denies.
//
// It knows the elements that the stacks use, and refuses any other, so that it cannot say yes to what it did not understand.
// Source: IAM User Guide, "Policy evaluation logic", "IAM JSON policy elements".

import type { Deployed } from './deployed.ts'

export interface Call {
  readonly action: string
  readonly resource: string
  /** What conditions ask for: `s3:prefix`. */
  readonly context?: Readonly<Record<string, string>>
}

export interface Statement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
  readonly Sid?: string
}

export function isAllowed(call: Call, statements: readonly Statement[]): boolean {
  const matching = statements.filter((statement) => matches(call, statement))
  return matching.length > 0 && matching.every(({ Effect }) => Effect === 'Allow')
}

function matches({ action, resource, context = {} }: Call, statement: Statement): boolean {
  const { Effect: _, Action, Resource, Condition = {}, Sid: __, ...unknown } = statement
  if (Object.keys(unknown).length > 0) throw new Error(`a statement with ${Object.keys(unknown)}: not known here`)
  return (
    // Actions are compared without case, resources with it.
    listOf(Action).some((pattern) => isLike(action.toLowerCase(), pattern.toLowerCase())) &&
    listOf(Resource).some((pattern) => isLike(resource, pattern)) &&
    Object.entries(Condition).every(([operator, wanted]) =>
      Object.entries(wanted).every(([key, values]) => holds(operator, context[key], listOf(values))),
    )
  )
}

function holds(operator: string, value: string | undefined, wanted: readonly string[]): boolean {
  // Without "IfExists" what a call does not tell meets no condition.
  if (value === undefined) return false
  switch (operator) {
    case 'StringEquals':
      return wanted.includes(value)
    case 'StringLike':
      return wanted.some((pattern) => isLike(value, pattern))
  }
  throw new Error(`the condition ${operator}: not known here`)
}

export function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}

/** `*` stands for any characters, `?` for one. */
function isLike(text: string, pattern: string): boolean {
  const parts = pattern.split(/([*?])/).map((part) => (part === '*' ? '.*' : part === '?' ? '.' : RegExp.escape(part)))
  return new RegExp(`^${parts.join('')}$`, 's').test(text)
}

/** Of all policies of the role, or of the managed policy, that has this in its id. */
export function statementsOf(stack: Deployed, id: string): Statement[] {
  const policies = [
    ...Object.entries(stack.ofType('AWS::IAM::Policy')),
    ...Object.entries(stack.ofType('AWS::IAM::ManagedPolicy')),
  ]
  const found = policies.filter(([name]) => name.includes(id))
  if (found.length !== 1) throw new Error(`${found.length} policies of ${id}`)
  return (found[0]![1].PolicyDocument as { Statement: Statement[] }).Statement
}
