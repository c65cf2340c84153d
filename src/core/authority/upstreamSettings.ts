import { z } from 'zod'

/** How an authority works with the ACME CA that signs for it. */
export const upstreamSettings = z.strictObject({
  /**
   * How names are proved there. none: the CA knows by the account that they are ours; http-01: answered at
   * /.well-known/acme-challenge/ of the plain listener; dns-01: by COUNTERSIGN_DNS_COMMAND.
   */
  proof: z.enum(['none', 'http-01', 'dns-01']).default('none'),
})
export type UpstreamSettings = z.output<typeof upstreamSettings>
