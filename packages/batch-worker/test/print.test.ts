import { expect, it } from 'vitest'
import { count } from '../src/print.ts'

it('writes whole numbers as Intl does', () => {
  const format = new Intl.NumberFormat('en-US')
  const powers = Array.from({ length: 18 }, (_, digits) => 10n ** BigInt(digits))
  const bigints = powers.flatMap((power) => [power - 1n, power, -power, 7n * power + 1n])
  expect(bigints.map(count)).toEqual(bigints.map((value) => format.format(value)))
  const numbers = [0, 1, 12, 999, 1000, 65_536, 1_234_567, Number.MAX_SAFE_INTEGER]
  expect(numbers.map(count)).toEqual(numbers.map((value) => format.format(value)))
})
