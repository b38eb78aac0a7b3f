// Visits every state that can be reached, nearest first, so that the first trace found to a violation is one of the shortest.

export interface Step<State> {
  /** What happens, as a sentence. */
  readonly what: string
  readonly to: State
}

export interface Exploration {
  readonly states: number
  /** The way to a state that is wrong, what is wrong with it last; null where all states are right. */
  readonly counterexample: readonly string[] | null
}

/**
 * @param wrongWith says what is wrong with a state, null where it is right
 * @throws where there are more states than `statesMax`: what was not visited proves nothing
 */
export function explore<State extends object>(
  initial: State,
  stepsFrom: (state: State) => Iterable<Step<State>>,
  wrongWith: (state: State) => string | null,
  statesMax: number,
): Exploration {
  const share = hashConsing()
  const visited = new Map<State, number>()
  /** Of each visited state the one before, and what led from there. */
  const before = [-1]
  const led = ['']
  const start = share(initial)
  visited.set(start, 0)
  for (let frontier = [start]; frontier.length > 0; ) {
    const next: State[] = []
    for (const state of frontier) {
      const number = visited.get(state)!
      const wrong = wrongWith(state)
      if (wrong !== null) return { states: visited.size, counterexample: [...wayTo(number), wrong] }
      for (const { what, to } of stepsFrom(state)) {
        const found = share(to)
        if (visited.has(found)) continue
        if (visited.size === statesMax) throw new Error(`there are more than ${statesMax} states`)
        visited.set(found, visited.size)
        before.push(number)
        led.push(what)
        next.push(found)
      }
    }
    frontier = next
  }
  return { states: visited.size, counterexample: null }

  function wayTo(number: number): string[] {
    const way: string[] = []
    for (let at = number; at > 0; at = before[at]!) way.unshift(led[at]!)
    return way
  }
}

/**
 * Of equal objects one is kept, with all that is in them, so that equal states are one object, and a state costs what is new in it.
 * The objects given are taken over: what is in them may be replaced by its equal.
 */
function hashConsing(): <Value>(value: Value) => Value {
  const numbers = new Map<unknown, number>()
  const shapes = new Map<string, number>()
  const byText = new Map<string, object>()
  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
  const share = (value: unknown): unknown => {
    if (!isObject(value) || numbers.has(value)) return value
    const names = Object.keys(value)
    const shape = Array.isArray(value) ? `[${names.length}]` : names.join()
    if (!shapes.has(shape)) shapes.set(shape, shapes.size)
    let text = `${shapes.get(shape)}:`
    for (const name of names) {
      const part = share(value[name])
      value[name] = part
      text += isObject(part) ? `#${numbers.get(part)} ` : `${JSON.stringify(part)} `
    }
    const equal = byText.get(text)
    if (equal !== undefined) return equal
    byText.set(text, value)
    numbers.set(value, numbers.size)
    return value
  }
  return <Value>(value: Value) => share(value) as Value
}
