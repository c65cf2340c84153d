import { withTables } from '../../db/tables.ts'
import { readBareCertificate } from '../../pki/certificateIdentifier.ts'
import type { Csr } from '../../pki/csr.ts'
import { decodeName, nameText, sameName } from '../../pki/name.ts'
import { type Certificate, type CertificateRef, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { loadProfile } from '../profile/profiles.ts'
import { keptCsr } from '../request/csr.ts'
import { actingUser, holdRequest, isBehind } from '../request/held.ts'
import type { SignDraft } from '../request/request.ts'
import { mayRead } from '../request/requestDetail.ts'
import type { Requester } from '../requester.ts'
import { lifting } from '../revocation/hold.ts'
import type { CoreTables } from '../tables.ts'

/** renew: the same key once more; rekey: another key for the same subject. */
export type Succession = 'renew' | 'rekey'

/** What an order for the next certificate takes over from the one before; the rest is the adapter's to say. */
export type SuccessorDraft = Required<Pick<SignDraft, 'profile' | 'action' | 'renews' | 'csr' | 'identifiers'>> &
  Pick<SignDraft, 'requestedSubject' | 'unproved'>

/** See Door.successor. */
export async function successor(
  it: Installation,
  requester: Requester,
  { certificate: ref, how, csr: given }: { certificate: CertificateRef; how: Succession; csr?: Csr | undefined },
): Promise<SuccessorDraft> {
  const certificate = await findCertificate(it.db, ref)
  if (!certificate) throw noCertificate()
  const held = await holdRequest(it.db, 'sign', certificate.id, false)
  if (held.kind !== 'sign' || !(await mayRead(it, requester, held))) throw noCertificate()
  await requireIssued(it, certificate, how)
  if (certificate.profileId === undefined || certificate.source !== 'managed')
    throw new Failure('unsupported', 'this certificate was not ordered here: order a new one')
  const profile = await loadProfile(it.db, certificate.profileId)
  const { csr } = held.request
  const taken = how === 'rekey' ? rekeyed(certificate, given) : renewed(certificate, given, csr)
  // A request with its key says nothing: whoever may read the order has one.
  const behind = isBehind(held, requester, await actingUser(it.db, requester))
  return { ...taken, profile, action: how, renews: certificate.id, ...(behind ? {} : { unproved: true }) }
}

function noCertificate(): Failure {
  return new Failure('notFound', 'there is no such certificate')
}

/** What is on hold, revoked, or about to be, has no successor; what has ended may have one. */
async function requireIssued({ db }: Installation, { id, status }: Certificate, how: Succession): Promise<void> {
  if (status !== 'issued')
    throw new Failure('conflict', `a certificate that is ${status === 'hold' ? 'on hold' : status} is not for ${how}`)
  const open = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select(['id', 'code'])
    .where('certificate_id', '=', id)
    .where('status', 'in', ['requested', 'revoking'])
    .executeTakeFirst()
  if (open && open.code !== lifting)
    throw new Failure('conflict', `its revocation is pending (r${open.id}): that must be decided or canceled first`)
}

type Taken = Pick<SuccessorDraft, 'csr' | 'identifiers' | 'requestedSubject'>

/** Without a CSR: by the stored one, for what the certificate names. */
function renewed(certificate: Certificate, given: Csr | undefined, stored: Buffer | undefined): Taken {
  if (!given && !stored)
    throw new Failure('malformed', 'no certificate request is stored for this certificate: send one with the same key')
  const csr = given ?? keptCsr(stored ?? Buffer.alloc(0))
  if (csr.publicKey.spkiHash !== certificate.spkiHash)
    throw new Failure('badCsr', 'to renew is to keep the key, and the request has another one than the certificate')
  return given ? askedBy(certificate, given) : { ...certified(certificate), csr }
}

function rekeyed(certificate: Certificate, given: Csr | undefined): Taken {
  if (!given) throw new Failure('malformed', 'to rekey needs a certificate request with another key')
  if (given.publicKey.spkiHash === certificate.spkiHash)
    throw new Failure('badCsr', 'to rekey is to change the key, and the request has the one of the certificate')
  const { requestedSubject } = certified(certificate)
  if (!sameName(given.subject, requestedSubject))
    throw new Failure(
      'badCsr',
      `to rekey is to keep the subject, which is ${nameText(requestedSubject) || 'empty'}: the request has ${nameText(given.subject) || 'none'}`,
    )
  return askedBy(certificate, given)
}

function certified({ der, identifiers }: Certificate) {
  return { identifiers, requestedSubject: decodeName(readBareCertificate(der).subject) }
}

/** The names of the request, or those of the certificate where it has none. */
function askedBy({ identifiers }: Certificate, csr: Csr): Taken {
  return { csr, identifiers: csr.identifiers.length > 0 ? csr.identifiers : identifiers }
}
