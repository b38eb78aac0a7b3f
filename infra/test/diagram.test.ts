import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { diagramOf } from '../docs/diagram.ts'
import { deployed } from './deployed.ts'

const BUCKETS = { Landing: 'landing', Tables: 'tables' }

/** Of the templates as they stand, without resources whose ids have this in them. */
function diagramWithout(id?: string): string {
  const templates = ['storage', 'pipeline'].map((name) => {
    const { Resources, ...rest } = JSON.parse(
      readFileSync(new URL(`golden/${name}.template.json`, import.meta.url), 'utf8'),
    )
    const kept = Object.entries(Resources).filter(([each]) => id === undefined || !each.includes(id))
    return [name, { toJSON: () => ({ ...rest, Resources: Object.fromEntries(kept) }) }] as const
  })
  return diagramOf(deployed(Object.fromEntries(templates), BUCKETS))
}

const diagram = diagramWithout()
const arrows = diagram.split('\n').flatMap((line) => /^ {2}(\w+) (?:-- .* )?-->? (\w+)$/.exec(line)?.slice(1) ?? [])
const pairs = Array.from({ length: arrows.length / 2 }, (_, i) => [arrows[2 * i]!, arrows[2 * i + 1]!] as const)

it('leads from the stream of DynamoDB to Athena, on the way of the data', () => {
  const way = ['Stream', 'ChangeCaptureForwarder', 'DeliveryStream', 'Landing', 'ScheduleJobs', 'Table', 'Athena']
  for (const [i, to] of way.slice(1).entries()) expect(pairs).toContainEqual([way[i], to])
})

it('leads what failed back to where it landed', () => {
  expect(pairs).toEqual(
    expect.arrayContaining([
      ['ChangeCaptureForwarder', 'OnFailure'],
      ['DeliveryStream', 'OnFailure'],
      ['OnFailure', 'ByHandJobs'],
      ['ByHandJobs', 'Landing'],
    ]),
  )
})

it('has no more nodes than can be read, and none beside the others', () => {
  const nodes = [...diagram.matchAll(/^ +(\w+)[[{]/gm)].map(([, id]) => id!)
  expect(nodes.length).toBeLessThanOrEqual(15)
  expect(nodes.filter((id) => !new RegExp(`(^|\\s)${id}\\s.*>|> ${id}$`, 'm').test(diagram))).toEqual([])
})

it.each([
  ['MergeJobMergeRoleDefaultPolicy', 'Landing --> ScheduleJobs'],
  ['ChangeCaptureRoleDefaultPolicy', 'ChangeCaptureForwarder --> DeliveryStream'],
  ['MergeJobMergeSchedule', 'Schedule -- "merge'],
  ['CatalogReaders', 'Table --> Athena'],
  ['AlarmsDeliveryBehind', 'DeliveryStream -.-> Alarms'],
])('without %s there is no arrow %s', (id, arrow) => {
  expect(diagram).toContain(arrow)
  expect(diagramWithout(id)).not.toContain(arrow)
})
