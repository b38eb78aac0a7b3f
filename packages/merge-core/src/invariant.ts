/** Throws where something that must hold by construction does not: a defect of ours (exit 70), never of the input. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`)
}
