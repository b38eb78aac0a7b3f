// Sections of a page that a program writes, between the marks `<!-- name -->` and `<!-- /name -->`.

/**
 * `text` with `content` between the marks.
 * @throws where `text`, the content of `path`, does not have both marks once, the first before the second
 */
export function withSection(text: string, name: string, content: string, path: string): string {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [before, ...afterOpen] = text.split(open)
  const [, ...after] = (afterOpen[0] ?? '').split(close)
  if (afterOpen.length !== 1 || after.length !== 1 || text.split(close).length !== 2) {
    throw new Error(`${path} needs one line ${open} and one line ${close} after it, to say where the section goes`)
  }
  return `${before}${open}\n\n${content}\n\n${close}${after[0]}`
}
