// How large row groups and files become: a function of their rows and bytes and of what was touched, nothing else.
//
// Above 1.5 × its target a row group or file is split into even parts; below 0.25 × it is joined with a neighbour, if the two
// together stay within 1.5 ×. Only what is written anyway is split or joined.

/** Below this part of its target size something is small. */
const JOIN_BELOW = 0.25
/** Above this part of its target size something is large. */
const SPLIT_ABOVE = 1.5

/** A row group, as it stands (`changed` false: it can be copied) or as changes make it. */
export interface Piece {
  readonly rows: number
  readonly changed: boolean
}

/** Pieces that become one stretch of rows; one unchanged piece alone is copied. */
export interface Unit<P extends Piece> {
  readonly pieces: readonly P[]
  readonly encode: boolean
}

/** Joins small changed row groups with a neighbour, and drops those that are empty. */
export function groupUnits<P extends Piece>(pieces: readonly P[], targetRows: number): Unit<P>[] {
  const units: { pieces: P[]; rows: number; encode: boolean }[] = []
  for (const piece of pieces) {
    if (piece.rows === 0) continue
    const last = units[units.length - 1]
    const small = (rows: number) => rows < JOIN_BELOW * targetRows
    const joins =
      last !== undefined &&
      last.rows + piece.rows <= SPLIT_ABOVE * targetRows &&
      ((last.encode && small(last.rows)) || (piece.changed && small(piece.rows)))
    if (joins) {
      last.pieces.push(piece)
      last.rows += piece.rows
      last.encode = true
    } else units.push({ pieces: [piece], rows: piece.rows, encode: piece.changed })
  }
  return units
}

/** The rows of each row group that `rows` rows become. */
export function splitRows(rows: number, targetRows: number): number[] {
  const parts = rows > SPLIT_ABOVE * targetRows ? Math.ceil(rows / targetRows) : 1
  return Array.from(
    { length: parts },
    (_, part) => Math.floor(((part + 1) * rows) / parts) - Math.floor((part * rows) / parts),
  )
}

/** Whether a file is small enough to be joined with a neighbour. */
export function isSmallFile(bytes: number, targetBytes: number): boolean {
  return bytes < JOIN_BELOW * targetBytes
}

/** Whether two neighbouring files, at least one of which is written anyway, become one. */
export function joinsNeighbour(bytes: number, neighbourBytes: number, targetBytes: number): boolean {
  return (
    isSmallFile(Math.min(bytes, neighbourBytes), targetBytes) && bytes + neighbourBytes <= SPLIT_ABOVE * targetBytes
  )
}

/** Whether a file of so many bytes and rows is complete, with so many rows to come: the rest must be worth a file of its own. */
export function isFull(bytes: number, rows: number, rowsToCome: number, targetBytes: number): boolean {
  return bytes >= targetBytes && rowsToCome >= (SPLIT_ABOVE - 1) * rows
}
