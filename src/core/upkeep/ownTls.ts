import type { KeyObject } from 'node:crypto'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Identifier, parseIp } from '../../pki/identifier.ts'
import { pemEncode } from '../../pki/pem.ts'
import { loadAuthority, loadIssuer } from '../authority/authority.ts'
import { linkCertificates } from '../authority/rollover.ts'
import { type Certificate, selectCertificates, toCertificate } from '../certificate.ts'
import type { Installation } from '../installation.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { generateKey, loadKey, storeKey } from '../key.ts'
import { requesterKey, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

/** What the TLS listeners present: PEM of the key and of the chain, leaf first. */
export interface OwnTls {
  key: string
  cert: string
  /** From when on a new one should be asked for. */
  renewAt: Date
  notAfter: Date
  /** Id of the authority's certificate that signed it. */
  issuer: number | undefined
}

const requester = system('tls')

/**
 * The server's own certificate for these names, from its own authority: the one there is while two thirds of its life are not
 * over and the authority still signs with that key, else a new one.
 */
export async function ownTls(it: Installation, authorityName: string, hosts: string[]): Promise<OwnTls> {
  const identifiers: Identifier[] = hosts.map((value) => ({ type: parseIp(value) ? 'ip' : 'dns', value }))
  const known = await findOwn(it, identifiers)
  if (known && (await isGood(it, authorityName, known))) return known
  try {
    return await makeOwn(it, authorityName, hosts, identifiers)
  } catch (error) {
    if (!known || known.notAfter <= it.clock()) throw error
    it.log.warn({ err: error }, 'the certificate of the listeners is due and could not be renewed')
    return known
  }
}

/** Whether no other is needed: it is not due, and its authority was not rolled over since. */
export async function isGood(it: Installation, authorityName: string, { renewAt, issuer }: OwnTls): Promise<boolean> {
  if (it.clock() >= renewAt) return false
  const authority = await loadAuthority(it, authorityName)
  return issuer === authority.issuer?.id
}

async function makeOwn(
  it: Installation,
  authorityName: string,
  hosts: string[],
  identifiers: Identifier[],
): Promise<OwnTls> {
  const authority = await loadAuthority(it, authorityName)
  const { key, keyId } = await unusedKey(it, authority.organizationId)
  const certificate = await issueOwn(it, {
    authority,
    type: 'server',
    key,
    commonName: hosts[0] ?? 'countersign',
    identifiers,
    requester,
  })
  return present(it, certificate, keyId)
}

/** The key first, since a certificate whose key is lost could never be used; one that was left without a certificate serves again. */
async function unusedKey(it: Installation, organizationId: number): Promise<{ key: KeyObject; keyId: number }> {
  const left = await withTables<CoreTables>(it.db)
    .selectFrom('sealed_keys')
    .select('id')
    .where('purpose', '=', 'tls')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('certificates').select('id').whereRef('certificates.spki_hash', '=', 'sealed_keys.spki_hash'),
        ),
      ),
    )
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (left) return { key: await loadKey(it.db, it.vault, left.id), keyId: left.id }
  const key = generateKey('P-256')
  const stored = { key, purpose: 'tls', organizationId }
  const keyId = await transaction(it.db, (db) => storeKey(db, it.vault, stored, { actor: requester, at: it.clock() }))
  return { key, keyId }
}

async function findOwn(it: Installation, identifiers: Identifier[]): Promise<OwnTls | undefined> {
  const rows = await selectCertificates(it.db)
    .innerJoin('sealed_keys', 'sealed_keys.spki_hash', 'certificates.spki_hash')
    .select('sealed_keys.id as key_id')
    .where('sealed_keys.purpose', '=', 'tls')
    .where('certificates.requester_key', '=', requesterKey(requester))
    .where('certificates.identifiers', '=', JSON.stringify(identifiers))
    .where('certificates.status', '=', 'issued')
    .orderBy('certificates.id', 'desc')
    .limit(1)
    .execute()
  const [row] = rows
  if (!row) return undefined
  return present(it, toCertificate(row), row.key_id)
}

async function present(it: Installation, certificate: Certificate, keyId: number): Promise<OwnTls> {
  const key = await loadKey(it.db, it.vault, keyId)
  const issuer =
    certificate.authorityCertificateId === undefined
      ? undefined
      : await loadIssuer(it, certificate.authorityCertificateId)
  // The root stays away: who trusts it has it. Who trusts the one before it is led there.
  const root = issuer && (issuer.chain.at(-1) ?? issuer.certificate.der)
  const links = root && (await linkCertificates(it, root))
  const link = root && links?.newWithNew.equals(root) ? [links.newWithOld] : []
  const chain = issuer && issuer.chain.length > 0 ? [issuer.certificate.der, ...issuer.chain.slice(0, -1)] : []
  const span = certificate.notAfter.getTime() - certificate.notBefore.getTime()
  return {
    key: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
    cert: [certificate.der, ...chain, ...link].map((der) => pemEncode('CERTIFICATE', der)).join(''),
    renewAt: new Date(certificate.notAfter.getTime() - span / 3),
    notAfter: certificate.notAfter,
    issuer: certificate.authorityCertificateId,
  }
}

/** The root above an authority's active certificate, or itself, then the one before it while both are good; DER. */
export async function rootsOf(it: Installation, authorityName: string): Promise<Buffer[]> {
  const { issuer } = await loadAuthority(it, authorityName)
  if (!issuer) return []
  const root = issuer.chain.at(-1) ?? issuer.certificate.der
  const links = await linkCertificates(it, root)
  return links?.newWithNew.equals(root) ? [root, links.oldWithOld] : [root]
}

/** Name of the authority that serves the installation itself, switched off or not: the one made at first start, else the oldest that signs here. */
export async function ownAuthority(it: Installation): Promise<string | undefined> {
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('authorities')
    .select('name')
    .where('kind', '=', 'local')
    .orderBy('id')
    .execute()
  const names = rows.map(({ name }) => name)
  return names.find((name) => name === 'issuing') ?? names[0]
}
