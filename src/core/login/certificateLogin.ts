import { createHash } from 'node:crypto'
import { withTables } from '../../db/tables.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { OID } from '../../pki/oid.ts'
import { loadAuthority } from '../authority/authority.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { asRequester, toUser } from '../identity/identity.ts'
import { identitySettings } from '../identity/identitySettings.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/**
 * The user for whom a client certificate speaks (DER; that its holder has the key, the caller knows from TLS). It is one that
 * was issued here, to the last octet, under an authority that is trusted for logging in, neither revoked nor on hold at this
 * moment, within its time, for TLS clients, and bound to a user: itself, or its subject under that authority. Undefined for
 * anything else.
 */
export async function certificateOwner(it: Installation, der: Buffer): Promise<Requester | undefined> {
  const { loginAuthorities } = identitySettings(it)
  if (loginAuthorities.length === 0) return undefined
  const fingerprint = createHash('sha256').update(der).digest('hex')
  const certificate = await findCertificate(it.db, { fingerprint })
  if (!certificate || !isGood(certificate, it.clock())) return undefined
  const authority = await loadAuthority(it, certificate.authorityId)
  const trusted = loginAuthorities.includes(authority.name) && authority.enabled && !authority.withdrawn
  return trusted ? ownerOf(it, certificate) : undefined
}

function isGood({ source, status, notBefore, notAfter, der }: Certificate, now: Date): boolean {
  if (source !== 'managed' || status !== 'issued' || notBefore > now || notAfter <= now) return false
  const { extendedKeyUsage, isCa } = readCertificate(der)
  return extendedKeyUsage?.includes(OID.clientAuth) === true && !isCa
}

async function ownerOf({ db }: Installation, certificate: Certificate): Promise<Requester | undefined> {
  const { fingerprint, authorityId, subject } = certificate
  const rows = await withTables<CoreTables>(db)
    .selectFrom('user_certificates')
    .innerJoin('users', 'users.id', 'user_certificates.user_id')
    .selectAll('users')
    .select('user_certificates.fingerprint')
    .where('users.enabled', '=', 1)
    .where(({ or, and, eb }) =>
      or([
        eb('user_certificates.fingerprint', '=', fingerprint),
        and([eb('user_certificates.authority_id', '=', authorityId), eb('user_certificates.subject', '=', subject)]),
      ]),
    )
    .execute()
  // What was said of this very certificate counts before what was said of its subject.
  const row = rows.find((candidate) => candidate.fingerprint !== null) ?? rows[0]
  return row && asRequester(toUser(row))
}
