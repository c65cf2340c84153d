import { z } from 'zod'

/** Notary's settings on an RA profile: docs/protocols/notary.md. */
export const notaryOptions = z
  .strictObject({
    /** Among several profiles that serve Notary, in an organization or of one authority, requests go to the one that says so. */
    receives: z.boolean().default(false),
  })
  .prefault({})
