// JSON files of a plan's staging, read member by member: what is missing or of another type is an error that names file and member.

import { DamagedObjectError, InputError } from '../errors.ts'

/** The version of these files that this code reads and writes. */
export const FORMAT = 1

export class JsonObject {
  readonly #path: string
  readonly #place: string
  readonly #members: Readonly<Record<string, unknown>>

  private constructor(path: string, place: string, value: unknown) {
    this.#path = path
    this.#place = place
    this.#members = Object(value)
    if (this.#members !== value || Array.isArray(value)) this.#refuse('is no object', value)
  }

  /** @throws DamagedObjectError where the file is not what was written; InputError where a later version wrote it */
  static read(path: string, bytes: Uint8Array): JsonObject {
    let value: unknown
    try {
      value = JSON.parse(Buffer.from(bytes).toString())
    } catch (cause) {
      throw new DamagedObjectError(path, `is no JSON (${(cause as Error).message}); plan again`, { cause })
    }
    const object = new JsonObject(path, '', value)
    const format = object.count('format')
    if (format <= FORMAT) return object
    throw new InputError(
      `${path}: written in format ${format}, this version reads up to ${FORMAT}; use a newer lastwrite`,
    )
  }

  text(name: string): string {
    const value = this.#members[name]
    return typeof value === 'string' ? value : this.#refuse(`${name} is no text`, value)
  }

  textOrNull(name: string): string | null {
    return this.#members[name] === null ? null : this.text(name)
  }

  /** A whole number from −1. */
  count(name: string): number {
    const value = this.#members[name]
    return Number.isSafeInteger(value) && (value as number) >= -1
      ? (value as number)
      : this.#refuse(`${name} is no count`, value)
  }

  object(name: string): JsonObject {
    return new JsonObject(this.#path, `${this.#place}${name}.`, this.#members[name])
  }

  objects(name: string): JsonObject[] {
    return this.list(name).map((value, index) => new JsonObject(this.#path, `${this.#place}${name}[${index}].`, value))
  }

  texts(name: string): string[] {
    return this.list(name).map((value) =>
      typeof value === 'string' ? value : this.#refuse(`${name} is no texts`, value),
    )
  }

  /** Members of any type, for the caller to look at. */
  list(name: string): readonly unknown[] {
    const value = this.#members[name]
    return Array.isArray(value) ? value : this.#refuse(`${name} is no list`, value)
  }

  has(name: string): boolean {
    return name in this.#members
  }

  flag(name: string): boolean {
    const value = this.#members[name]
    return typeof value === 'boolean' ? value : this.#refuse(`${name} is no flag`, value)
  }

  #refuse(what: string, value: unknown): never {
    throw new DamagedObjectError(this.#path, `${this.#place}${what}: ${JSON.stringify(value)}; plan again`)
  }
}
