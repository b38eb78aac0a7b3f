// In which order a new file holds its row groups, so that a store can copy most of it.
//
// S3 copies no stretch under 5 MiB, and takes no part so short but the last. So stretches that are long enough lie together, and what has to
// be sent lies together: encoded groups, and kept ones of short stretches. A file begins with its magic, which is sent with what is
// sent, or copied with the stretch that has the magic of its own file before it. Where one does, the copies come first.

/** Bytes [start, end) of a stored file that hold a kept row group. */
export interface KeptBytes {
  readonly path: string
  readonly start: number
  readonly end: number
}

/** Neighbours in their file. */
interface Stretch {
  readonly groups: number[]
  readonly path: string
  readonly start: number
  end: number
}

/**
 * @param groups kept ones by where they lie, encoded ones as null
 * @param firstByte where the first row group of a file begins
 * @returns indices of `groups`
 */
export function copyOrder(groups: readonly (KeptBytes | null)[], copyBytesMin: number, firstByte: number): number[] {
  const stretches = stretchesOf(groups)
  const isLong = ({ start, end }: Stretch) => end - start >= copyBytesMin
  const long = stretches.filter(isLong)
  const begins = long.find(({ start }) => start === firstByte)
  const others = long.filter((stretch) => stretch !== begins).flatMap((stretch) => stretch.groups)
  const encoded = [...groups.keys()].filter((group) => groups[group] === null)
  const sent = [...stretches.filter((stretch) => !isLong(stretch)).flatMap((stretch) => stretch.groups), ...encoded]
  return begins === undefined ? [...sent, ...others] : [...begins.groups, ...others, ...sent]
}

/** By their files, in the order in which these are met, and their places in them. */
function stretchesOf(groups: readonly (KeptBytes | null)[]): Stretch[] {
  const kept = groups.flatMap((group, i) => (group === null ? [] : [{ ...group, i }]))
  const stretches: Stretch[] = []
  for (const inFile of Map.groupBy(kept, ({ path }) => path).values()) {
    for (const { path, start, end, i } of inFile.toSorted((a, b) => a.start - b.start)) {
      const last = stretches.at(-1)
      if (last?.path === path && last.end === start) {
        last.groups.push(i)
        last.end = end
      } else stretches.push({ groups: [i], path, start, end })
    }
  }
  return stretches
}
