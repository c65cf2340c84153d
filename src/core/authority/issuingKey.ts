import { withTables } from '../../db/tables.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import type { OcspHash } from '../../pki/ocsp.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'
import { type Issuer, loadIssuer } from './authority.ts'

/** A certificate of an authority of ours. */
export type OwnIssuer = Issuer & { authorityId: number }

/**
 * A key together with the name under which it signs: what a CertID names (RFC 6960 section 4.1.1). It may have several
 * certificates, when an authority was renewed with the same key or was imported twice.
 */
export interface IssuingKey {
  /** The newest first. */
  certificates: readonly [OwnIssuer, ...OwnIssuer[]]
  /** Link certificates that it signed in a rollover: for the key before or after it. */
  links: readonly CertificateFields[]
}

/** All keys under which authorities sign or signed. There are few. */
export async function readIssuingKeys(it: Installation, authorityId?: number): Promise<IssuingKey[]> {
  let query = withTables<CoreTables>(it.db).selectFrom('authority_certificates').select('id')
  if (authorityId !== undefined) query = query.where('authority_id', '=', authorityId)
  const linksBy = await readLinks(it)
  const keys = new Map<string, IssuingKey>()
  for (const { id } of await query.orderBy('id', 'desc').execute()) {
    const issuer = await loadIssuer(it, id)
    const { name, key } = issuer.hashes.sha256
    const hash = certIdKey('sha256', name, key)
    const known = keys.get(hash)
    const links = linksBy.get(id) ?? []
    keys.set(hash, {
      certificates: known ? [...known.certificates, issuer] : [issuer],
      links: known ? [...known.links, ...links] : links,
    })
  }
  return [...keys.values()]
}

/** By the id of the authority's certificate whose key signed them. */
async function readLinks(it: Installation): Promise<Map<number, CertificateFields[]>> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authority_rollovers')
    .select(['previous_id', 'next_id', 'new_with_old', 'old_with_new'])
    .where('new_with_old', 'is not', null)
    .execute()
  const links = new Map<number, CertificateFields[]>()
  const add = (by: number | null, der: Buffer | null) => {
    if (by !== null && der !== null) links.set(by, [...(links.get(by) ?? []), readCertificate(der)])
  }
  for (const row of rows) {
    add(row.previous_id, row.new_with_old)
    add(row.next_id, row.old_with_new)
  }
  return links
}

/** The issuing keys by what CertIDs of each hash algorithm hold of them. */
export function indexIssuingKeys(keys: readonly IssuingKey[]): Map<string, IssuingKey> {
  const index = new Map<string, IssuingKey>()
  for (const issuing of keys) {
    const { hashes } = issuing.certificates[0]
    for (const [hash, { name, key }] of Object.entries(hashes))
      index.set(certIdKey(hash as OcspHash, name, key), issuing)
  }
  return index
}

/** Name and key together: a key alone would let another name answer for it. */
export function certIdKey(hash: OcspHash, name: Buffer, key: Buffer): string {
  return `${hash}${name.toString('latin1')}${key.toString('latin1')}`
}

/** The certificate of the key that is good now and ends last; undefined when none is good now. */
export function validCertificate({ certificates }: IssuingKey, now: Date): OwnIssuer | undefined {
  let found: OwnIssuer | undefined
  for (const issuer of certificates) {
    const { notBefore, notAfter } = issuer.certificate
    if (notBefore > now || notAfter <= now) continue
    if (!found || notAfter > found.certificate.notAfter) found = issuer
  }
  return found
}
