import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Certificate } from '../../src/core/certificate.ts'
import type { Claim } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Succession } from '../../src/core/issuance/successor.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Origin, SignRequest } from '../../src/core/request/request.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { requestAttributes } from './attribute.ts'
import { withTypes } from './attributeCheck.ts'
import { issueDefinitions } from './attributeSchema.ts'
import { readRequest, requestFormat } from './certificateRequest.ts'
import { dataResponse } from './certificateSchema.ts'
import { digestOf } from './csrAttributes.ts'
import { keptWith } from './customAttribute.ts'
import { requireIssued } from './eligible.ts'
import { Unprocessable } from './errors.ts'
import { keepFilledIn } from './filledIn.ts'
import { answerOf, originOf, refuseAlternative, wishesOf } from './issue.ts'
import { type Call, operation } from './operation.ts'
import { refuseBoth } from './orderKey.ts'
import { orderSaid } from './orderSaid.ts'
import { activeRecordIn, PLACE } from './place.ts'
import { text } from './text.ts'

const renewRequest = z.object({
  replaceInLocations: z.boolean().nullish(),
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  attributes: requestAttributes.nullish(),
  customAttributes: requestAttributes.nullish(),
})

const rekeyRequest = renewRequest.extend({
  keyUuid: text(200).nullish(),
  tokenProfileUuid: text(200).nullish(),
  altKeyUuid: z.string().nullish(),
  altTokenProfileUuid: z.string().nullish(),
  signatureAttributes: requestAttributes.nullish(),
  altSignatureAttributes: requestAttributes.nullish(),
})

/** The request for the next certificate. */
interface Next {
  csr?: Csr
  claim?: Claim
  /** Does away with what was made for an order that is refused. */
  refused?: () => Promise<void>
}

type Asked = z.output<typeof renewRequest>
type InPlace = Call<'authorityUuid' | 'raProfileUuid' | 'certificateUuid', unknown, Asked | undefined>

export const renewCertificate = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/renew`,
  tag: 'Client operations',
  summary:
    'Orders a new certificate for the same key; without a request the one that is kept is used. The old certificate stays.',
  body: renewRequest,
  bodyOptional: true,
  answer: dataResponse,
  conflict: 422,
  run(call) {
    const given = call.body?.request
    return orderNext(call, 'renew', async () =>
      given ? { csr: readRequest(given, call.body?.format ?? 'pkcs10') } : {},
    )
  },
})

export const rekeyCertificate = operation({
  method: 'post',
  path: `${PLACE}/certificates/{certificateUuid}/rekey`,
  tag: 'Client operations',
  summary: 'Orders a new certificate of the same subject for another key. The old certificate stays.',
  body: rekeyRequest,
  answer: dataResponse,
  conflict: 422,
  run(call) {
    const { body } = call
    return orderNext(call, 'rekey', async (profile, certificate) => {
      refuseAlternative(body)
      refuseBoth(body)
      if (body.request) return { csr: readRequest(body.request, body.format ?? 'pkcs10') }
      const { keyUuid: key, tokenProfileUuid: keyProfile, signatureAttributes } = body
      if (!key) await requireKeyHere(call.door, certificate)
      const use = { ...(key ? { key } : {}), ...(keyProfile ? { keyProfile } : {}) }
      const next = await call.door.keyPairs.successor(
        profile,
        { id: certificate.id },
        { ...use, ...digestOf(signatureAttributes ?? []) },
      )
      if (next.csr.publicKey.spkiHash === certificate.spkiHash)
        throw new Unprocessable(['Rekey operation not permitted. Cannot use same key to rekey certificate'])
      return next
    })
  },
})

async function requireKeyHere(door: InPlace['door'], certificate: Certificate): Promise<void> {
  const key = await door.keyPairs.ofCertificate(certificate)
  if (key?.state === 'active') return
  throw new Unprocessable(['Key UUID is not provided in the request and old certificate does not have key reference'])
}

async function orderNext(
  call: InPlace,
  how: Succession,
  read: (profile: RaProfile, certificate: Certificate) => Promise<Next>,
) {
  const { place, record } = await activeRecordIn(call)
  const certificate = requireIssued(how, record)
  const { body, door } = call
  const { origin, known } = await originOfNext(call, how, certificate)
  if (known) return answerOf(call, known)
  const { csr, claim, refused } = await read(place.profile, certificate)
  const next = await door.successor({ id: certificate.id }, how, csr).catch(unacceptable)
  const keep = keepFilledIn(origin.ref, { issue: withTypes(issueDefinitions(place.profile), body?.attributes) })
  const said = orderSaid(call, origin)
  const answer = await door.sign(
    {
      ...next,
      ...wishesOf(call, place.profile, body?.attributes ?? []),
      ...keptWith(body ?? {}),
      protocol: 'ra',
      origin,
      ...(body?.replaceInLocations ? { replaceInLocations: true } : {}),
      editable: true,
      refusal: 'store',
    },
    async (db) => {
      await claim?.(db)
      await keep(db)
      await said.claim(db)
    },
  )
  await said.check(answer)
  const { request } = answer
  if (request.status === 'denied') await refused?.()
  return answerOf(call, request)
}

/**
 * By the Idempotency-Key. A rekey that has none and names no key has nothing else by which to tell it from itself, sent twice: it is one order of whoever asks while that is
 * open, or good.
 */
async function originOfNext(
  call: InPlace,
  how: Succession,
  { uuid }: Certificate,
): Promise<{ origin: Origin; known?: SignRequest }> {
  const { body, door, incoming, requester } = call
  const isNamed = body?.request || (body && 'keyUuid' in body && body.keyUuid)
  if (how === 'renew' || isNamed || incoming.headers['idempotency-key'] !== undefined) return { origin: originOf(call) }
  const said = JSON.stringify([requester.kind, requester.ref, uuid, body])
  const hash = createHash('sha256').update(said).digest('base64url')
  for (let count = 0; ; count++) {
    const origin = { protocol: 'ra', ref: `rekey ${hash} ${count}` }
    const known = await door.findSignRequest(origin)
    if (!known) return { origin }
    const certificate = known.status === 'signed' ? await door.findCertificate({ uuid: known.uuid }) : undefined
    if (known.status === 'signing' || known.status === 'requested' || certificate?.status === 'issued')
      return { origin, known }
  }
}

/** A request that is one, but not for this certificate. */
function unacceptable(error: unknown): never {
  if (error instanceof Failure && (error.code === 'badCsr' || error.code === 'malformed'))
    throw new Unprocessable([error.detail])
  throw error
}
