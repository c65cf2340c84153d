import type { Insertable, Kysely } from 'kysely'
import { statement } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateDraft, encodeTbs } from '../../pki/certificate.ts'
import { fingerprint } from '../../pki/certificateReader.ts'
import { lintCertificate } from '../../pki/lint.ts'
import { nameText } from '../../pki/name.ts'
import type { PublicKeyInfo } from '../../pki/publicKey.ts'
import { type Issuer, type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { authorityUnder } from '../authority/earlierKey.ts'
import { nextAuthority, refuseCanceled } from '../authority/rollover.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { staged } from '../measure.ts'
import { extendedUsages, usages } from '../profile/usage.ts'
import { keptCsr } from '../request/csr.ts'
import type { SignRequest, WantedCertificate } from '../request/request.ts'
import { moveSignRequest } from '../request/transition.ts'
import { requesterKey, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Attempt, storeNext } from './attempt.ts'
import { certificateUrls } from './certificateUrls.ts'
import { settleTrouble } from './trouble.ts'

/**
 * Makes the certificate of an attempt: lint, sign, store. Passing trouble leaves the request in `signing` with
 * lastError, and the sweep makes the next attempt; what cannot pass moves it to `failed`. Another node that took over
 * meanwhile makes this one store nothing. Answers the request as it stands afterwards.
 */
export async function runAttempt(
  it: Installation,
  request: SignRequest,
  attempt: Attempt,
  known?: { publicKey: PublicKeyInfo },
): Promise<SignRequest> {
  try {
    const authority = await signingAuthority(it, request, attempt)
    if (!authority) return await underTheNewKey(it, request, attempt, known)
    const publicKey = known?.publicKey ?? keptCsr(request.csr ?? Buffer.alloc(0)).publicKey
    const { protocol } = request
    const { der, draft } = await staged(it, 'sign', protocol, () =>
      signed(it, request, attempt, { authority, publicKey }),
    )
    return await staged(it, 'store', protocol, () => store(it, request, attempt, { der, draft, publicKey, authority }))
  } catch (error) {
    return await settleTrouble(it, request, attempt, error)
  }
}

/**
 * The authority as it signs under the certificate that the attempt was stored with. Undefined when another one has become
 * the active one since: by then the earlier key issues nothing any more.
 */
async function signingAuthority(
  it: Installation,
  { authorityId, protocol, wanted: { issuer: named } }: SignRequest,
  attempt: Attempt,
): Promise<LoadedAuthority | undefined> {
  const authority = await loadAuthority(it, authorityId)
  const internal = protocol === 'internal'
  if (named !== undefined && !internal) await refuseCanceled(it.db, named)
  // A responder is signed by the key for which it answers, an earlier one too.
  if (internal && named === attempt.issuer) return authorityUnder(it, authority, attempt.issuer)
  if (authority.issuer?.id === attempt.issuer) return authority
  return named === attempt.issuer ? nextAuthority(it, authority, attempt.issuer) : undefined
}

async function underTheNewKey(
  it: Installation,
  request: SignRequest,
  { number }: Attempt,
  known: { publicKey: PublicKeyInfo } | undefined,
): Promise<SignRequest> {
  const next = await transaction(it.db, (db) => storeNext(db, it, { ...request, attempt: number }))
  if (!next) throw new Failure('unavailable', 'the authority does not sign here any more')
  return runAttempt(it, { ...request, attempt: next.number }, next, known)
}

interface Signed {
  der: Buffer
  draft: CertificateDraft
}

async function signed(
  it: Installation,
  request: SignRequest,
  attempt: Attempt,
  { authority, publicKey }: { authority: LoadedAuthority; publicKey: PublicKeyInfo },
): Promise<Signed> {
  const { issuer, signs, enabled } = authority
  // Responders and our own TLS go on: what was issued before must stay checkable.
  const internal = request.protocol === 'internal' && request.wanted.type !== 'ca'
  if (!enabled && !internal) throw new Failure('unavailable', `the authority ${authority.name} is switched off`)
  if (authority.withdrawn)
    throw new Failure('conflict', `the certificate of the authority ${authority.name} was revoked`)
  if (!issuer || !signs.algorithm || !signs.sign)
    throw new Failure('unavailable', `the authority ${authority.name} does not sign here`)
  const now = it.clock()
  const urls = await certificateUrls(it, authority, { issuerId: issuer.id, shard: attempt.shard })
  const draft = draftOf(request, attempt, { issuer, publicKey, urls, now })
  const tbs = encodeTbs(draft, signs.algorithm)
  const errors = lintCertificate(tbs, { type: draft.type, issuer: issuer.certificate, now, publicKey }).filter(
    ({ severity }) => severity === 'error',
  )
  if (errors.length > 0) {
    const detail = errors.map((finding) => `${finding.detail} (${finding.source})`).join('; ')
    throw new Failure('conflict', `the certificate would not be well formed: ${detail}`)
  }
  return { der: await signs.sign({ tbs }), draft }
}

type Urls = Awaited<ReturnType<typeof certificateUrls>>

interface Makings {
  issuer: Issuer
  publicKey: PublicKeyInfo
  urls: Urls
  now: Date
}

function draftOf(request: SignRequest, attempt: Attempt, makings: Makings): CertificateDraft {
  const { wanted } = request
  const { issuer, publicKey, urls, now } = makings
  const { notBefore, notAfter } = issuer.certificate
  const begin = wanted.notBefore ?? Math.max(now.getTime() - wanted.backdate, notBefore.getTime())
  const end = wanted.notAfter ?? Math.min((wanted.notBefore ?? now.getTime()) + wanted.validity, notAfter.getTime())
  return {
    serial: attempt.serial,
    issuer: issuer.certificate.subjectDer,
    subject: wanted.subject,
    notBefore: new Date(begin),
    notAfter: new Date(end),
    publicKey,
    type: wanted.type,
    identifiers: wanted.identifiers,
    keyUsage: usages(wanted.type, publicKey.algorithm),
    extendedKeyUsage: extendedUsages(wanted.type),
    ...(wanted.pathLength === undefined ? {} : { pathLength: wanted.pathLength }),
    ...(wanted.nameConstraints === undefined ? {} : { nameConstraints: wanted.nameConstraints }),
    mustStaple: wanted.mustStaple,
    ocspNoCheck: wanted.type === 'ocsp',
    ...urlsOf(wanted, urls),
    ...(issuer.certificate.ski === undefined ? {} : { authorityKeyIdentifier: issuer.certificate.ski }),
  }
}

/** Where to look for more: nowhere for a responder, and not for revocation where nothing is published (RFC 9608 section 3). */
function urlsOf(wanted: WantedCertificate, urls: Urls) {
  if (wanted.type === 'ocsp') return { crlUrls: [], ocspUrls: [], issuerUrls: [] }
  return wanted.noRevAvail ? { noRevAvail: true, crlUrls: [], ocspUrls: [], issuerUrls: urls.issuerUrls } : urls
}

const insertCertificate = statement((tables: Kysely<CoreTables>, row: Insertable<CoreTables['certificates']>) =>
  tables.insertInto('certificates').values(row),
)

async function store(
  it: Installation,
  request: SignRequest,
  attempt: Attempt,
  { der, draft, publicKey, authority }: Signed & { publicKey: PublicKeyInfo; authority: LoadedAuthority },
): Promise<SignRequest> {
  const now = it.clock()
  if (now.getTime() > attempt.leaseUntil) throw new Failure('unavailable', 'the attempt took longer than its lease')
  await transaction(it.db, async (db) => {
    await moveSignRequest(db, {
      id: request.id,
      from: 'signing',
      to: 'signed',
      actor: system('issue'),
      at: now,
      where: { attempt: attempt.number },
      set: { last_error: null },
      details: { serial: attempt.serial, fingerprint: fingerprint(der) },
    })
    await insertCertificate(db, {
      id: request.id,
      organization_id: request.organizationId,
      profile_id: request.profileId,
      authority_id: authority.id,
      authority_certificate_id: authority.issuer?.id ?? null,
      serial: attempt.serial,
      der,
      fingerprint: fingerprint(der),
      spki_hash: publicKey.spkiHash,
      subject: nameText(draft.subject),
      identifiers: JSON.stringify(draft.identifiers),
      key_algorithm: publicKey.curve ?? (publicKey.algorithm === 'RSA' ? `RSA-${publicKey.size}` : publicKey.algorithm),
      not_before: draft.notBefore.getTime(),
      not_after: draft.notAfter.getTime(),
      status: 'issued',
      revoked_at: null,
      revocation_reason: null,
      shard: attempt.shard,
      source: 'managed',
      requester_key: requesterKey(request.requester),
      renews_id: request.renews ?? null,
      created_at: now.getTime(),
    })
  })
  return { ...request, status: 'signed', attempt: attempt.number, updatedAt: now, endedAt: now }
}
