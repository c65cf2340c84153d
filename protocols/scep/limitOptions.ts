import { z } from 'zod'

const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }
const LONGEST = 30 * seconds.d

/** 20/1h: so many at once, and as many again in that time. What the core's rates take. */
function isRate(text: string): boolean {
  const [, count, length, unit] = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? []
  const period = Number(length) * seconds[unit as keyof typeof seconds]
  return period <= LONGEST && Number(count) <= Math.min(1_000_000, 1_000 * period)
}

const rate = z
  .string()
  .refine(
    (text) => text === 'off' || isRate(text),
    'a limit is off or written like 20/1h: up to 1000000, for 1s to 30d, no more than 1000 for each second',
  )

/** How often what nobody vouches for may be asked from one address, or one /64 of IPv6: docs/operate/limits.md. */
export const limitOptions = z.strictObject({
  /** New orders without a challenge that is good, renewals of the same names aside: people would have to look at each. */
  withoutChallengeBySource: rate.default('50/1h'),
  /** Envelopes that do not open, or hold no request with a good signature: after them no more is opened from there for a while. */
  unreadableBySource: rate.default('300/1h'),
})

export type LimitOptions = z.output<typeof limitOptions>
