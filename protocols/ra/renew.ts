import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { Succession } from '../../src/core/successor.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { requestAttributes } from './attribute.ts'
import { readRequest, requestFormat } from './certificateRequest.ts'
import { dataResponse } from './certificateSchema.ts'
import { keptWith } from './customAttribute.ts'
import { requireIssued } from './eligible.ts'
import { Unprocessable } from './errors.ts'
import { keepFilledIn } from './filledIn.ts'
import { answerOf, originOf, refuseAlternative, requiredRequest, wishesOf } from './issue.ts'
import { type Call, operation } from './operation.ts'
import { activeRecordIn, PLACE } from './place.ts'

const renewRequest = z.object({
  replaceInLocations: z.boolean().nullish(),
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  attributes: requestAttributes.nullish(),
  customAttributes: requestAttributes.nullish(),
})

const rekeyRequest = renewRequest.extend({
  keyUuid: z.string().nullish(),
  tokenProfileUuid: z.string().nullish(),
  altKeyUuid: z.string().nullish(),
  altTokenProfileUuid: z.string().nullish(),
  signatureAttributes: requestAttributes.nullish(),
  altSignatureAttributes: requestAttributes.nullish(),
})

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
    return orderNext(call, 'renew', () => (given ? readRequest(given, call.body?.format ?? 'pkcs10') : undefined))
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
    return orderNext(call, 'rekey', () => {
      refuseAlternative(call.body)
      return readRequest(requiredRequest(call.body), call.body.format ?? 'pkcs10')
    })
  },
})

async function orderNext(call: InPlace, how: Succession, read: () => Csr | undefined) {
  const { place, record } = await activeRecordIn(call)
  const certificate = requireIssued(how, record)
  const { body, door } = call
  const next = await door.successor({ id: certificate.id }, how, read()).catch(unacceptable)
  const origin = originOf(call)
  const { request } = await door.sign(
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
    keepFilledIn(origin.ref, { issue: body?.attributes }),
  )
  return answerOf(call, request)
}

/** A request that is one, but not for this certificate. */
function unacceptable(error: unknown): never {
  if (error instanceof Failure && (error.code === 'badCsr' || error.code === 'malformed'))
    throw new Unprocessable([error.detail])
  throw error
}
