import { z } from 'zod'
import type { Claim } from '../../src/core/core.ts'
import type { ParkDraft } from '../../src/core/issuance/park.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Name } from '../../src/pki/name.ts'
import { parseNameText } from '../../src/pki/nameText.ts'
import type { Host } from '../../src/protocol.ts'
import { requestAttributes } from './attribute.ts'
import { checkAttributes, withTypes } from './attributeCheck.ts'
import { issueDefinitions, VALIDITY, VARIANT } from './attributeSchema.ts'
import { detailOf } from './certificateDetail.ts'
import { requestFormat } from './certificateRequest.ts'
import { certificateDetail, dataResponse } from './certificateSchema.ts'
import { asCustomAttributes, keptWith } from './customAttribute.ts'
import { Unprocessable } from './errors.ts'
import { moment } from './fields.ts'
import { keepFilledIn, readFilledIn } from './filledIn.ts'
import { answerOf, originOf, refuseAlternative, wishesOf } from './issue.ts'
import { operation } from './operation.ts'
import { csrOf } from './orderKey.ts'
import { activeRecordIn, PLACE, placeOf } from './place.ts'
import { stateOf } from './state.ts'
import { parseSubjectAltName } from './subjectAltName.ts'
import { text } from './text.ts'

const registrationRequest = z.object({
  subjectDn: text(1000).nullish(),
  /** DNS:foo,IP:192.0.2.1,email:x@y */
  subjectAltName: text(10_000).nullish(),
  extensions: z
    .array(z.object({ oid: text(100), critical: z.boolean().default(false), value: z.base64() }))
    .max(50)
    .nullish(),
  csrAttributes: requestAttributes.nullish(),
  /** Both are what the profile asks for: a registration has no schema of its own here. */
  attributes: requestAttributes.nullish(),
  raProfileAttributes: requestAttributes.nullish(),
  customAttributes: requestAttributes.nullish(),
  ownerUuid: text(200).nullish(),
  groupUuids: z.array(text(200)).max(100).nullish(),
  authorizationSecret: z.string().nullish(),
  expiresAt: moment.nullish(),
})

export const registerCertificate = operation({
  method: 'post',
  path: `${PLACE}/certificates/register`,
  tag: 'Client operations',
  summary:
    'Fixes whom a certificate will be for; it is ordered later by a request that names exactly that, and the secret if one was set.',
  body: registrationRequest,
  answer: dataResponse,
  conflict: 422,
  async run(call) {
    const { profile } = await placeOf(call)
    const { body } = call
    if ((body.csrAttributes ?? []).length > 0)
      throw new Unprocessable(['csrAttributes are not taken here: give subjectDn and subjectAltName'])
    const { extensions, authorizationSecret: secret, expiresAt } = body
    const origin = originOf(call)
    const attributes = [...(body.attributes ?? []), ...(body.raProfileAttributes ?? [])]
    const order: ParkDraft = {
      ...wishesOf(call, profile, attributes),
      ...identityOf(body),
      ...keptWith(body),
      protocol: 'ra',
      action: 'issue',
      origin,
      refusal: 'store',
      registration: {
        ...(secret ? { secret } : {}),
        ...(expiresAt ? { expiresAt } : {}),
        ...(extensions
          ? { extensions: extensions.map(({ value, ...rest }) => ({ ...rest, value: Buffer.from(value, 'base64') })) }
          : {}),
      },
    }
    const { request } = await call.door.park(
      order,
      keepFilledIn(origin.ref, { issue: withTypes(issueDefinitions(profile), attributes) }),
    )
    return { body: { certificateData: '', uuid: request.uuid } }
  },
})

function identityOf({
  subjectDn,
  subjectAltName,
}: z.output<typeof registrationRequest>): Pick<ParkDraft, 'requestedSubject' | 'identifiers'> {
  const requestedSubject: Name | undefined = subjectDn ? parseNameText(subjectDn) : undefined
  return {
    ...(requestedSubject ? { requestedSubject } : {}),
    identifiers: subjectAltName ? parseSubjectAltName(subjectAltName) : [],
  }
}

const submitRequest = z.object({
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  csrAttributes: requestAttributes.nullish(),
  signatureAttributes: requestAttributes.nullish(),
  keyUuid: text(200).nullish(),
  tokenProfileUuid: text(200).nullish(),
  altKeyUuid: z.string().nullish(),
  altTokenProfileUuid: z.string().nullish(),
  authorizationSecret: z.string().nullish(),
  attributes: requestAttributes.nullish(),
  customAttributes: requestAttributes.nullish(),
})

export const issueRequested = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/issue`,
  tag: 'Client operations',
  summary: 'Orders what was requested before; for a registration with its request and its secret.',
  body: submitRequest,
  bodyOptional: true,
  answer: dataResponse,
  conflict: 422,
  async run(call) {
    const { place, record } = await activeRecordIn(call)
    const state = stateOf(record)
    if (state !== 'requested')
      throw new Unprocessable([`Certificate is not in REQUESTED state. Current state: ${state}`])
    if (call.body) refuseAlternative(call.body)
    const { request: given, keyUuid, authorizationSecret: secret, customAttributes } = call.body ?? {}
    if (!given && !keyUuid && !record.request.csr)
      throw new Unprocessable(['CSR does not available for the existing certificate: give one as request'])
    const { csr, claim } = given || keyUuid ? await csrOf(call, place.profile, call.body ?? {}) : {}
    const keep = await filledInLater(call, place.profile, record.request)
    const { request } = await call.door.submit(
      record.request.uuid,
      {
        ...(csr ? { csr } : {}),
        ...(secret ? { secret } : {}),
        ...(customAttributes?.length ? { attributes: asCustomAttributes(customAttributes) } : {}),
      },
      async (db) => {
        await claim?.(db)
        await keep(db)
      },
    )
    return answerOf(call, request)
  },
})

/**
 * Attributes that come with the order of what was stored before: they stand beside those that came then, or in their place.
 * What the stored order was judged by is no longer chosen. Throws Unprocessable.
 */
async function filledInLater(
  { host, body }: { host: Host; body: z.output<typeof submitRequest> | undefined },
  profile: RaProfile,
  { origin }: SignRequest,
): Promise<Claim> {
  const given = body?.attributes ?? []
  if (given.length === 0 || !origin) return async () => {}
  const fixed = given.filter(({ name }) => name === VALIDITY || name === VARIANT)
  if (fixed.length > 0)
    throw new Unprocessable(
      fixed.map(({ name }) => `Attribute ${name} was fixed when the order was stored: leave it out`),
    )
  const definitions = issueDefinitions(profile)
  const { issue } = await readFilledIn(host.db, [origin.ref])
  const names = new Set(given.map(({ name }) => name))
  const earlier = requestAttributes.parse(issue.filter(({ name, content }) => content && !names.has(name)))
  checkAttributes(definitions, [...earlier, ...given], { part: true })
  const typed = withTypes(definitions, [...earlier, ...given], { part: true })
  return keepFilledIn(origin.ref, { issue: typed.slice(earlier.length) }, issue)
}

const createRequest = z.object({
  raProfileUuid: text(200),
  sourceCertificateUuid: text(200).nullish(),
  csrAttributes: requestAttributes.nullish(),
  signatureAttributes: requestAttributes.nullish(),
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  keyUuid: text(200).nullish(),
  tokenProfileUuid: text(200).nullish(),
  altKeyUuid: z.string().nullish(),
  altTokenProfileUuid: z.string().nullish(),
  issueAttributes: requestAttributes.nullish(),
  customAttributes: requestAttributes.nullish(),
})

export const createCertificate = operation({
  method: 'post',
  path: '/v1/certificates/create',
  tag: 'Certificate inventory',
  summary: 'Stores a request without ordering: nothing is decided before it is issued by its uuid.',
  body: createRequest,
  status: 201,
  answer: certificateDetail,
  conflict: 422,
  async run(call) {
    const { body, door } = call
    refuseAlternative(body)
    if (body.sourceCertificateUuid)
      throw new Unprocessable(['sourceCertificateUuid is not taken here: order the next certificate by renew or rekey'])
    const { profile } = await door.serving({ uuid: body.raProfileUuid }, 'ra')
    const origin = originOf(call)
    const { csr, claim } = await csrOf(call, profile, body)
    const keep = keepFilledIn(origin.ref, {
      issue: withTypes(issueDefinitions(profile), body.issueAttributes),
      csr: body.csrAttributes,
    })
    const { request } = await door.park(
      {
        ...wishesOf(call, profile, body.issueAttributes ?? []),
        ...keptWith(body),
        protocol: 'ra',
        action: 'issue',
        origin,
        csr,
        refusal: 'store',
      },
      async (db) => {
        await claim(db)
        await keep(db)
      },
    )
    return { body: await detailOf(call, request.uuid) }
  },
})
