import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import type { Csr } from '../pki/csr.ts'
import type { LoadedAuthority } from './authority.ts'
import type { Admission } from './policy.ts'
import type { SignDraft, SignRequest, SignStatus } from './request.ts'
import { type Requester, requesterKey } from './requester.ts'
import type { CoreTables } from './tables.ts'
import { uuidv7 } from './uuid.ts'

/** An order on its way through the core: what is known before the record is made. */
export interface Order {
  draft: SignDraft
  csr: Csr
  requester: Requester
  authority: LoadedAuthority
  admission: Admission
  now: Date
}

interface NewRecord {
  status: SignStatus
  findings: SignRequest['findings']
  generation: number
  attempt: number
  reason?: string
}

/** The row of a new request; undefined when another transaction has just made one for the same origin. */
export async function insertSignRequest(db: Database, order: Order, made: NewRecord): Promise<SignRequest | undefined> {
  const { draft, csr, requester, admission, now } = order
  const { profile } = draft
  const uuid = uuidv7(now)
  const ended = made.status === 'denied' ? now : undefined
  const row = await withTables<CoreTables>(db)
    .insertInto('sign_requests')
    .values({
      uuid,
      organization_id: profile.organizationId,
      profile_id: profile.id,
      authority_id: profile.authorityId,
      status: made.status,
      revision: 1,
      action: draft.action,
      protocol: draft.protocol,
      origin_ref: draft.origin?.ref ?? null,
      origin_generation: made.generation,
      requester: JSON.stringify(requester),
      requester_key: requesterKey(requester),
      source_address: requester.source ?? null,
      csr: csr.der,
      spki_hash: csr.publicKey.spkiHash,
      wanted: JSON.stringify(admission.wanted),
      findings: JSON.stringify(made.findings),
      renews_id: draft.renews ?? null,
      attempt: made.attempt,
      last_error: null,
      reason: made.reason ?? null,
      created_at: now.getTime(),
      updated_at: now.getTime(),
      expires_at: null,
      ended_at: ended?.getTime() ?? null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst()
  if (!row) return undefined
  return {
    id: row.id,
    uuid,
    organizationId: profile.organizationId,
    profileId: profile.id,
    authorityId: profile.authorityId,
    status: made.status,
    revision: 1,
    action: draft.action,
    protocol: draft.protocol,
    ...(draft.origin ? { origin: draft.origin } : {}),
    requester,
    csr: csr.der,
    wanted: admission.wanted,
    findings: made.findings,
    ...(draft.renews === undefined ? {} : { renews: draft.renews }),
    attempt: made.attempt,
    ...(made.reason === undefined ? {} : { reason: made.reason }),
    createdAt: now,
    updatedAt: now,
    ...(ended ? { endedAt: ended } : {}),
  }
}
