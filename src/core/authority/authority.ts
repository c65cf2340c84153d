import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Database } from '../../db/open.ts'
import { keptStatement, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import type { CrlDraft } from '../../pki/crl.ts'
import { issuerHashes } from '../../pki/ocsp.ts'
import type { OcspResponseDraft } from '../../pki/ocspResponse.ts'
import { pemDecode } from '../../pki/pem.ts'
import { type Signer, signerFor } from '../../pki/signer.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { createCache } from '../installation.ts'
import { loadKey } from '../key.ts'
import { duration } from '../profile/profile.ts'
import type { CoreTables } from '../tables.ts'
import { shardName } from './indirectCrl.ts'
import { loadUpstreamAccount } from './upstreamAccount.ts'
import type { Upstream, UpstreamAccount } from './upstreamCa.ts'
import { upstreamSettings } from './upstreamSettings.ts'

export const authorityKinds = ['local', 'manual', 'acme'] as const
export type AuthorityKind = (typeof authorityKinds)[number]

export const authoritySettings = z.strictObject({
  /** How long a CRL is good for. A new one is made with every revocation, and when a third of this is left. */
  crlValidity: duration.prefault('7d'),
  /** How long an OCSP answer is good for. */
  ocspValidity: duration.prefault('12h'),
  /** How long the delegated responder's certificate lives; it is renewed when a third of this is left. */
  responderValidity: duration.prefault('30d'),
  /** What OCSP says of a serial that was never issued (RFC 6960 section 2.2); `revoked` comes with extended-revoke. */
  ocspNeverIssued: z.enum(['unknown', 'revoked', 'unauthorized']).default('unknown'),
  /** For how long after its end OCSP still knows a certificate's status, told as archiveCutoff (section 4.4.4); absent: not told. */
  ocspArchiveCutoff: duration.optional(),
  /** How the responder names itself: by its key (RFC 9919 section 3.2.2), or by its name for old clients. */
  ocspResponderId: z.enum(['key', 'name']).default('key'),
  /** Who signs OCSP answers: a responder with a certificate of its own, or the authority itself. */
  ocspSigner: z.enum(['delegate', 'authority']).default('delegate'),
  /** Among how many CRLs new certificates are shared out. A certificate keeps the one that it names. */
  crlShards: z.int().min(1).max(256).default(1),
  /** How often a delta CRL is made, for certificates that name one (freshestCRL); absent: none. */
  crlDelta: duration.optional(),
  /** Name of the authority in whose indirect CRL new certificates stand (RFC 5280 section 5.2.5); absent: in its own. */
  crlIssuer: z.string().max(63).optional(),
  /** Of the kind acme: how it works with the CA that signs for it. */
  upstream: upstreamSettings.optional(),
})
export type AuthoritySettings = z.output<typeof authoritySettings>

/** A certificate of an authority, with which it signs or signed. */
export interface Issuer {
  /** Id of the authority_certificates row; part of the URLs in what it issues. */
  id: number
  certificate: CertificateFields
  /** Issuers above, nearest first, as DER; empty for a root. */
  chain: Buffer[]
  /** What CertIDs that mean this issuer hold. */
  hashes: ReturnType<typeof issuerHashes>
}

/** What issue.ts hands to an authority: the certificate to be, already checked. */
export interface SigningOrder {
  /** DER TBSCertificate. */
  tbs: Buffer
}

/**
 * Something that signs certificates. Implemented in src/authorities only. `sign` throws Failure('unavailable') for
 * trouble that may pass; anything else that it throws ends the request.
 */
export interface Authority {
  /** Where signing happens here: the DER AlgorithmIdentifier that the certificate to be must name. Absent: a person uploads the certificate. */
  readonly algorithm?: Buffer
  /** DER certificate. */
  sign?(order: SigningOrder): Promise<Buffer>
  /** DER CRL under the authority's key, in parts that follow each other. */
  signCrl?(draft: Omit<CrlDraft, 'signer'>): Promise<Buffer[]>
  /** DER OCSPResponse under the authority's own key. */
  signOcsp?(draft: Omit<OcspResponseDraft, 'signer'>): Promise<Buffer>
  /** Where another CA signs, over ACME. */
  readonly upstream?: Upstream
}

/** Makes the signing part of an authority from its active certificate and the signer over its key, absent where the key is elsewhere; or from its account at the CA that signs. */
export type AuthorityMakers = Record<
  AuthorityKind,
  (issuer: Issuer | undefined, signer: Signer | undefined, account?: UpstreamAccount) => Authority
>

/** An authority as the core works with it. */
export interface LoadedAuthority {
  id: number
  /** authorities.version. */
  version: number
  uuid: string
  organizationId: number
  name: string
  kind: AuthorityKind
  ownerId: number | null
  enabled: boolean
  settings: AuthoritySettings
  issuer: Issuer | undefined
  /** Its own certificate was revoked, by an authority of ours: nothing is issued any more. */
  withdrawn: boolean
  signs: Authority
}

/** The certificate that an authority signs with, its chain, those it had before, and the one that is prepared to follow. */
export interface CaChain {
  active: Issuer | undefined
  earlier: Issuer[]
  next?: Issuer
}

const loaded = new WeakMap<Database, ReturnType<typeof createCache<string, LoadedAuthority>>>()

const versionById = keptStatement((tables: Kysely<CoreTables>, id: number) =>
  tables.selectFrom('authorities').select(['id', 'version', 'revocations']).where('id', '=', id),
)
const versionByName = keptStatement((tables: Kysely<CoreTables>, name: string) =>
  tables.selectFrom('authorities').select(['id', 'version', 'revocations']).where('name', '=', name),
)

/** authorities.version, by which what is kept of it is known to be old. It needs no key. */
export async function authorityVersion(db: Database, id: number): Promise<number | undefined> {
  return (await versionById(db, id)).rows[0]?.version
}

/** Reads an authority; what has not changed since comes from memory. Throws Failure('notFound'). */
export async function loadAuthority(it: Installation, ref: number | string): Promise<LoadedAuthority> {
  return (await lookAtAuthority(it, ref)).authority
}

/** As loadAuthority, in the same one look with the counter of its revocations (authorities.revocations). */
export async function lookAtAuthority(
  it: Installation,
  ref: number | string,
): Promise<{ authority: LoadedAuthority; revocations: number }> {
  const { rows } = await (typeof ref === 'number' ? versionById(it.db, ref) : versionByName(it.db, ref))
  const [row] = rows
  if (!row) throw new Failure('notFound', 'there is no such authority')
  let cache = loaded.get(it.db)
  if (!cache) {
    cache = createCache(200)
    loaded.set(it.db, cache)
  }
  const key = `${row.id}:${row.version}`
  const { revocations } = row
  const known = cache.get(key)
  if (known) return { authority: known, revocations }
  const authority = await readAuthority(it, row.id)
  cache.set(key, authority)
  return { authority, revocations }
}

async function readAuthority(it: Installation, id: number): Promise<LoadedAuthority> {
  const tables = withTables<CoreTables>(it.db)
  const row = await tables.selectFrom('authorities').selectAll().where('id', '=', id).executeTakeFirstOrThrow()
  const active = await tables
    .selectFrom('authority_certificates')
    .selectAll()
    .where('authority_id', '=', id)
    .where('active', '=', 1)
    .executeTakeFirst()
  const kind = z.enum(authorityKinds).parse(row.kind)
  const issuer = active && toIssuer(active)
  const keyId = active?.key_id ?? null
  const signer = keyId === null ? undefined : await signerOf(it, row.name, keyId)
  const settings = authoritySettings.parse(JSON.parse(row.settings))
  const account = kind === 'acme' ? await loadUpstreamAccount(it, id) : undefined
  if (active && active.shards < settings.crlShards) await raiseShards(it.db, active.id, settings.crlShards)
  return {
    id: row.id,
    version: row.version,
    uuid: row.uuid,
    organizationId: row.organization_id,
    name: row.name,
    kind,
    ownerId: row.owner_id,
    enabled: row.enabled === 1,
    settings,
    issuer,
    withdrawn: active !== undefined && (await isWithdrawn(it.db, active)),
    signs: it.makers[kind](issuer, signer, account),
  }
}

/** A key that cannot be opened, or is gone, is no end of the authority: it may be brought back. */
async function signerOf({ db, vault }: Installation, authority: string, keyId: number): Promise<Signer> {
  try {
    return signerFor(await loadKey(db, vault, keyId))
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw new Failure('unavailable', `the key of the authority ${authority} cannot be read just now; ask again later`, {
      cause,
      retryAfter: 60,
    })
  }
}

/** Before the first certificate that names one of the new CRLs. */
export async function raiseShards(db: Database, id: number, shards: number): Promise<void> {
  await transaction(db, async (db) => {
    await withTables<CoreTables>(db)
      .updateTable('authority_certificates')
      .set({ shards })
      .where('id', '=', id)
      .where('shards', '<', shards)
      .execute()
  })
}

/** Whether a certificate of an authority was revoked, by an authority of ours. */
export async function isWithdrawn(
  db: Database,
  { certificate, spki_hash: spkiHash }: { certificate: Buffer; spki_hash: string },
): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select('id')
    .where('spki_hash', '=', spkiHash)
    .where('fingerprint', '=', fingerprint(certificate))
    .where('status', '<>', 'issued')
    .executeTakeFirst()
  return row !== undefined
}

function toIssuer(row: { id: number; certificate: Buffer; chain: string }): Issuer {
  const certificate = readCertificate(row.certificate)
  return {
    id: row.id,
    certificate,
    hashes: issuerHashes(certificate),
    chain: pemDecode(row.chain).map(({ der }) => der),
  }
}

const issuers = new WeakMap<Database, ReturnType<typeof createCache<number, Issuer & { authorityId: number }>>>()

/** One certificate of an authority by its row's id: it never changes, so it is read once. */
export async function loadIssuer(it: Installation, id: number): Promise<Issuer & { authorityId: number }> {
  let cache = issuers.get(it.db)
  if (!cache) {
    cache = createCache(500)
    issuers.set(it.db, cache)
  }
  const known = cache.get(id)
  if (known) return known
  const row = await withTables<CoreTables>(it.db)
    .selectFrom('authority_certificates')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such authority certificate')
  const issuer = { ...toIssuer(row), authorityId: row.authority_id }
  cache.set(id, issuer)
  return issuer
}

/** The URLs that certificates of this issuer carry. */
export function issuerUrls(
  it: Installation,
  authority: { name: string; settings: AuthoritySettings },
  issuerId: number,
  shard: number,
) {
  const crl = `${it.httpBaseUrl}/crl/${authority.name}/${issuerId}/${shardName(shard)}`
  return {
    crlUrls: [`${crl}.crl`],
    ...(authority.settings.crlDelta === undefined ? {} : { freshestUrls: [`${crl}-delta.crl`] }),
    ocspUrls: [`${it.httpBaseUrl}/ocsp/${authority.name}`],
    issuerUrls: [`${it.httpBaseUrl}/ca/${authority.name}/${issuerId}.cer`],
  }
}
