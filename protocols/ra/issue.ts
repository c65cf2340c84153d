import { createHash, randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignDraft, SignRequest } from '../../src/core/request/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import { type RequestAttribute, requestAttributes } from './attribute.ts'
import { checkAttributes, firstValue, withTypes } from './attributeCheck.ts'
import { issueDefinitions, VALIDITY, VARIANT } from './attributeSchema.ts'
import { requestFormat } from './certificateRequest.ts'
import { dataResponse } from './certificateSchema.ts'
import { keptWith } from './customAttribute.ts'
import { Unprocessable } from './errors.ts'
import { keepFilledIn } from './filledIn.ts'
import { type Call, operation, type Reply } from './operation.ts'
import { csrOf } from './orderKey.ts'
import { orderSaid } from './orderSaid.ts'
import { PLACE, placeOf } from './place.ts'
import { text } from './text.ts'

const DAY = 86_400_000

/** ClientCertificateSignRequestDto, now ClientCertificateIssueRequestDto. */
export const issueRequest = z.object({
  csrAttributes: requestAttributes.nullish(),
  signatureAttributes: requestAttributes.nullish(),
  altSignatureAttributes: requestAttributes.nullish(),
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  tokenProfileUuid: text(200).nullish(),
  keyUuid: text(200).nullish(),
  altTokenProfileUuid: z.string().nullish(),
  altKeyUuid: z.string().nullish(),
  attributes: requestAttributes,
  customAttributes: requestAttributes.nullish(),
  authorizationSecret: z.string().nullish(),
})
export type IssueRequest = z.output<typeof issueRequest>

export const issueCertificate = operation({
  method: 'post',
  path: `${PLACE}/certificates`,
  tag: 'Client operations',
  summary: 'Orders a certificate. Who waits polls its detail until it is issued, failed or rejected.',
  body: issueRequest,
  answer: dataResponse,
  conflict: 422,
  async run(call) {
    const { profile } = await placeOf(call)
    const { body, door } = call
    refuseAlternative(body)
    const { csr, claim } = await csrOf(call, profile, body)
    const origin = originOf(call)
    const said = orderSaid(call, origin)
    const keep = keepFilledIn(origin.ref, {
      issue: withTypes(issueDefinitions(profile), body.attributes),
      csr: body.csrAttributes,
    })
    const answer = await door.sign(
      {
        ...wishesOf(call, profile, body.attributes),
        ...keptWith(body),
        protocol: 'ra',
        action: 'issue',
        origin,
        csr,
        editable: true,
        refusal: 'store',
      },
      async (db) => {
        await claim(db)
        await keep(db)
        await said.claim(db)
      },
    )
    await said.check(answer)
    return answerOf(call, answer.request)
  },
})

/** A second key in one certificate is what nobody here makes yet. */
export function refuseAlternative({
  altKeyUuid,
  altTokenProfileUuid,
  altSignatureAttributes,
}: Partial<Pick<IssueRequest, 'altKeyUuid' | 'altTokenProfileUuid' | 'altSignatureAttributes'>>): void {
  if (altKeyUuid || altTokenProfileUuid || (altSignatureAttributes ?? []).length > 0)
    throw new Unprocessable([
      'Alternative keys and hybrid certificates are not supported: leave altKeyUuid, altTokenProfileUuid and altSignatureAttributes out',
    ])
}

/** What the attributes choose of what the profile leaves open. Throws Unprocessable with a sentence for each that is not acceptable. */
export function wishesOf(
  { host, door }: Pick<Call, 'host' | 'door'>,
  profile: RaProfile,
  attributes: readonly RequestAttribute[],
): Pick<SignDraft, 'profile' | 'notAfter'> & { profile: RaProfile } {
  checkAttributes(issueDefinitions(profile), attributes)
  const chosen = firstValue(attributes, VARIANT)
  const days = firstValue(attributes, VALIDITY)
  return {
    profile: chosen === undefined ? profile : door.variant(profile, String(chosen)),
    ...(days === undefined ? {} : { notAfter: new Date(host.clock().getTime() + Number(days) * DAY) }),
  }
}

/** A client that sends an Idempotency-Key gets the same record again, however often it asks. */
export function originOf({ incoming, requester }: { incoming: IncomingMessage; requester: Requester }): {
  protocol: string
  ref: string
} {
  const key = incoming.headers['idempotency-key']
  if (key === undefined) return { protocol: 'ra', ref: randomUUID() }
  if (typeof key !== 'string' || key === '' || key.length > 255)
    throw new Failure('malformed', 'an Idempotency-Key has 1 to 255 characters')
  const hash = createHash('sha256').update(`${requester.kind} ${requester.ref} ${key}`).digest('base64url')
  return { protocol: 'ra', ref: `key ${hash}` }
}

/** The uuid, and the certificate where it is there already: clients of the contract take both. */
export async function answerOf({ door }: Pick<Call, 'door'>, { uuid }: SignRequest): Promise<Reply> {
  const { certificate } = await door.list.record(uuid)
  return { body: { certificateData: certificate?.der.toString('base64') ?? '', uuid } }
}
