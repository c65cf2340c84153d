import { z } from 'zod'

const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }
const LONGEST = 30 * seconds.d

/** 300/3h: so many at once, and as many again in that time. What the core's rates take. */
function isRate(text: string): boolean {
  const [, count, length, unit] = /^([1-9][0-9]{0,6})\/([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? []
  const period = Number(length) * seconds[unit as keyof typeof seconds]
  return period <= LONGEST && Number(count) <= Math.min(1_000_000, 1_000 * period)
}

const rate = z
  .string()
  .refine(
    (text) => text === 'off' || isRate(text),
    'a limit is off or written like 300/3h: up to 1000000, for 1s to 30d, no more than 1000 for each second',
  )

/**
 * How often clients may ask for what costs something (RFC 8555 section 6.6). The defaults are for clients that have run
 * away, not for large installations: docs/operate/limits.md says what each is for.
 */
export const limitOptions = z.strictObject({
  /** New accounts without external account binding from one address, or one /64 of IPv6. */
  newAccountsByAddress: rate.default('500/3h'),
  /** Orders of one account, and authorizations that it asks for before one; renewals that name what they replace (RFC 9773) are free. */
  ordersByAccount: rate.default('50000/1d'),
  /** Authorizations of one name that ended invalid, for one account, since one of them was last valid. */
  failedValidations: rate.default('5/1h'),
  /** Beyond so many of these the name is paused for the account for 30 days, or until an administrator goes on with it. */
  failuresUntilPause: rate.default('100/7d'),
})

export type LimitOptions = z.output<typeof limitOptions>
