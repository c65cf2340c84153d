import { createHash } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { hasNoRevAvail } from '../../pki/extensions.ts'
import { nameText } from '../../pki/name.ts'
import { OID } from '../../pki/oid.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { openDecision } from '../approval/decision.ts'
import { asMalformed } from '../asMalformed.ts'
import { audit } from '../audit/audit.ts'
import { type Issuer, issuerUrls, type LoadedAuthority, loadAuthority, loadIssuer } from '../authority/authority.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { ruleVersion } from '../profile/decide.ts'
import { defaultRules } from '../profile/defaultRules.ts'
import type { CertificateType, RaProfile } from '../profile/profile.ts'
import { loadProfile, saveProfile } from '../profile/profiles.ts'
import type { ApprovalRule } from '../profile/rule.ts'
import type { WantedCertificate } from '../request/request.ts'
import { type Requester, requesterKey, system } from '../requester.ts'
import { blockCompromisedKey, withdraw } from '../revocation/withdraw.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { writeRecord } from './inventoryItem.ts'

/** RFC 5280 section 4.1.2.2; a CRL carries no longer one. */
const LONGEST_SERIAL = 20

/**
 * See RevocationAdmin.importCertificate. `attributes`: JSON of its custom attributes, checked. It gets a record and a profile of its own kind, which no protocol serves: it is known, can be
 * revoked and held, and vouches for nobody.
 */
export async function importCertificate(
  { it, requester }: AdminContext,
  name: string,
  der: Buffer,
  attributes?: string,
): Promise<Certificate> {
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  // Before anything is told of what is known here.
  await requireCapability(it.db, await actorOf(it.db, requester), 'manage', { organizationId, authorityId: id })
  const authority = await loadAuthority(it, id)
  const fields = asMalformed(() => readCertificate(der))
  const issuers = await issuersOf(it, authority, fields)
  const now = it.clock()
  refuseUseless(fields, now)
  const profile = await importedProfile(it, authority)
  return transaction(it.db, async (db) => {
    await requireCapability(db, await actorOf(db, requester), 'manage', { organizationId, authorityId: id })
    const known = await findCertificate(db, { serial: fields.serial, authority: id })
    if (known) throw new Failure('conflict', `it is known here already, with the number ${known.id}`)
    const told = await toldBefore(db, issuers, fields.serial)
    const place = told
      ? { issuerId: told.authority_certificate_id, shard: 0 }
      : placeOf(it, authority, { fields, issuers })
    const certificate = await store(db, { fields, place, profile, requester, now })
    if (attributes !== undefined) await writeRecord(db, certificate.id, { attributes })
    if (told) await takeOver(db, { certificate, requester, now }, told)
    return (await findCertificate(db, { id: certificate.id })) ?? certificate
  })
}

/** The certificates of the authority whose key has signed it, the active one first. Throws Failure('malformed') where none has. */
async function issuersOf(it: Installation, authority: LoadedAuthority, fields: CertificateFields): Promise<Issuer[]> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .select('id')
    .where('authority_id', '=', authority.id)
    .orderBy('active', 'desc')
    .orderBy('id', 'desc')
    .execute()
  const all = await Promise.all(rows.map(({ id }) => loadIssuer(it, id)))
  if (all.some(({ certificate }) => certificate.der.equals(fields.der)))
    throw new Failure('malformed', `this is the certificate of ${authority.name} itself`)
  const issuers = all.filter(({ certificate }) => asMalformed(() => verifyIssuedBy(fields, certificate)))
  if (issuers.length === 0)
    throw new Failure('malformed', `this certificate is not signed by a key of ${authority.name} that is known here`)
  return issuers
}

function refuseUseless({ serial, notAfter, extensions }: CertificateFields, now: Date): void {
  const refuse = (detail: string): never => {
    throw new Failure('malformed', detail)
  }
  if (notAfter <= now) refuse(`this certificate has ended on ${notAfter.toISOString()}`)
  if (serial.length > 2 * LONGEST_SERIAL)
    refuse(`its serial number is longer than ${LONGEST_SERIAL} octets: no CRL can list it (RFC 5280 section 4.1.2.2)`)
  if (hasNoRevAvail(extensions)) refuse('nothing is published about the revocation of this certificate (noRevAvail)')
}

/** In which CRL it stands: the one of ours that it names, or the first of who signed it. */
function placeOf(
  it: Installation,
  authority: LoadedAuthority,
  { fields, issuers }: { fields: CertificateFields; issuers: Issuer[] },
): Place {
  const shards = Array.from({ length: authority.settings.crlShards }, (_, shard) => shard)
  const places = issuers.flatMap(({ id }) => shards.map((shard) => ({ issuerId: id, shard })))
  const named = places.find(({ issuerId, shard }) =>
    issuerUrls(it, authority, issuerId, shard).crlUrls.some((url) => fields.crlUrls.includes(url)),
  )
  return named ?? { issuerId: issuers[0]?.id ?? 0, shard: 0 }
}

interface Place {
  issuerId: number
  shard: number
}

/** What the CRL said of it that came with the authority, or that was uploaded for it. */
async function toldBefore(db: Database, issuers: Issuer[], serial: string) {
  return withTables<CoreTables>(db)
    .selectFrom('imported_revocations')
    .selectAll()
    .where('serial', '=', serial)
    .where(
      'authority_certificate_id',
      'in',
      issuers.map(({ id }) => id),
    )
    .executeTakeFirst()
}

type Told = NonNullable<Awaited<ReturnType<typeof toldBefore>>>

async function takeOver(
  db: Database,
  withdrawal: { certificate: Certificate; requester: Requester; now: Date },
  { revoked_at: revokedAt, reason, invalidity_at: invalidityAt }: Told,
): Promise<void> {
  const since = invalidityAt === null ? {} : { invalidityDate: new Date(invalidityAt) }
  await withdraw(db, { ...withdrawal, revokedAt: new Date(revokedAt), ...since }, reason ?? undefined)
  if (reason === 'keyCompromise') await blockCompromisedKey(db, withdrawal.certificate.spkiHash, withdrawal.now)
}

/** Its rules say who may revoke such certificates; nothing is ordered by it. */
async function importedProfile(it: Installation, authority: LoadedAuthority): Promise<RaProfile> {
  const name = `@${authority.name}/imported`
  const known = await withTables<CoreTables>(it.db)
    .selectFrom('ra_profiles')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  if (!known) {
    const { id: authorityId, organizationId } = authority
    const rules = { issue: [], revoke: defaultRules.revoke }
    const common = { enabled: true, builtin: true, settings: {}, protocols: {}, rules }
    const draft = { name, organizationId, authorityId, ...common }
    await transaction(it.db, (db) => saveProfile(db, draft, { actor: system('builtin'), at: it.clock() }))
  }
  return loadProfile(it.db, name)
}

const rule: ApprovalRule = { name: 'an imported certificate', when: 'true', auto: true }

interface Storing {
  fields: CertificateFields
  place: Place
  profile: RaProfile
  requester: Requester
  now: Date
}

async function store(db: Database, storing: Storing): Promise<Certificate> {
  const { fields, place, profile, requester, now } = storing
  const { organizationId, authorityId } = profile
  const id = await storeRequest(db, storing)
  const { spkiHash, algorithm, curve, size } = fields.publicKey
  const stored = await withTables<CoreTables>(db)
    .insertInto('certificates')
    .values({
      id,
      organization_id: organizationId,
      profile_id: profile.id,
      authority_id: authorityId,
      authority_certificate_id: place.issuerId,
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
      shard: place.shard,
      source: 'uploaded',
      requester_key: requesterKey(requester),
      renews_id: null,
      created_at: now.getTime(),
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  const certificate = stored && (await findCertificate(db, { id }))
  if (!certificate) throw new Failure('conflict', 'it is known here already')
  await audit(db, requester, now, {
    action: 'certificate.imported',
    organizationId,
    subject: { kind: 'certificate', id },
    status: 'issued',
    details: { serial: fields.serial, fingerprint: certificate.fingerprint, subject: certificate.subject },
  })
  return certificate
}

type Home = Pick<RaProfile, 'id' | 'organizationId' | 'authorityId'>

/** The request of a certificate that was not ordered here: certificates and requests share their numbers. */
export async function storeRequest(
  db: Database,
  { fields, profile, requester, now }: Pick<Storing, 'fields' | 'requester' | 'now'> & { profile: Home },
): Promise<number> {
  const { organizationId, authorityId } = profile
  const { id } = await withTables<CoreTables>(db)
    .insertInto('sign_requests')
    .values({
      uuid: uuidv7(now),
      organization_id: organizationId,
      profile_id: profile.id,
      authority_id: authorityId,
      status: 'signed',
      revision: 1,
      action: 'issue',
      protocol: 'import',
      origin_ref: null,
      origin_generation: 0,
      requester: JSON.stringify(requester),
      requester_key: requesterKey(requester),
      source_address: requester.source ?? null,
      csr: null,
      spki_hash: createHash('sha256').update(fields.spki).digest('hex'),
      wanted: JSON.stringify(wantedOf(fields)),
      findings: '[]',
      renews_id: null,
      attempt: 0,
      last_error: null,
      reason: null,
      created_at: now.getTime(),
      updated_at: now.getTime(),
      expires_at: null,
      ended_at: now.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  const outcome = { kind: 'auto', rule: rule.name, version: ruleVersion(rule) } as const
  const decided = { organizationId, authorityId, requester, outcome, hash: '', at: now }
  await openDecision(db, { kind: 'sign', requestId: id, revision: 1, ...decided })
  await audit(db, requester, now, {
    action: 'sign_request.signed',
    organizationId,
    subject: { kind: 'sign_request', id },
    status: 'signed',
    details: {
      serial: fields.serial,
      fingerprint: fingerprint(fields.der),
      rule: rule.name,
      outcome: 'auto',
      imported: true,
    },
  })
  return id
}

function wantedOf({ subject, identifiers, notBefore, notAfter, ...fields }: CertificateFields): WantedCertificate {
  return {
    type: typeOf(fields),
    subject,
    identifiers,
    notBefore: notBefore.getTime(),
    notAfter: notAfter.getTime(),
    validity: notAfter.getTime() - notBefore.getTime(),
    backdate: 0,
    mustStaple: false,
  }
}

function typeOf({
  isCa,
  extendedKeyUsage = [],
}: Pick<CertificateFields, 'isCa' | 'extendedKeyUsage'>): CertificateType {
  if (isCa) return 'ca'
  if (extendedKeyUsage.includes(OID.OCSPSigning)) return 'ocsp'
  const [server, client] = [extendedKeyUsage.includes(OID.serverAuth), extendedKeyUsage.includes(OID.clientAuth)]
  if (server && client) return 'dual_purpose'
  return client ? 'client' : 'server'
}
