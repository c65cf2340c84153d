import { Failure } from '../failure.ts'

/** How often something may happen: `burst` at once, and one more for every `spacing` microseconds that pass. */
export interface Rate {
  /** Microseconds. */
  spacing: number
  burst: number
}

/** Never refuses. */
const unlimited: Rate = { spacing: 0, burst: 0 }
/** Always refuses. */
const blocked: Rate = { spacing: 1, burst: 0 }

const units = { s: 1_000_000, m: 60_000_000, h: 3_600_000_000, d: 86_400_000_000 }
const LONGEST = 30 * units.d
const SHORTEST_SPACING = 1_000
const notation =
  'a rate is written like 300/3h: up to 1000000, for 1s to 30d, no more than 1000 for each second; or unlimited, or blocked'

const known = new Map<string, Rate>()

/** The rate that 300/3h, unlimited or blocked stands for. Throws Failure('malformed'). */
export function readRate(text: string): Rate {
  const kept = known.get(text)
  if (kept) return kept
  const rate = parse(text)
  if (known.size < 1_000) known.set(text, rate)
  return rate
}

function parse(text: string): Rate {
  if (text === 'unlimited') return unlimited
  if (text === 'blocked') return blocked
  const [, count, length, unit] = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? []
  const burst = Number(count)
  const period = Number(length) * units[unit as keyof typeof units]
  const spacing = Math.ceil(period / burst)
  if (!(burst <= 1_000_000 && period <= LONGEST && period / burst >= SHORTEST_SPACING))
    throw new Failure('malformed', notation)
  return { spacing, burst }
}

/** What readRate reads. */
export function rateText({ spacing, burst }: Rate): string {
  if (spacing === 0) return 'unlimited'
  if (burst === 0) return 'blocked'
  // The spacing was rounded up, by less than a microsecond for each of the burst.
  const seconds = Math.floor((spacing * burst) / units.s)
  const [unit, size] = Object.entries(units)
    .reverse()
    .find(([, size]) => seconds % (size / units.s) === 0) ?? ['s', units.s]
  return `${burst}/${seconds / (size / units.s)}${unit}`
}

/** A time to wait, for people: rounded up, so that it is never too short. */
export function waitText(seconds: number): string {
  const [size, name] = (
    [
      [86_400, 'day'],
      [3_600, 'hour'],
      [60, 'minute'],
    ] as const
  ).find(([size]) => seconds >= 2 * size) ?? [1, 'second']
  const count = Math.ceil(seconds / size)
  return `${count} ${name}${count === 1 ? '' : 's'}`
}
