import { z } from 'zod'

const DELAY = /^(0|[1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?$/

/** Milliseconds, one number or a range: 500, 0-3000. */
const delay = z
  .string()
  .regex(DELAY, 'milliseconds, or a range of them: 500 or 0-3000')
  .transform((text) => {
    const [, least, most = least] = DELAY.exec(text) ?? []
    return { least: Number(least), most: Number(most) }
  })
  .refine(({ least, most }) => least <= most && most <= 30_000, 'at most 30000, the smaller number first')

/**
 * What a server may do and few do, for people who test clients. Everything that it makes stays within RFC 8555; nothing of
 * it is for a CA that is used.
 */
export const chaosOptions = z.strictObject({
  /** The share of good nonces that are refused with badNonce. */
  rejectNonces: z.number().min(0).max(0.9).default(0),
  /** Every array in an answer comes in another order each time. */
  shuffle: z.boolean().default(false),
  /** How long a validation waits before it begins. */
  delayValidation: delay.optional(),
  /** How long an order that is issued is still shown as processing after its finalize. */
  delayIssuance: delay.optional(),
  /** What Retry-After says where there is one: a number of seconds, the same as a date, or nothing at all. */
  retryAfter: z.union([z.literal(['date', 'none']), z.int().min(1).max(600)]).optional(),
  /** URLs of all but accounts have a part that is another one each time. */
  varyUrls: z.boolean().default(false),
})

export type ChaosOptions = z.output<typeof chaosOptions>
