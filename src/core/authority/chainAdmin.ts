import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { orderChain } from '../../pki/chain.ts'
import { readPemBundle } from '../../pki/import.ts'
import { nameText, sameName } from '../../pki/name.ts'
import { pemDecode, pemEncode } from '../../pki/pem.ts'
import type { ChainView } from '../admin.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { checkCa } from './authorityAdmin.ts'
import { findAuthorityRow } from './authorityView.ts'

/** See Admin.chains. */
export async function listChains({ it, requester }: AdminContext, name: string): Promise<ChainView[]> {
  const { id } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const rows = await chainRows(it.db, id)
  return rows.map(({ id, chain, not_after }) => ({
    id,
    subjects: readAll(chain).map(({ subject }) => nameText(subject)),
    topIssuer: nameText(readAll(chain).at(-1)?.issuer ?? []),
    notAfter: new Date(not_after),
  }))
}

/** See Admin.addChain. Needs manage on the authority. */
export async function addChain(context: AdminContext, name: string, pem: string): Promise<ChainView[]> {
  const { it, requester } = context
  const at = it.clock()
  const chain = readChain(pem, at)
  await transaction(it.db, async (db) => {
    const { id: authorityId } = await managed(db, context, name)
    const active = await activeCertificate(db, authorityId)
    refuseOther(readCertificate(active.certificate), chain)
    const text = chain.map(({ der }) => pemEncode('CERTIFICATE', der)).join('')
    const known = await chainRows(db, authorityId)
    if (known.some((row) => row.chain === text) || text === pemEncode('CERTIFICATE', active.certificate) + active.chain)
      throw new Failure('conflict', `${name} has this chain already`)
    const row = await withTables<CoreTables>(db)
      .insertInto('authority_chains')
      .values({
        authority_certificate_id: active.id,
        chain: text,
        not_after: Math.min(...chain.map(({ notAfter }) => notAfter.getTime())),
        created_at: at.getTime(),
      })
      .returning('id')
      .executeTakeFirstOrThrow()
    await note(db, context, { name, action: 'authority.chain_added', chain: row.id })
  })
  return listChains({ it, requester }, name)
}

/** See Admin.removeChain. Needs manage on the authority. */
export async function removeChain(context: AdminContext, name: string, chain: number): Promise<ChainView[]> {
  const { it } = context
  await transaction(it.db, async (db) => {
    const { id: authorityId } = await managed(db, context, name)
    const known = await chainRows(db, authorityId)
    if (!known.some(({ id }) => id === chain)) throw new Failure('notFound', `${name} has no chain ${chain}`)
    await withTables<CoreTables>(db).deleteFrom('authority_chains').where('id', '=', chain).execute()
    await note(db, context, { name, action: 'authority.chain_removed', chain })
  })
  return listChains(context, name)
}

async function managed(db: Database, { requester }: AdminContext, name: string): Promise<{ id: number }> {
  const actor = await actorOf(db, requester)
  const { id, organization_id: organizationId } = await findAuthorityRow(db, actor, name)
  await requireCapability(db, actor, 'manage', { organizationId, authorityId: id })
  return { id }
}

async function note(
  db: Database,
  { it, requester }: AdminContext,
  { name, action, chain }: { name: string; action: string; chain: number },
): Promise<void> {
  const { id, organization_id: organizationId } = await findAuthorityRow(db, await actorOf(db, requester), name)
  // By its version other nodes know that what they keep of it is old.
  await withTables<CoreTables>(db)
    .updateTable('authorities')
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('id', '=', id)
    .execute()
  const subject = { kind: 'authority', id } as const
  await audit(db, requester, it.clock(), { action, organizationId, subject, details: { name, chain } })
}

function chainRows(db: Database, authorityId: number) {
  return withTables<CoreTables>(db)
    .selectFrom('authority_chains')
    .innerJoin('authority_certificates as c', 'c.id', 'authority_chains.authority_certificate_id')
    .selectAll('authority_chains')
    .where('c.authority_id', '=', authorityId)
    .orderBy('authority_chains.id')
    .execute()
}

/** Throws Failure('unsupported') for an authority without a certificate. */
async function activeCertificate(db: Database, authorityId: number) {
  const row = await withTables<CoreTables>(db)
    .selectFrom('authority_certificates')
    .select(['id', 'certificate', 'chain'])
    .where('authority_id', '=', authorityId)
    .where('active', '=', 1)
    .executeTakeFirst()
  if (!row) throw new Failure('unsupported', 'this authority has no certificate yet')
  return row
}

/** Each signed by the next, all of CAs, none at its end. Throws Failure('malformed'). */
function readChain(pem: string, now: Date): CertificateFields[] {
  const { certificates } = asMalformed(() => readPemBundle(pem))
  const [own] = certificates
  if (!own) throw new Failure('malformed', 'the PEM holds no certificate')
  const chain = asMalformed(() => orderChain(own, certificates).map(readCertificate))
  for (const certificate of chain) checkCa(certificate, now)
  return chain
}

function readAll(pem: string): CertificateFields[] {
  return pemDecode(pem).map(({ der }) => readCertificate(der))
}

/** What the authority issues names its subject and its key: a chain with others would prove nothing. Throws Failure('malformed'). */
function refuseOther(active: CertificateFields, [own]: readonly CertificateFields[]): void {
  if (!own || asMalformed(() => own.publicKey.spkiHash) !== active.publicKey.spkiHash)
    throw new Failure('malformed', 'the first certificate of the file does not have the key of the authority')
  if (!own.subjectDer.equals(active.subjectDer) && !sameName(own.subject, active.subject))
    throw new Failure('malformed', `the first certificate of the file is for ${nameText(own.subject)}`)
  if (own.ski && active.ski && !own.ski.equals(active.ski))
    throw new Failure('malformed', 'the first certificate of the file has another subject key identifier')
}
