import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { pemDecode } from '../../pki/pem.ts'
import { type Actor, requireCapability } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { type AuthoritySettings, authoritySettings } from './authority.ts'
import { handedOver } from './indirectCrl.ts'

interface HandOver {
  authorityId: number
  organizationId: number
  settings: AuthoritySettings
  actor: Actor
  now: Date
}

/**
 * Lets an authority hand its new certificates over to the indirect CRL of the one that `settings.crlIssuer` names, in the transaction that
 * stores the settings; without that setting nothing is done. Needs manage on that one too. Throws Failure: notFound, forbidden, malformed
 * with why it cannot be the one.
 */
export async function handOverCrl(db: Database, handOver: HandOver): Promise<void> {
  const { authorityId, organizationId, settings, actor, now } = handOver
  const { crlIssuer } = settings
  if (crlIssuer === undefined) return
  const all = await authoritiesOf(db, organizationId)
  const own = all.find(({ id }) => id === authorityId)
  const other = all.find(({ name }) => name === crlIssuer)
  if (!own || !other)
    throw new Failure('notFound', `crlIssuer: there is no authority ${crlIssuer} in this organization`)
  if (own.settings.crlIssuer !== crlIssuer)
    await requireCapability(db, actor, 'manage', { organizationId, authorityId: other.id })
  if (settings.crlShards > 1)
    refuse('beside crlShards: an indirect CRL is one. Leave crlShards out; the CRLs that there are go on')
  refuseChain(all, own, other)
  const [mine, theirs] = [await signing(db, own), await signing(db, other)]
  if (!mine) return refuse(`${own.name} signs elsewhere: what its certificates name is decided there`)
  if (!theirs) return refuse(`${other.name} signs elsewhere, and so do its CRLs`)
  if (!other.enabled) refuse(`${other.name} is switched off`)
  refuseUnfit(own.name, other.name, [mine, theirs])
  const shard = await handedOver(db, { issuerId: mine.id, crlIssuer, now })
  if (shard === undefined) refuse(`the certificate of ${other.name} was revoked`)
}

function refuse(detail: string): never {
  throw new Failure('malformed', `crlIssuer: ${detail}`)
}

interface Candidate {
  id: number
  name: string
  kind: string
  enabled: boolean
  settings: AuthoritySettings
}

/** Locked, so that of two authorities that hand over to each other at the same time one is refused. */
async function authoritiesOf(db: Database, organizationId: number): Promise<Candidate[]> {
  const rows = await forUpdate(
    db,
    withTables<CoreTables>(db)
      .selectFrom('authorities')
      .select(['id', 'name', 'kind', 'enabled', 'settings'])
      .where('organization_id', '=', organizationId)
      .orderBy('id'),
  ).execute()
  return rows.map((row) => ({
    ...row,
    enabled: row.enabled === 1,
    settings: authoritySettings.parse(JSON.parse(row.settings)),
  }))
}

/** Who signs for others signs for himself: a relying party finds one CRL issuer, not a row of them. */
function refuseChain(all: Candidate[], own: Candidate, other: Candidate): void {
  if (own.id === other.id) refuse('an authority does not hand over to itself; leave it out, and its own CRLs go on')
  const next = other.settings.crlIssuer
  if (next === own.name) refuse(`${other.name} hands over to ${own.name}: one of the two must keep its own`)
  if (next !== undefined) refuse(`${other.name} hands over to ${next} itself: hand over to that one`)
  const behind = all.find(({ settings }) => settings.crlIssuer === own.name)
  if (behind) refuse(`${behind.name} hands over to ${own.name}, which must therefore keep its own`)
}

interface Signing {
  id: number
  fields: CertificateFields
  chain: CertificateFields[]
}

/** The certificate under which it signs here. */
async function signing(db: Database, { id, kind }: Candidate): Promise<Signing | undefined> {
  if (kind !== 'local') return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_certificates')
    .select(['id', 'certificate', 'chain'])
    .where('authority_id', '=', id)
    .where('active', '=', 1)
    .where('key_id', 'is not', null)
    .executeTakeFirst()
  if (!row) return undefined
  const chain = pemDecode(row.chain).map(({ der }) => readCertificate(der))
  return { id: row.id, fields: readCertificate(row.certificate), chain }
}

/** Relying parties check the CRL issuer's own path (RFC 5280 section 6.3.3 step f), as long as there are certificates. */
function refuseUnfit(own: string, other: string, [mine, theirs]: [Signing, Signing]): void {
  const { keyUsage, notAfter } = theirs.fields
  if (keyUsage && !keyUsage.includes('cRLSign'))
    refuse(`the certificate of ${other} does not let it sign CRLs (keyUsage)`)
  if (notAfter < mine.fields.notAfter)
    refuse(`the certificate of ${other} ends on ${notAfter.toISOString()}, before that of ${own}`)
  const [anchor, theirAnchor] = [anchorOf(mine), anchorOf(theirs)]
  if (anchor && theirAnchor && anchor.publicKey.spkiHash !== theirAnchor.publicKey.spkiHash)
    refuse(`${other} is below another root than ${own}, and relying parties want the same (RFC 5280 section 6.3.3)`)
}

/** The root above it, if it is known. */
function anchorOf({ fields, chain }: Signing): CertificateFields | undefined {
  const top = chain.at(-1) ?? fields
  return top.issuerDer.equals(top.subjectDer) ? top : undefined
}
