import { z } from 'zod'
import type { Take } from '../../src/core/enrolment/limit.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { rateText } from '../../src/http/optionFields.ts'
import type { Client } from './client.ts'
import type { Exchange } from './exchange.ts'

/** How often clients may ask for what people might have to look at: docs/operate/limits.md. */
export const limitOptions = z
  .strictObject({
    /** New orders by the holder of one certificate; its renewals and registration authorities aside. */
    ordersByCertificate: rateText.default('50/1h'),
  })
  .prefault({})

/** What a new order costs; undefined: nothing. */
export function orderTake(
  { profile, options }: Exchange,
  { certificate, device }: Client,
  { renews }: Pick<SignDraft, 'renews'>,
): Take | undefined {
  const rate = options.limits.ordersByCertificate
  const key = certificate?.fingerprint ?? device?.fingerprint
  if (key === undefined || renews !== undefined || rate === 'off') return undefined
  const what = 'new orders by the holder of this certificate'
  return { profileId: profile.id, limit: 'est.ordersByCertificate', key, rate, what }
}
