// The commit protocol as a model: every order of what runs, upkeep, other engines, the network and the clock can do.
//
// It follows the code step by step, a step being what nothing else can come between: a request to the store or the catalog. Files say
// which code they stand for. `explore` visits every state; `wrongWith` says what must hold in each.

import { type Exploration, explore, type Step } from './explore.ts'
import { wrongWith } from './invariants.ts'
import { mergeSteps } from './merge-run.ts'
import { otherSteps } from './others.ts'
import { SAFEGUARDS, type Safeguard } from './safeguards.ts'
import { upkeepSteps } from './upkeep.ts'
import { newWorld, type Scenario, type World } from './world.ts'

export function checkProtocol(scenario: Scenario, removed: Safeguard | null, statesMax: number): Exploration {
  const safeguards = new Set<Safeguard>(SAFEGUARDS.filter((each) => each !== removed))
  function* steps(world: World): Generator<Step<World>> {
    for (const index of world.runs.keys()) yield* mergeSteps(world, index, scenario, safeguards)
    for (const index of world.upkeep.keys()) yield* upkeepSteps(world, index, scenario, safeguards)
    yield* otherSteps(world, scenario, safeguards)
  }
  return explore(newWorld(scenario), steps, (world) => wrongWith(world, scenario), statesMax)
}
