import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { fingerprint } from '../../pki/certificateReader.ts'
import { nameText } from '../../pki/name.ts'
import type { PublicKeyInfo } from '../../pki/publicKey.ts'
import type { AuthorityView } from '../admin.ts'
import { type Actor, type AdminContext, actorOf, isSuperuser } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { issuerUrls, type LoadedAuthority, loadAuthority } from './authority.ts'
import { viewUpstream } from './upstreamAccount.ts'

/** The authorities of the requester's organization, of all of them for a superuser, by name. */
export async function listAuthorities(context: AdminContext): Promise<AuthorityView[]> {
  const { it, requester } = context
  const rows = await authorityRows(it.db, await actorOf(it.db, requester))
    .orderBy('authorities.name')
    .execute()
  return Promise.all(rows.map(async (row) => toView(context, row, await loadAuthority(it, row.id))))
}

/** One authority with its certificate and chain, as DER. Throws Failure('notFound') also for another organization's. */
export async function showAuthority(context: AdminContext, name: string): Promise<AuthorityView & { chain: Buffer[] }> {
  const { it, requester } = context
  const row = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const authority = await loadAuthority(it, row.id)
  const { issuer } = authority
  const upstream = authority.kind === 'acme' ? await viewUpstream(it.db, row.id) : undefined
  return {
    ...toView(context, row, authority),
    ...(upstream ? { upstream } : {}),
    chain: issuer ? [issuer.certificate.der, ...issuer.chain] : [],
  }
}

/** Throws Failure('notFound') also for an authority of another organization. */
export async function findAuthorityRow(db: Database, actor: Actor, name: string): Promise<AuthorityRow> {
  const row = await authorityRows(db, actor).where('authorities.name', '=', name).executeTakeFirst()
  if (!row) throw new Failure('notFound', `there is no authority ${name}`)
  return row
}

function authorityRows(db: Database, actor: Actor) {
  const query = withTables<CoreTables>(db)
    .selectFrom('authorities')
    .innerJoin('organizations', 'organizations.id', 'authorities.organization_id')
    .leftJoin('users', 'users.id', 'authorities.owner_id')
    .select([
      'authorities.id',
      'authorities.organization_id',
      'authorities.kind',
      'authorities.settings',
      'organizations.name as organization',
      'users.name as owner',
    ])
    // What stands for those of others (foreignAuthority.ts) is nobody's to see.
    .where('authorities.name', 'not like', '@%')
  if (isSuperuser(actor) || !actor.user) return query
  return query.where('authorities.organization_id', '=', actor.user.organizationId)
}

type AuthorityRow = Awaited<ReturnType<ReturnType<typeof authorityRows>['execute']>>[number]

function toView({ it }: AdminContext, row: AuthorityRow, authority: LoadedAuthority): AuthorityView {
  const { name, uuid, kind, enabled, issuer } = authority
  const common = {
    id: row.id,
    name,
    uuid,
    kind,
    enabled,
    organization: row.organization,
    owner: row.owner,
    settings: JSON.parse(row.settings),
  }
  const empty = {
    subject: null,
    serial: null,
    notAfter: null,
    fingerprint: null,
    keyAlgorithm: null,
    crlUrl: null,
    ocspUrl: null,
  }
  if (!issuer) return { ...common, ...empty }
  const { certificate } = issuer
  const urls = issuerUrls(it, authority, issuer.id, 0)
  return {
    ...common,
    subject: nameText(certificate.subject),
    serial: certificate.serial,
    notAfter: certificate.notAfter,
    fingerprint: fingerprint(certificate.der),
    keyAlgorithm: keyText(certificate.publicKey),
    // Of certificates from upstream their CA tells.
    crlUrl: kind === 'acme' ? null : (urls.crlUrls[0] ?? null),
    ocspUrl: kind === 'acme' ? null : (urls.ocspUrls[0] ?? null),
  }
}

/** As KeySpec writes it: P-256, RSA-2048, Ed25519. */
export function keyText({ algorithm, size, curve }: PublicKeyInfo): string {
  return algorithm === 'RSA' ? `RSA-${size}` : (curve ?? algorithm)
}
