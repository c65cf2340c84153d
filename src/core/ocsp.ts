import { withTables } from '../db/tables.ts'
import { type RevocationReason, reasonCodes } from '../pki/crl.ts'
import { type CertId, certIdMatches, type OcspRequest } from '../pki/ocsp.ts'
import { type OcspSingleResponse, ocspError, writeOcspResponse } from '../pki/ocspResponse.ts'
import { type Issuer, loadAuthority, loadIssuer } from './authority.ts'
import { Failure } from './failure.ts'
import type { Installation } from './installation.ts'
import { currentResponder } from './responder.ts'
import type { CoreTables } from './tables.ts'

/**
 * Answers an OCSP request, DER (RFC 6960 section 4.2). All certificates of one request belong to one issuing key of
 * ours, found by the hashes of the CertID; otherwise the answer is `unauthorized` (section 2.3). A serial that was never
 * issued, or only for an attempt that was abandoned, is `unknown`. Status is read when asked: a revocation shows at once.
 */
export async function answerOcsp(it: Installation, request: OcspRequest): Promise<Buffer> {
  const [first] = request.certIds
  if (!first) return ocspError('malformedRequest')
  const issuer = await issuerOf(it, first)
  if (!issuer || !request.certIds.every((certId) => certIdMatches(certId, issuer.hashes)))
    return ocspError('unauthorized')
  const authority = await loadAuthority(it, issuer.authorityId)
  try {
    const responder = await currentResponder(it, authority, issuer)
    const thisUpdate = it.clock()
    const nextUpdate = new Date(
      Math.min(thisUpdate.getTime() + authority.settings.ocspValidity, responder.notAfter.getTime()),
    )
    const responses: OcspSingleResponse[] = []
    for (const certId of request.certIds)
      responses.push({ certId, status: await statusOf(it, issuer, certId.serial), thisUpdate, nextUpdate })
    return await writeOcspResponse({
      responderKeyHash: responder.keyHash,
      producedAt: thisUpdate,
      responses,
      ...(request.nonce ? { nonce: request.nonce } : {}),
      certificates: [responder.certificate],
      signer: responder.signer,
    })
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    it.log.error({ err: error, authority: authority.name }, 'no OCSP answer could be signed')
    return ocspError('tryLater')
  }
}

async function statusOf(it: Installation, issuer: Issuer, serial: string): Promise<OcspSingleResponse['status']> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('certificates')
    .select(['status', 'revoked_at', 'revocation_reason'])
    .where('serial', '=', serial)
    .where('authority_certificate_id', '=', issuer.id)
    .executeTakeFirst()
  if (!row) return 'unknown'
  if (row.status === 'issued' || row.revoked_at === null) return 'good'
  const reason =
    row.revocation_reason === null ? {} : { reason: reasonCodes[row.revocation_reason as RevocationReason] }
  return { revokedAt: new Date(row.revoked_at), ...reason }
}

/** Which of our issuing certificates a CertID means. There are few: all are looked at. */
async function issuerOf(it: Installation, certId: CertId): Promise<(Issuer & { authorityId: number }) | undefined> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('id')
    .orderBy('id', 'desc')
    .execute()
  for (const { id } of rows) {
    const issuer = await loadIssuer(it, id)
    if (certIdMatches(certId, issuer.hashes)) return issuer
  }
  return undefined
}
