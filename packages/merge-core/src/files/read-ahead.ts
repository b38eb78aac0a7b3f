/** Each item with what `read` brings for it, in order: while one is worked on the next is read. */
export async function* readAhead<Item, Read>(
  items: readonly Item[],
  read: (item: Item) => Promise<Read>,
): AsyncGenerator<readonly [Item, Read]> {
  const started = (item: Item) => {
    const reading = read(item)
    // Whoever stops before the item has no use for its failure.
    reading.catch(() => {})
    return reading
  }
  let next = items.length === 0 ? null : started(items[0]!)
  for (const [i, item] of items.entries()) {
    const current = await next!
    next = i + 1 < items.length ? started(items[i + 1]!) : null
    yield [item, current]
  }
}
