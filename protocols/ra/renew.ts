import { z } from 'zod'
import type { Certificate } from '../../src/core/certificate.ts'
import type { CertificateRecord } from '../../src/core/certificateRecord.ts'
import type { Requester } from '../../src/core/requester.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { readKeptRequest } from '../../src/pki/crmf.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { sameName } from '../../src/pki/name.ts'
import { requestAttributes } from './attribute.ts'
import { readRequest, requestFormat } from './certificateRequest.ts'
import { dataResponse } from './certificateSchema.ts'
import { requireIssued } from './eligible.ts'
import { Unprocessable } from './errors.ts'
import { answerOf, originOf, refuseAlternative, requiredRequest, wishesOf } from './issue.ts'
import { type Call, operation } from './operation.ts'
import { PLACE, recordIn } from './place.ts'

const renewRequest = z.object({
  replaceInLocations: z.boolean().nullish(),
  request: z.string().nullish(),
  format: requestFormat.nullish(),
  attributes: requestAttributes.nullish(),
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
  async run(call) {
    const { place, record } = await recordIn(call)
    const certificate = requireIssued('renew', record)
    const given = call.body?.request
    const csr = given ? readRequest(given, call.body?.format ?? 'pkcs10') : keptRequest(record)
    if (csr.publicKey.spkiHash !== certificate.spkiHash)
      throw new Unprocessable(['Public key of certificate and CSR does not match'])
    return successor(call, { action: 'renew', place, record, certificate, csr })
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
  async run(call) {
    const { place, record } = await recordIn(call)
    const certificate = requireIssued('rekey', record)
    refuseAlternative(call.body)
    const csr = readRequest(requiredRequest(call.body), call.body.format ?? 'pkcs10')
    if (csr.publicKey.spkiHash === certificate.spkiHash)
      throw new Unprocessable(['Public key of certificate and CSR are same'])
    if (!sameName(csr.subject, readCertificate(certificate.der).subject))
      throw new Unprocessable(['Subject DN of certificate and CSR does not match'])
    return successor(call, { action: 'rekey', place, record, certificate, csr })
  },
})

function keptRequest({ request }: CertificateRecord): Csr {
  if (request.csr) return readKeptRequest(request.csr)
  throw new Unprocessable(['CSR does not available for the existing certificate'])
}

/**
 * Whether a person who calls stands behind the order of the certificate. A request signed by its key says nothing: everybody
 * who may read the record has one.
 */
function ordered({ people }: Requester, { request }: CertificateRecord): boolean {
  return people.some((person) => request.requester.people.includes(person))
}

interface Succession {
  action: 'renew' | 'rekey'
  place: Awaited<ReturnType<typeof recordIn>>['place']
  record: CertificateRecord
  certificate: Certificate
  csr: Csr
}

async function successor(call: InPlace, { action, place, record, certificate, csr }: Succession) {
  const { body, door } = call
  const wishes = wishesOf(call, place.profile, body?.attributes ?? [])
  const { request } = await door.sign({
    ...wishes,
    protocol: 'ra',
    action,
    origin: originOf(call),
    csr,
    identifiers: namesOf(csr, certificate),
    renews: certificate.id,
    ...(ordered(call.requester, record) ? {} : { unproved: true }),
    ...(body?.replaceInLocations ? { replaceInLocations: true } : {}),
    editable: true,
    refusal: 'store',
  })
  return answerOf(call, request)
}

/** Those that the request asks for, else those that the certificate has. */
function namesOf(csr: Csr, certificate: Certificate): readonly Identifier[] {
  return csr.identifiers.length > 0 ? csr.identifiers : certificate.identifiers
}
