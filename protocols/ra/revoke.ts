import { z } from 'zod'
import { requestAttributes } from './attribute.ts'
import { checkAttributes, withTypes } from './attributeCheck.ts'
import { revokeDefinitions } from './attributeSchema.ts'
import { requireIssued } from './eligible.ts'
import { Unprocessable } from './errors.ts'
import { keepFilledIn } from './filledIn.ts'
import { operation } from './operation.ts'
import { activeRecordIn, PLACE, recordIn } from './place.ts'
import { text } from './text.ts'

export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
] as const

/** The contract prints its default in capitals: letter case does not matter. */
export const revocationReason = z.preprocess(
  (given) =>
    typeof given === 'string'
      ? (revocationReasons.find((reason) => reason.toLowerCase() === given.toLowerCase()) ?? given)
      : given,
  z.enum(revocationReasons),
)

const revokeRequest = z.object({
  reason: revocationReason.nullish(),
  attributes: requestAttributes.nullish(),
  destroyKey: z.boolean().nullish(),
  /** Ours: for the approvers, and since when others may know the key. */
  comment: text(1000).nullish(),
  compromisedSince: z.iso.datetime({ offset: true }).nullish(),
})

export const revokeCertificate = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/revoke`,
  tag: 'Client operations',
  summary:
    'Asks for the revocation of an issued certificate. Its detail says whether that waits for approval, is under way or done.',
  body: revokeRequest,
  bodyOptional: true,
  status: 204,
  conflict: 422,
  async run(call) {
    const { place, record } = await activeRecordIn(call)
    const certificate = requireIssued('revoke', record)
    const definitions = revokeDefinitions(place.profile)
    checkAttributes(definitions, call.body?.attributes ?? [])
    const { reason, comment, compromisedSince } = call.body ?? {}
    const request = await call.door.revoke(
      {
        protocol: 'ra',
        certificate: certificate.id,
        profile: place.profile,
        ...(reason && reason !== 'unspecified' ? { reason } : {}),
        grounds: 'user',
        ...(comment ? { comment } : {}),
        ...(compromisedSince ? { invalidityDate: new Date(compromisedSince) } : {}),
        ...(call.body?.destroyKey ? { destroyKey: true } : {}),
      },
      keepFilledIn(certificate.uuid, { revoke: withTypes(definitions, call.body?.attributes) }),
    )
    if (request.status === 'denied') throw new Unprocessable([request.reason ?? 'The revocation was denied'])
    return undefined
  },
})

export const confirmRevocation = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/revoke/confirm`,
  tag: 'Client operations',
  summary: 'Says that an authority elsewhere has revoked a certificate in state pending_revoke.',
  status: 204,
  conflict: 422,
  async run(call) {
    const { record } = await recordIn(call)
    if (record.revocation?.status !== 'revoking')
      throw new Unprocessable(['Certificate is not in PENDING_REVOKE state'])
    await call.door.approvals.confirmRevoked(record.revocation.uuid)
    return undefined
  },
})
