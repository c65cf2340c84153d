import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { keyIdentifier } from '../../pki/publicKey.ts'
import { type Signer, signerFor } from '../../pki/signer.ts'
import type { LoadedAuthority } from '../authority/authority.ts'
import { type IssuingKey, type OwnIssuer, readIssuingKeys, validCertificate } from '../authority/issuingKey.ts'
import { Failure } from '../failure.ts'
import { createCache, type Installation } from '../installation.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { generateKey, loadKey, storeKey } from '../key.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** The delegated OCSP responder of one issuing key, RFC 6960 section 2.6. */
export interface Responder {
  /** DER. */
  certificate: Buffer
  /** DER of its subject: its ResponderID byName, RFC 6960 section 4.2.1. */
  subject: Buffer
  /** SHA-1 of its public key: its ResponderID byKey. */
  keyHash: Buffer
  signer: Signer
  notAfter: Date
  /** From when on a new one should be made. */
  renewAt: Date
}

/** By node and row: one row is opened once. */
const opened = createCache<string, Responder>(500)
const making = new Map<string, Promise<Responder>>()
/** By the same keys: when one that could not be made is tried again. */
const failed = createCache<string, number>(500)
const pauseAfterFailure = 60_000

/**
 * The responder that answers for this key now: the newest that is stored, and a new one in time before it ends. `issuer`
 * is the certificate of the key under which a new one is made. Throws Failure('unavailable') when none could be made, and
 * Failure('unsupported') where the key is elsewhere and no responder was uploaded.
 */
export async function currentResponder(
  it: Installation,
  authority: LoadedAuthority,
  { issuing, issuer }: { issuing: IssuingKey; issuer: OwnIssuer },
): Promise<Responder> {
  const known = await storedResponder(it, issuing)
  const now = it.clock()
  const lastsAsLong = known && known.notAfter >= issuer.certificate.notAfter
  if (known && (now < known.renewAt || lastsAsLong || authority.kind !== 'local')) return known
  if (authority.kind !== 'local')
    throw new Failure('unsupported', `the key of ${authority.name} is elsewhere, and no responder was uploaded for it`)
  const key = `${it.node}:${issuer.id}`
  const under = making.get(key)
  if (under) return under
  if (now.getTime() < (failed.get(key) ?? 0)) {
    if (known) return known
    throw new Failure('unavailable', 'the responder of this authority could not be made; it is tried again soon')
  }
  const made = makeResponder(it, authority, issuer)
    .catch((error: unknown) => {
      failed.set(key, it.clock().getTime() + pauseAfterFailure)
      it.log.warn({ err: error, authority: authority.name }, 'an OCSP responder is due and could not be made')
      // A responder that is due for renewal still answers truly until it ends.
      if (known) return known
      throw error
    })
    .finally(() => making.delete(key))
  making.set(key, made)
  return made
}

/** Makes the responders of an authority that are due, those of earlier keys too. */
export async function renewResponders(it: Installation, authority: LoadedAuthority): Promise<void> {
  if (authority.settings.ocspSigner === 'authority' || authority.kind !== 'local') return
  for (const issuing of await readIssuingKeys(it, authority.id)) {
    const issuer = validCertificate(issuing, it.clock())
    if (issuer) await currentResponder(it, authority, { issuing, issuer })
  }
}

/** The newest that is good now and was not revoked: a responder too can be compromised. */
async function storedResponder(it: Installation, { certificates }: IssuingKey): Promise<Responder | undefined> {
  const now = it.clock().getTime()
  const tables = withTables<CoreTables>(it.db)
  const ids = certificates.map(({ id }) => id)
  const rows = await tables
    .selectFrom('responders')
    .selectAll()
    .where('authority_certificate_id', 'in', ids)
    .where('not_after', '>', now)
    .where('not_before', '<=', now)
    .orderBy('id', 'desc')
    .execute()
  for (const row of rows) {
    const withdrawn = await tables
      .selectFrom('certificates')
      .select('id')
      .where('fingerprint', '=', fingerprint(row.certificate))
      .where('status', '<>', 'issued')
      .executeTakeFirst()
    if (!withdrawn && !(await revokedElsewhere(it, ids, row))) return openResponder(it, row)
  }
  return undefined
}

/** One that was uploaded is not among our certificates: its authority's CRL says when it was revoked. */
async function revokedElsewhere(
  it: Installation,
  issuerIds: readonly number[],
  { certificate }: Pick<Row, 'certificate'>,
): Promise<boolean> {
  const found = await withTables<CoreTables>(it.db)
    .selectFrom('imported_revocations')
    .select('serial')
    .where('authority_certificate_id', 'in', issuerIds)
    .where('serial', '=', readCertificate(certificate).serial)
    .executeTakeFirst()
  return found !== undefined
}

type Row = { id: number; key_id: number; certificate: Buffer; not_before: number; not_after: number }

async function openResponder(it: Installation, row: Row): Promise<Responder> {
  const key = `${it.node}:${row.id}`
  const known = opened.get(key)
  if (known) return known
  const signer = signerFor(await loadKey(it.db, it.vault, row.key_id))
  const responder = {
    certificate: row.certificate,
    subject: readCertificate(row.certificate).subjectDer,
    keyHash: keyIdentifier(signer.publicKey),
    signer,
    notAfter: new Date(row.not_after),
    renewAt: new Date(row.not_after - (row.not_after - row.not_before) / 3),
  }
  const meanwhile = opened.get(key)
  if (meanwhile) return meanwhile
  opened.set(key, responder)
  return responder
}

/** P-256 whatever the authority's own key is: no other kind signs as fast. */
async function makeResponder(it: Installation, authority: LoadedAuthority, issuer: OwnIssuer): Promise<Responder> {
  const now = it.clock()
  const key = generateKey('P-256')
  const end = Math.min(now.getTime() + authority.settings.responderValidity, issuer.certificate.notAfter.getTime())
  const certificate = await issueOwn(it, {
    authority,
    type: 'ocsp',
    key,
    commonName: `${authority.name} OCSP responder`,
    notAfter: new Date(end),
    issuer: issuer.id,
  })
  const row = await transaction(it.db, async (db) => {
    const owner = { actor: system('ocsp'), at: it.clock() }
    const { organizationId } = authority
    const keyId = await storeKey(db, it.vault, { key, purpose: 'ocsp', organizationId }, owner)
    return withTables<CoreTables>(db)
      .insertInto('responders')
      .values({
        authority_certificate_id: issuer.id,
        key_id: keyId,
        certificate: certificate.der,
        not_before: certificate.notBefore.getTime(),
        not_after: certificate.notAfter.getTime(),
      })
      .returningAll()
      .executeTakeFirstOrThrow()
  })
  return openResponder(it, row)
}
