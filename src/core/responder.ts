import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import { keyIdentifier, type PublicKeyInfo } from '../pki/publicKey.ts'
import { type Signer, signerFor } from '../pki/signer.ts'
import type { Issuer, LoadedAuthority } from './authority.ts'
import { issueOwn } from './builtin.ts'
import { Failure } from './failure.ts'
import { createCache, type Installation } from './installation.ts'
import { generateKey, loadKey, storeKey } from './key.ts'
import { system } from './requester.ts'
import type { CoreTables } from './tables.ts'

/** The delegated OCSP responder of one issuing key, RFC 6960 section 2.6. */
export interface Responder {
  /** DER. */
  certificate: Buffer
  /** SHA-1 of its public key: its ResponderID byKey, RFC 6960 section 4.2.1. */
  keyHash: Buffer
  signer: Signer
  notAfter: Date
  /** From when on a new one should be made. */
  renewAt: Date
}

const kept = createCache<string, Responder>(500)
const making = new Map<string, Promise<Responder>>()
/** By the same keys: when one that could not be made is tried again. */
const failed = createCache<string, number>(500)
const pauseAfterFailure = 60_000

/** The responder that answers for this issuer now; made, and made anew in time, when asked for. Throws Failure('unavailable'). */
export async function currentResponder(
  it: Installation,
  authority: LoadedAuthority,
  issuer: Issuer,
): Promise<Responder> {
  const key = `${it.node}:${issuer.id}`
  const known = kept.get(key)
  const now = it.clock()
  if (known && now < known.renewAt) return known
  const under = making.get(key)
  if (under) return under
  if (now.getTime() < (failed.get(key) ?? 0)) {
    if (known && now < known.notAfter) return known
    throw new Failure('unavailable', 'the responder of this authority could not be made; it is tried again soon')
  }
  const made = findOrMake(it, authority, issuer)
    .then((responder) => {
      kept.set(key, responder)
      return responder
    })
    .catch((error: unknown) => {
      failed.set(key, it.clock().getTime() + pauseAfterFailure)
      // A responder that is due for renewal still answers truly until it ends.
      if (known && now < known.notAfter) return known
      throw error
    })
    .finally(() => making.delete(key))
  making.set(key, made)
  return made
}

async function findOrMake(it: Installation, authority: LoadedAuthority, issuer: Issuer): Promise<Responder> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('responders')
    .selectAll()
    .where('authority_certificate_id', '=', issuer.id)
    .orderBy('not_after', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (row) {
    const span = { from: row.not_before, to: row.not_after }
    const responder = toResponder(row.certificate, signerFor(await loadKey(it.db, it.vault, row.key_id)), span)
    if (it.clock() < responder.renewAt) return responder
    return makeResponder(it, authority, issuer).catch((error: unknown) => {
      it.log.warn({ err: error, authority: authority.name }, 'an OCSP responder is due and could not be renewed')
      if (it.clock() < responder.notAfter) return responder
      throw error
    })
  }
  return makeResponder(it, authority, issuer)
}

async function makeResponder(it: Installation, authority: LoadedAuthority, issuer: Issuer): Promise<Responder> {
  if (authority.issuer?.id !== issuer.id) throw new Failure('unavailable', 'this key of the authority no longer signs')
  const now = it.clock()
  if (issuer.certificate.notAfter <= now)
    throw new Failure('unavailable', 'the certificate of this authority has ended')
  const key = generateKey('P-256')
  const end = Math.min(now.getTime() + authority.settings.responderValidity, issuer.certificate.notAfter.getTime())
  const certificate = await issueOwn(it, {
    authority,
    type: 'ocsp',
    key,
    commonName: `${authority.name} OCSP responder`,
    notAfter: new Date(end),
  })
  await transaction(it.db, async (db) => {
    const owner = { actor: system('ocsp'), at: it.clock() }
    const keyId = await storeKey(
      db,
      it.vault,
      { key, purpose: 'ocsp', organizationId: authority.organizationId },
      owner,
    )
    await withTables<CoreTables>(db)
      .insertInto('responders')
      .values({
        authority_certificate_id: issuer.id,
        key_id: keyId,
        certificate: certificate.der,
        not_before: certificate.notBefore.getTime(),
        not_after: certificate.notAfter.getTime(),
      })
      .execute()
  })
  return toResponder(certificate.der, signerFor(key), {
    from: certificate.notBefore.getTime(),
    to: certificate.notAfter.getTime(),
  })
}

function toResponder(certificate: Buffer, signer: Signer, span: { from: number; to: number }): Responder {
  const publicKey: PublicKeyInfo = signer.publicKey
  return {
    certificate,
    keyHash: keyIdentifier(publicKey),
    signer,
    notAfter: new Date(span.to),
    renewAt: new Date(span.to - (span.to - span.from) / 3),
  }
}
