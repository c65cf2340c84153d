import { z } from 'zod'
import { rateText } from '../../src/http/optionFields.ts'

/**
 * How often clients may ask for what costs something (RFC 8555 section 6.6). The defaults are for clients that have run
 * away, not for large installations: docs/operate/limits.md says what each is for.
 */
export const limitOptions = z.strictObject({
  /** New accounts without external account binding from one address, or one /64 of IPv6. */
  newAccountsByAddress: rateText.default('500/3h'),
  /** Orders of one account, and authorizations that it asks for before one; renewals that name what they replace (RFC 9773) are free. */
  ordersByAccount: rateText.default('50000/1d'),
  /** Authorizations of one name that ended invalid, for one account, since one of them was last valid. */
  failedValidations: rateText.default('5/1h'),
  /** Beyond so many of these the name is paused for the account for 30 days, or until an administrator goes on with it. */
  failuresUntilPause: rateText.default('100/7d'),
})

export type LimitOptions = z.output<typeof limitOptions>
