import { mutateOctets } from './mutateBytes.ts'
import type { Random } from './random.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

const WORDS = [
  '',
  '\0',
  '\u0000',
  '\ud800',
  '\u202e',
  '\ufeff',
  'é',
  'e\u0301',
  'ﬁ',
  '𝔘',
  '%00',
  '%',
  '%zz',
  '..',
  '../..',
  '//',
  '\\',
  "'",
  '"',
  "' or 1=1 --",
  '<b>',
  '$\x7bx}',
  '{{x}}',
  '*',
  '?',
  '(',
  '(((((',
  ')',
  '[',
  '^(a+)+$',
  '(?=a)',
  '.*',
  '-',
  '-1',
  '0',
  '1e999',
  'NaN',
  'Infinity',
  '9007199254740993',
  '00',
  '0x10',
  'true',
  'null',
  'undefined',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  'a'.repeat(300),
  'a'.repeat(5000),
  '\r\n',
  '\n',
  '\t',
  ' ',
  '2026-01-01T00:00:00Z',
  '+275760-09-13T00:00:00.001Z',
  '0000-00-00',
  'default',
  'xn--',
  'xn--a',
  '*.example.org',
  'localhost',
  '127.0.0.1',
  '::',
  '10.0.0.0/33',
  'a@b',
  '@',
  'http://[',
  'https://a/../b',
  'data:,',
  'P1D',
  '1 day',
  '00000000-0000-0000-0000-000000000000',
  '&a',
  '*a',
  '!!js',
  '<<',
  '? ',
  '|',
  '>',
  '&&',
  '||',
  '==',
] // prettier-ignore
const NUMBERS = [0, -0, -1, 1, 0.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 53, -(2 ** 53), 1e21, 1e308, 5e-324]

/** Characters, words and runs of them. */
export function mutateText(input: Buffer, random: Random, other: Buffer): Buffer {
  if (random.chance(0.15)) return mutateOctets(input, random)
  let text = input.toString()
  for (let n = random.below(3); n >= 0; n--) {
    const at = random.below(text.length + 1)
    const end = at + random.below(random.chance(0.2) ? 100 : 6)
    const foreign = other.toString()
    const from = random.below(foreign.length + 1)
    const put = random.pick([
      random.pick(WORDS),
      foreign.slice(from, from + random.below(40)),
      text.slice(at, end).repeat(1 + random.below(20)),
      '',
    ])
    text = text.slice(0, at) + put + text.slice(random.chance(0.5) ? at : end)
  }
  return Buffer.from(text)
}

/** A value here and there in a JSON text, else its characters. `keys`: names of members that something may know. */
export function mutateJson(
  input: Buffer,
  random: Random,
  { other, keys }: { other: Buffer; keys: readonly string[] },
): Buffer {
  if (random.chance(0.1)) return mutateText(input, random, other)
  try {
    let value = JSON.parse(input.toString()) as Json
    for (let n = random.below(3); n >= 0; n--) value = changed(value, random, keys)
    return Buffer.from(JSON.stringify(value))
  } catch {
    return mutateText(input, random, other)
  }
}

function changed(value: Json, random: Random, keys: readonly string[]): Json {
  const within = typeof value === 'object' && value !== null ? Object.keys(value) : []
  if (within.length === 0 || random.chance(0.15))
    return random.chance(0.3) ? another(random) : altered(value, random, keys)
  const key = random.pick(within)
  const copy: { [name: string]: Json } | Json[] = Array.isArray(value)
    ? [...value]
    : { ...(value as { [name: string]: Json }) }
  const members = copy as { [name: string]: Json }
  if (random.chance(0.1)) delete members[key]
  else members[key] = changed(members[key] ?? null, random, keys)
  return Array.isArray(copy) ? copy.filter((item) => item !== undefined) : copy
}

function altered(value: Json, random: Random, keys: readonly string[]): Json {
  if (typeof value === 'string')
    return mutateText(Buffer.from(value), random, Buffer.from(random.pick(WORDS))).toString()
  if (typeof value === 'number')
    return random.chance(0.5) ? value + random.pick([-1, 1, 0.5, 1000]) : random.pick(NUMBERS)
  if (Array.isArray(value)) return random.chance(0.5) ? [...value, ...value] : [...value, another(random)]
  if (typeof value === 'object' && value !== null) {
    const name = keys.length > 0 && random.chance(0.8) ? random.pick(keys) : random.pick(WORDS)
    return JSON.parse(
      `{${[...Object.entries(value), [name, another(random)] as const].map(([key, item]) => `${JSON.stringify(key)}:${JSON.stringify(item)}`).join()}}`,
    )
  }
  return another(random)
}

function another(random: Random): Json {
  switch (random.below(9)) {
    case 0:
      return null
    case 1:
      return random.chance(0.5)
    case 2:
      return random.pick(NUMBERS)
    case 3:
      return []
    case 4:
      return {}
    case 5:
      return [random.pick(WORDS)]
    case 6:
      return { [random.pick(WORDS)]: random.pick(WORDS) }
    case 7:
      return nested(2 ** random.below(12))
    default:
      return random.pick(WORDS)
  }
}

function nested(depth: number): Json {
  let value: Json = []
  for (let n = 0; n < depth; n++) value = [value]
  return value
}
