import { z } from 'zod'
import { rateText } from '../../src/http/optionFields.ts'

/** How often what nobody vouches for may be asked from one address, or one /64 of IPv6: docs/operate/limits.md. */
export const limitOptions = z.strictObject({
  /** New orders without a challenge that is good, renewals of the same names aside: people would have to look at each. */
  withoutChallengeBySource: rateText.default('50/1h'),
  /** Envelopes that do not open, or hold no request with a good signature: after them no more is opened from there for a while. */
  unreadableBySource: rateText.default('300/1h'),
})

export type LimitOptions = z.output<typeof limitOptions>
