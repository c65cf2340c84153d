import { createHash } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { isSelfSigned } from '../../pki/certificateFacts.ts'
import { type CertificateFields, fingerprint, readCertificate } from '../../pki/certificateReader.ts'
import { verifyIssuedBy } from '../../pki/chain.ts'
import { PkiError } from '../../pki/error.ts'
import { pemDecode } from '../../pki/pem.ts'
import type { Certificate } from '../certificate.ts'
import { createCache } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

/** A certificate above another, as far as it is known here. */
export interface KnownIssuer {
  fields: CertificateFields
  /** One of an authority of ours, or one that an authority of ours brought with it. */
  ours: boolean
  /** Somebody said that chains may end at it. */
  trusted: boolean
  /** Of its own entry in the inventory. */
  item?: number
}

export interface KnownChain {
  /** Nearest first. */
  issuers: KnownIssuer[]
  /** The last one is self-signed. */
  complete: boolean
}

const DEEPEST = 8
const MOST_CANDIDATES = 16
/** Verifying by larger ones is tens of milliseconds of work. */
const MAX_RSA_BITS = 8192

const caches = new WeakMap<Database, ReturnType<typeof createCache<number, CertificateFields[]>>>()

/** The certificates of authorities of an organization, each first with what is above it. Rows never change, so each is read once. */
export async function authorityCertificates(
  db: Database,
  organizationId: number,
): Promise<{ name: string; certificate: CertificateFields; chain: CertificateFields[] }[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authority_certificates')
    .innerJoin('authorities', 'authorities.id', 'authority_certificates.authority_id')
    .select(['authority_certificates.id', 'authorities.name', 'certificate', 'chain'])
    .where('authorities.organization_id', '=', organizationId)
    .orderBy('active', 'desc')
    .orderBy('authority_certificates.id', 'desc')
    .execute()
  let cache = caches.get(db)
  if (!cache) {
    cache = createCache(500)
    caches.set(db, cache)
  }
  return rows.flatMap(({ id, name, certificate, chain }) => {
    const [own, ...above] = cache.get(id) ?? [
      readCertificate(certificate),
      ...pemDecode(chain).map(({ der }) => readCertificate(der)),
    ]
    if (!own) return []
    cache.set(id, [own, ...above])
    return [{ name, certificate: own, chain: above }]
  })
}

/** The issuers above a certificate: among authorities of the same organization, and CA certificates that were uploaded to it. */
export async function knownChain(
  db: Database,
  { organizationId, der }: Pick<Certificate, 'organizationId' | 'der'>,
): Promise<KnownChain> {
  const issuers: KnownIssuer[] = []
  let top = readCertificate(der)
  if (isSelfSigned(top)) return { issuers, complete: true }
  const ours = (await authorityCertificates(db, organizationId)).flatMap(({ certificate, chain }) => [
    certificate,
    ...chain,
  ])
  while (issuers.length < DEEPEST) {
    const candidates = [
      ...ours.map((fields) => ({ fields, ours: true, trusted: true })),
      ...(await uploaded(db, organizationId, top)),
    ]
    const next = candidates.find(({ fields }) => !fields.der.equals(top.der) && issued(top, fields))
    if (!next || issuers.some(({ fields }) => fields.der.equals(next.fields.der))) return { issuers, complete: false }
    issuers.push(next)
    top = next.fields
    if (isSelfSigned(top)) return { issuers, complete: true }
  }
  return { issuers, complete: false }
}

/** Certificates of authorities of ours that were ordered here have an entry as any other: each with its own. */
export async function withItems(db: Database, organizationId: number, issuers: KnownIssuer[]): Promise<KnownIssuer[]> {
  const nameless = issuers.filter(({ item }) => item === undefined).map(({ fields }) => fingerprint(fields.der))
  if (nameless.length === 0) return issuers
  const rows = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select(['id', 'fingerprint'])
    .where('fingerprint', 'in', nameless)
    .where('organization_id', '=', organizationId)
    .execute()
  const items = new Map(rows.map((row) => [row.fingerprint, row.id]))
  return issuers.map((issuer) => {
    const item = issuer.item ?? items.get(fingerprint(issuer.fields.der))
    return item === undefined ? issuer : { ...issuer, item }
  })
}

async function uploaded(db: Database, organizationId: number, child: CertificateFields): Promise<KnownIssuer[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('inventory_records')
    .innerJoin('certificates', 'certificates.id', 'inventory_records.id')
    .select(['certificates.id', 'der', 'trusted_ca'])
    .where('ca_subject', '=', createHash('sha256').update(child.issuerDer).digest('hex'))
    .where('certificates.organization_id', '=', organizationId)
    .orderBy('trusted_ca', 'desc')
    // What somebody has uploaded before what strangers show: they may show many of one name.
    .orderBy('certificates.source', 'desc')
    .orderBy('certificates.id', 'desc')
    .limit(MOST_CANDIDATES)
    .execute()
  return rows.map(({ id, der, trusted_ca }) => ({
    fields: readCertificate(der),
    ours: false,
    trusted: trusted_ca === 1,
    item: id,
  }))
}

function issued(child: CertificateFields, issuer: CertificateFields): boolean {
  try {
    const { algorithm, size } = issuer.publicKey
    return (algorithm !== 'RSA' || size <= MAX_RSA_BITS) && verifyIssuedBy(child, issuer)
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}
