import { z } from 'zod'

/** This contract's settings on an RA profile: docs/protocols/alpacon.md. */
export const alpaconOptions = z
  .strictObject({
    /** The contract names no profile: orders of the organization go to this one. */
    takesOrders: z.boolean().default(false),
    /** What becomes of an order for more days than the profile gives: as many as it gives, or the policy refuses it. */
    tooLong: z.enum(['shorten', 'refuse']).default('shorten'),
  })
  .prefault({})
