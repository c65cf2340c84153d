import { transaction } from '../../db/transaction.ts'
import { type CertificateFields, readCertificate } from '../../pki/certificateReader.ts'
import { readPemBundle } from '../../pki/import.ts'
import { nameText, sameName } from '../../pki/name.ts'
import { type AdminContext, actorOf, requireCapability } from '../adminActor.ts'
import { asMalformed } from '../asMalformed.ts'
import { Failure } from '../failure.ts'
import type { KeySpec } from '../key.ts'
import { parsePkcs10 } from '../request/csr.ts'
import { type Issuer, type LoadedAuthority, loadAuthority } from './authority.ts'
import { type Made, ordered } from './authorityAdmin.ts'
import { findAuthorityRow } from './authorityView.ts'
import { newestRollover, type Rollover } from './rollover.ts'
import { activate, cancel } from './rolloverActivate.ts'
import { isRoot, parentOf } from './rolloverCertificate.ts'
import { askParent } from './rolloverParent.ts'
import { beginManual, beginRollover, type Preparing, startOf, storeNextCertificate } from './rolloverPrepare.ts'
import { type RolloverView, viewRollover } from './rolloverView.ts'

/** The next key of an authority: prepared ahead, handed out to who asks for it, then in use. Changes need create_ca. */
export interface RolloverAdmin {
  /** The last rollover of an authority. Throws notFound where there was none. */
  rollover(authority: string): Promise<RolloverView>
  /**
   * Makes the next key and certificate: a root signs itself and both link certificates, another is signed by its parent here.
   * Where the parent is elsewhere, the answer has what is to be signed there. An authority that signs elsewhere brings its
   * next certificate, with those above it, as PEM. Throws conflict while one is open, malformed, unsupported.
   */
  prepareRollover(
    authority: string,
    draft: { key?: KeySpec; validity?: number; startsAt?: Date; pem?: string },
  ): Promise<RolloverView>
  /**
   * The next certificate, signed elsewhere, with those above it, as PEM. `startsAt`: another start; one that has passed
   * meanwhile is put off in the same way as when none is named. Throws malformed with what does not fit, conflict.
   */
  uploadRollover(authority: string, draft: { pem: string; startsAt?: Date }): Promise<RolloverView>
  /** The next certificate signs from now on. Throws conflict where it cannot. */
  activateRollover(authority: string): Promise<RolloverView>
  /** It never will. Throws conflict where it does already. */
  cancelRollover(authority: string): Promise<RolloverView>
}

export function rolloverAdmin(context: AdminContext): RolloverAdmin {
  return {
    rollover: async (name) => viewRollover(context.it, name, await lastOf(context, name)),
    prepareRollover: (name, draft) => prepare(context, name, draft),
    uploadRollover: (name, draft) => upload(context, name, draft),
    activateRollover: (name) => move(context, name, activate),
    cancelRollover: (name) => move(context, name, cancel),
  }
}

async function lastOf({ it, requester }: AdminContext, name: string): Promise<Rollover> {
  const { id } = await findAuthorityRow(it.db, await actorOf(it.db, requester), name)
  const rollover = await newestRollover(it.db, id)
  if (!rollover) throw new Failure('notFound', `no rollover of ${name} was prepared yet`)
  return rollover
}

/** Needs create_ca on the authority and, where that is here, on its parent. */
async function preparing(context: AdminContext, name: string): Promise<Preparing & { parent?: LoadedAuthority }> {
  const { it, requester } = context
  const actor = await actorOf(it.db, requester)
  const { id, organization_id: organizationId } = await findAuthorityRow(it.db, actor, name)
  await requireCapability(it.db, actor, 'create_ca', { organizationId, authorityId: id })
  const authority = await loadAuthority(it, id)
  const { issuer } = authority
  if (authority.kind === 'acme')
    throw new Failure(
      'unsupported',
      `the certificates above those of ${name} come from its upstream CA: nothing is rolled over here`,
    )
  if (!issuer) throw new Failure('unsupported', `${name} has no certificate yet: nothing can follow it`)
  if (authority.kind === 'manual' || isRoot(issuer)) return { it, requester, authority, issuer }
  const parent = await parentOf(it, issuer)
  if (parent) {
    const scope = { organizationId: parent.organizationId, authorityId: parent.id }
    await requireCapability(it.db, actor, 'create_ca', scope)
  }
  return { it, requester, authority, issuer, ...(parent ? { parent } : {}) }
}

async function prepare(
  context: AdminContext,
  name: string,
  { pem, ...draft }: Parameters<RolloverAdmin['prepareRollover']>[1],
): Promise<RolloverView> {
  const { it, requester } = context
  const { parent, ...begun } = await preparing(context, name)
  if (begun.authority.kind === 'manual') {
    if (pem === undefined || draft.key !== undefined || draft.validity !== undefined)
      throw new Failure(
        'malformed',
        `${name} signs elsewhere: make its next key there, and give the certificate as PEM`,
      )
    const made = await nextFrom(begun, pem)
    await beginManual(begun, made, draft.startsAt)
  } else {
    if (pem !== undefined)
      throw new Failure('malformed', `the key of ${name} is here: its next one is made here too, without a PEM`)
    await beginRollover(begun, draft, parent ? 'here' : 'elsewhere')
    const rollover = await lastOf(context, name)
    if (rollover.status === 'requested' && !rollover.csr) await askParent(it, requester, rollover)
  }
  return viewRollover(it, name, await lastOf(context, name))
}

async function upload(
  context: AdminContext,
  name: string,
  { pem, startsAt }: Parameters<RolloverAdmin['uploadRollover']>[1],
): Promise<RolloverView> {
  const { it } = context
  const begun = await preparing(context, name)
  const { id, status, csr, keyId, startsAt: planned } = await lastOf(context, name)
  if (status !== 'requested' || !csr || keyId === undefined)
    throw new Failure('conflict', `no rollover of ${name} waits for a certificate that is signed elsewhere`)
  const made = await nextFrom(begun, pem)
  if (readCertificate(made.certificate).publicKey.spkiHash !== parsePkcs10(csr).publicKey.spkiHash)
    throw new Failure('malformed', 'the first certificate does not have the key that was to be signed (rollover show)')
  const start = startsAt ?? (planned > it.clock() ? planned : undefined)
  const details = { rollover: id, keyId, made, startsAt: startOf(begun, start) }
  await transaction(it.db, (db) => storeNextCertificate(db, begun, details))
  return viewRollover(it, name, await lastOf(context, name))
}

async function move(context: AdminContext, name: string, by: typeof activate): Promise<RolloverView> {
  const { it, requester } = context
  const { id } = await lastOf(context, name)
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: authorityId, organization_id: organizationId } = await findAuthorityRow(db, actor, name)
    await requireCapability(db, actor, 'create_ca', { organizationId, authorityId })
    await by(db, id, { requester, at: it.clock() })
  })
  return viewRollover(it, name, await lastOf(context, name))
}

/** The first certificate of a file, with those above it: of the same name, and not the one that is there. Throws Failure('malformed'). */
async function nextFrom({ it, issuer }: Preparing, pem: string): Promise<Made> {
  const { certificates } = asMalformed(() => readPemBundle(pem))
  const [own] = certificates
  if (!own) throw new Failure('malformed', 'the PEM holds no certificate')
  const next = asMalformed(() => readCertificate(own))
  refuseOther(next, issuer)
  const made = await ordered(it, own, certificates)
  if (made.chain.length > 0 || next.issuerDer.equals(next.subjectDer)) return made
  // The same issuer as before need not be given again.
  return asMalformed(() => ordered(it, own, [own, ...issuer.chain])).catch(() => {
    throw new Failure('malformed', 'the certificates above the first one are missing in the file')
  })
}

function refuseOther(next: CertificateFields, { certificate: before }: Issuer): void {
  if (next.der.equals(before.der)) throw new Failure('malformed', 'this is the certificate that the authority has now')
  if (!sameName(next.subject, before.subject))
    throw new Failure(
      'malformed',
      `the next certificate is for ${nameText(next.subject)}, and the authority is ${nameText(before.subject)}`,
    )
}
