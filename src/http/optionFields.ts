import { z } from 'zod'

const units = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, y: 31_536_000_000 }

/** A length of time in an adapter's options as people write it: 90d, 12h, 30m. It stays text there: `milliseconds` reads it. */
export const durationText = z
  .string()
  .regex(/^[1-9][0-9]{0,5}(s|m|h|d|y)$/, 'a length of time is written like 90d, 12h or 30m')

/** Milliseconds of a text that durationText took. */
export function milliseconds(text: string): number {
  return Number(text.slice(0, -1)) * units[text.slice(-1) as keyof typeof units]
}

const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }
const LONGEST = 30 * seconds.d

/** A limit in an adapter's options, as the core's rates take it: 20/1h is so many at once, and as many again in that time. */
export const rateText = z
  .string()
  .refine(
    (text) => text === 'off' || isRate(text),
    'a limit is off or written like 20/1h: up to 1000000, for 1s to 30d, no more than 1000 for each second',
  )

function isRate(text: string): boolean {
  const [, count, length, unit] = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? []
  const period = Number(length) * seconds[unit as keyof typeof seconds]
  return period <= LONGEST && Number(count) <= Math.min(1_000_000, 1_000 * period)
}
