import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { PkiError } from '../../pki/error.ts'
import { nameText } from '../../pki/name.ts'
import { type Issuer, type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { readChain } from '../authority/authorityChain.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { writeAttributes } from '../inventory/inventoryAttributes.ts'
import { readSignRequest } from '../request/records.ts'
import type { RequestRef, SignRequest } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { noticedElsewhere, refuseLonger } from './approvedValidity.ts'

/** What somebody brings from an authority elsewhere. */
export interface Uploaded {
  /** DER, leaf first. */
  chain: readonly Buffer[]
  /** All custom attributes of the certificate from now on; absent: they stay as they are. */
  attributes?: unknown
}

/**
 * Takes a certificate (DER, leaf first) that the authority elsewhere made for a request in `signing`. It must carry the
 * request's key and exactly its names, and be signed by a certificate of the authority that we know, after a rollover by the earlier one too, and be good for no longer than was approved.
 * Of two at once one is stored, and the custom attributes that came with it, or neither. Throws malformed, conflict.
 */
export async function upload(
  it: Installation,
  requester: Requester,
  ref: RequestRef,
  { chain, attributes }: Uploaded,
): Promise<SignRequest> {
  const request = await readSignRequest(it.db, ref)
  const authority = await loadAuthority(it, request.authorityId)
  if (authority.kind !== 'manual')
    throw new Failure(
      'unsupported',
      `${authority.name} has its certificates signed by itself: nothing is uploaded for it`,
    )
  const [leaf] = chain
  if (!leaf) throw new Failure('malformed', 'the upload holds no certificate')
  const fields = readLeaf(leaf)
  const issuer = await checkUpload(it, { request, authority, fields })
  const now = it.clock()
  refuseLonger(request, fields, now)
  await transaction(it.db, async (db) => {
    await moveSignRequest(db, {
      id: request.id,
      from: 'signing',
      to: 'signed',
      actor: requester,
      at: now,
      details: { serial: fields.serial, fingerprint: fingerprint(leaf), uploaded: true },
      set: { findings: JSON.stringify(noticedElsewhere(request, fields)), last_error: null },
    })
    await insertForeign(db, { request, issuerId: issuer.id, fields, now })
    if (attributes !== undefined) await writeAttributes(db, { actor: requester, at: now }, request.id, attributes)
  })
  return readSignRequest(it.db, request.id)
}

interface Foreign {
  request: SignRequest
  /** Id of the authority_certificates row of its issuer. */
  issuerId: number
  fields: CertificateFields
  now: Date
}

/** Stores a certificate that was signed elsewhere for a request, in the caller's transaction. Throws Failure('conflict'). */
export async function insertForeign(db: Database, { request, issuerId, fields, now }: Foreign): Promise<void> {
  const { spkiHash, algorithm, curve, size } = fields.publicKey
  const stored = await withTables<CoreTables>(db)
    .insertInto('certificates')
    .values({
      id: request.id,
      organization_id: request.organizationId,
      profile_id: request.profileId,
      authority_id: request.authorityId,
      authority_certificate_id: issuerId,
      serial: fields.serial,
      der: fields.der,
      fingerprint: fingerprint(fields.der),
      spki_hash: spkiHash,
      subject: nameText(fields.subject),
      identifiers: JSON.stringify(fields.identifiers),
      key_algorithm: curve ?? (algorithm === 'RSA' ? `RSA-${size}` : algorithm),
      not_before: fields.notBefore.getTime(),
      not_after: fields.notAfter.getTime(),
      status: 'issued',
      revoked_at: null,
      revocation_reason: null,
      shard: 0,
      source: 'managed',
      requester_key: requesterKey(request.requester),
      renews_id: request.renews ?? null,
      created_at: now.getTime(),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!stored) throw new Failure('conflict', 'a certificate of this serial number is known already')
}

function readLeaf(leaf: Buffer): CertificateFields {
  try {
    return readCertificate(leaf)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new Failure('malformed', `the first certificate cannot be read: ${error.message}`, { cause: error })
  }
}

interface Upload {
  request: SignRequest
  authority: LoadedAuthority
  fields: CertificateFields
}

/** Answers which certificate of the authority signed it. */
async function checkUpload(it: Installation, { request, authority, fields }: Upload): Promise<Issuer> {
  await refuseOther(it, { request, fields })
  const { active, earlier, next } = await readChain(it, authority.id)
  const issuer = [active, next, ...earlier].find((each) => each && verifyIssuedBy(fields, each.certificate))
  if (issuer) return issuer
  throw new Failure(
    'malformed',
    `the certificate is not signed by a certificate of ${authority.name} that is known here`,
  )
}

/** Whether it is what was asked for, whoever signed it. Throws Failure('malformed') for another key, other names, another type, or one that has ended. */
export async function refuseOther(
  it: Installation,
  { request, fields }: { request: SignRequest; fields: CertificateFields },
): Promise<void> {
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('sign_requests')
    .select('spki_hash')
    .where('id', '=', request.id)
    .executeTakeFirstOrThrow()
  const refuse = (detail: string): never => {
    throw new Failure('malformed', detail)
  }
  if (fields.publicKey.spkiHash !== row.spki_hash) refuse('the certificate carries another key than the request')
  const wanted = new Set(request.wanted.identifiers.map(({ type, value }) => `${type}:${value}`))
  const given = new Set(fields.identifiers.map(({ type, value }) => `${type}:${value}`))
  if (wanted.size !== given.size || [...wanted].some((name) => !given.has(name)))
    refuse('the certificate has other names than the request')
  if (fields.isCa !== (request.wanted.type === 'ca'))
    refuse('the certificate is of another type than the request (basicConstraints)')
  if (fields.notAfter <= it.clock()) refuse('the certificate has expired')
}
