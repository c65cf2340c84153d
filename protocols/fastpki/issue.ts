import { z } from 'zod'
import { defaultNames, namesOf, refuseByType, requireCommonName, sanFields } from './alternativeNames.ts'
import { findAuthority } from './authorityView.ts'
import { certificateType, profileForType } from './certificateType.ts'
import { certificate } from './certificateView.ts'
import { id, integer, text } from './fields.ts'
import { type Call, operation, type Reply } from './operation.ts'
import { answerOf, endOf, orderRef } from './order.ts'
import { orderProfile } from './orderProfile.ts'
import { orderSaid } from './orderSaid.ts'
import { DELIVERY, keyRef, keyRequest, keySizeOf, keyText } from './serverKey.ts'
import { commonNameOf, readSubject, withCommonName } from './subjectName.ts'

/** CertificateCreate. */
const certificateCreate = z.object({
  common_name: text(255).min(1),
  subject_dn: text(1000).min(1),
  certificate_type: certificateType,
  key_size: integer(1, 1_000_000).nullish(),
  valid_days: integer(1, 36_500).nullish(),
  include_private_key: z.boolean().nullish(),
  ...sanFields,
})

const inCa = z.object({ ca_id: id })

export const issueCertificate = operation({
  method: 'post',
  path: '/certificates/',
  tag: 'certificates',
  summary: 'Orders a certificate for a key that is made here. 202 while somebody has to decide: ask for it by its id.',
  query: inCa,
  body: certificateCreate,
  status: 201,
  answer: certificate.extend({ private_key: z.string().nullable() }),
  run: order,
})

type Create = Call<never, z.output<typeof inCa>, z.output<typeof certificateCreate>>

async function order(call: Create): Promise<Reply> {
  const { door, body, query } = call
  const subject = subjectOf(body)
  const { certificate_type: type, include_private_key } = body
  const asked = namesOf(body)
  refuseByType(type, asked)
  const identifiers = [...defaultNames(type, body.common_name, asked), ...asked]
  requireCommonName(type, commonNameOf(subject), identifiers)
  const authority = await findAuthority(call, query.ca_id)
  const found = await orderProfile(call, authority)
  const profile = profileForType(door, found.profile, type)
  const size = keySizeOf(profile, found.options, body.key_size)
  const wanted = include_private_key ?? true
  const ref = orderRef(call)
  const said = orderSaid(call, ref)
  const slot = await door.serverKeys.slot(profile, { protocol: 'fastpki', ref: keyRef(ref, wanted) })
  const request = keyRequest(subject, size)
  const draft = {
    profile,
    protocol: 'fastpki',
    action: 'issue',
    origin: slot.origin,
    identifiers,
    subject,
    ...endOf(call, { asked: body.valid_days, profile, options: found.options, issuer: authority.certificate }),
    editable: true,
    refusal: 'store',
  } as const
  // An RSA key is dear: none is made for an order that is refused whatever it is.
  const refused = slot.id === undefined ? await door.serverKeys.refused(draft, request, said.claim) : undefined
  // The key of a CA goes to who ordered it, and to nobody else afterwards.
  const keep = wanted && found.options.keepKeys && type !== 'ca'
  const key = refused ? undefined : await door.serverKeys.prepare({ profile, slot, request, keep })
  const signed = refused ?? (await door.sign({ ...draft, ...(key ? { csr: key.csr } : {}) }, said.claim))
  await said.check(signed)
  const answer = await answerOf(call, signed.request)
  const handed =
    wanted && key && answer.status === 201
      ? await door.serverKeys.handOver(key, { ...DELIVERY, certificate: signed.request.id })
      : undefined
  return { ...answer, body: { ...(answer.body as object), private_key: handed ? keyText(handed) : null } }
}

/** The subject is the distinguished name; the common name stands in it, or is added. */
function subjectOf({ common_name, subject_dn }: z.output<typeof certificateCreate>) {
  const subject = readSubject(subject_dn)
  return commonNameOf(subject) === undefined ? withCommonName(subject, common_name) : subject
}
