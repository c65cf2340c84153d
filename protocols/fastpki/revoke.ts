import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import type { RevokeRequest } from '../../src/core/request/request.ts'
import { certificate, showCertificate } from './certificateView.ts'
import { text } from './fields.ts'
import { type Call, operation } from './operation.ts'
import { findIssued, ordered } from './record.ts'
import { reasonIn } from './revocationReason.ts'

const revokeRequest = z.object({ reason: text(1000).nullish() })

export const revokeCertificate = operation({
  method: 'post',
  path: '/certificates/{id}/revoke',
  tag: 'certificates',
  summary: 'Asks for a revocation. 202 while somebody has to decide: the certificate is valid until then.',
  body: revokeRequest,
  bodyOptional: true,
  answer: certificate,
  async run(call) {
    const record = await findIssued(call, call.params.id)
    await requireRead(call, record)
    if (record.certificate.status === 'revoked') throw new Failure('alreadyRevoked', 'Certificate is already revoked')
    if (record.revocation) throw new Failure('conflict', 'A revocation of this certificate waits already')
    const given = call.body?.reason?.trim() ?? ''
    const reason = reasonIn(given)
    const asked = await call.door.revoke({
      protocol: 'fastpki',
      certificate: record.certificate.id,
      grounds: ordered(call, record) ? 'account' : 'user',
      ...(reason ? { reason } : {}),
    })
    await keepWords(call, asked, given)
    if (asked.status === 'denied')
      throw new Failure('forbidden', `The certificate was not revoked: ${asked.reason ?? 'the rules say no'}`)
    const now = await findIssued(call, record.certificate.id)
    return {
      status: now.certificate.status === 'revoked' ? 200 : 202,
      body: showCertificate(now, call.host.clock()),
    }
  },
})

/** Who sees a certificate only as a member of the organization asks for nothing. Throws Failure('forbidden'). */
async function requireRead({ door }: Pick<Call, 'door'>, { request }: CertificateRecord): Promise<void> {
  await door.list.record(request.id).catch((error: unknown) => {
    throw error instanceof Failure && error.code === 'notFound'
      ? new Failure('forbidden', 'Not enough permissions: this needs the capability revoke_cert')
      : error
  })
}

/** The text as it came, for who decides and who reads later: the reason in the CRL is only a name. */
async function keepWords({ door }: Pick<Call, 'door'>, { uuid }: RevokeRequest, words: string): Promise<void> {
  if (words === '') return
  await door.approvals.comment('revoke', uuid, words).catch((error: unknown) => {
    // A token may ask for a revocation and say nothing besides.
    if (!(error instanceof Failure) || error.code !== 'forbidden') throw error
  })
}
