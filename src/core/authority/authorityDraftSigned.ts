import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { issueOwn } from '../issuance/builtin.ts'
import { loadKey } from '../key.ts'
import { parsePkcs10 } from '../request/csr.ts'
import { findByOrigin } from '../request/records.ts'
import type { Origin, SignRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import { loadAuthority, loadIssuer } from './authority.ts'
import type { Made } from './authorityAdmin.ts'
import type { AuthorityDraftsTable } from './authorityDraftTable.ts'
import { findAuthorityRow } from './authorityView.ts'

/**
 * The certificate of a draft by an authority here. There is one order for it at a time, whoever asks and under whatever authority: what another
 * call has in hand is a conflict, and what one that was cut off has had signed is taken. Throws Failure: also unsupported where it does not sign here.
 */
export async function signedBy(
  { it, requester }: AdminContext,
  { name, draft, parent: above }: { name: string; draft: AuthorityDraftsTable; parent: string },
): Promise<Made> {
  const actor = await actorOf(it.db, requester)
  const row = await findAuthorityRow(it.db, actor, above)
  await requireCapability(it.db, actor, 'create_ca', { organizationId: row.organization_id, authorityId: row.id })
  const parent = await loadAuthority(it, row.id)
  if (!parent.issuer || !parent.enabled) throw new Failure('unsupported', `${above} does not sign here`)
  const end = Math.min(it.clock().getTime() + draft.validity, parent.issuer.certificate.notAfter.getTime())
  const { origin } = await lastOrder(it.db, draft.authority_id, it.clock())
  const certificate = await issueOwn(it, {
    authority: parent,
    type: 'ca',
    key: await loadKey(it.db, it.vault, draft.key_id),
    commonName: name,
    subject: parsePkcs10(draft.csr).subject,
    notAfter: new Date(end),
    ...(draft.path_length === null ? {} : { pathLength: draft.path_length }),
    requester,
    only: { origin, claim: (db) => holdDraft(db, draft.authority_id, name) },
  })
  const signer = await loadIssuer(it, certificate.authorityCertificateId ?? parent.issuer.id)
  return { certificate: certificate.der, chain: [signer.certificate.der, ...signer.chain] }
}

/** Nobody gives it a certificate while the transaction runs. Throws Failure('conflict') where it has one. */
async function holdDraft(db: Database, authorityId: number, name: string): Promise<void> {
  const held = await withTables<CoreTables>(db)
    .updateTable('authority_drafts')
    .set((eb) => ({ validity: eb.ref('validity') }))
    .where('authority_id', '=', authorityId)
    .returning('authority_id')
    .executeTakeFirst()
  if (!held) throw new Failure('conflict', `${name} has its certificate already`)
}

/** In the transaction that takes a certificate for a draft: it is that of the order, if there is one. Throws Failure('conflict'). */
export async function refuseOther(db: Database, authorityId: number, certificate: Buffer, now: Date): Promise<void> {
  const { request, certificate: signed } = await lastOrder(db, authorityId, now)
  if (!request || signed?.der.equals(certificate)) return
  throw new Failure(
    'conflict',
    signed
      ? 'an authority here has signed it meanwhile: name that one, or have that certificate revoked'
      : 'an authority here is signing it at this moment: ask again',
  )
}

/** The order that stands for a draft, and under which origin one is made, or found, that is the only one. */
async function lastOrder(
  db: Database,
  authorityId: number,
  now: Date,
): Promise<{ origin: Origin; request?: SignRequest; certificate?: Certificate }> {
  for (let count = 0; ; count++) {
    const origin = { protocol: 'internal', ref: `authority ${authorityId} ${count}` }
    const known = await findByOrigin(db, origin)
    if (!known) return { origin }
    const { request } = known
    if (request.status === 'signing') return { origin, request }
    const certificate = request.status === 'signed' ? await findCertificate(db, { id: request.id }) : undefined
    // What failed, and what is good no more, makes room for the next one.
    if (certificate && certificate.status !== 'revoked' && certificate.notAfter > now)
      return { origin, request, certificate }
  }
}
