import type { Insertable, Kysely } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement } from '../../db/tables.ts'
import type { Csr } from '../../pki/csr.ts'
import type { LoadedAuthority } from '../authority/authority.ts'
import { Failure } from '../failure.ts'
import { keepOrdered } from '../inventory/inventoryOrdered.ts'
import { tallyAsked } from '../measure.ts'
import type { Admission } from '../profile/policy.ts'
import type { SignDraft, SignRequest, SignStatus, WantedCertificate } from '../request/request.ts'
import { type Requester, requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { inherit } from './inventoryInherit.ts'

/** An order on its way through the core: what is known before the record is made. */
export interface Order extends KeylessOrder {
  csr: Csr
}

/** One whose key is not made yet: it can only be refused. */
export interface KeylessOrder {
  draft: SignDraft
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
export function insertSignRequest(
  db: Database,
  order: Order | KeylessOrder,
  made: NewRecord,
): Promise<SignRequest | undefined> {
  const { draft, requester, admission, now } = order
  const csr = 'csr' in order ? { csr: order.csr } : {}
  return insertRequestRow(db, { draft, ...csr, requester, wanted: admission.wanted, now }, made)
}

/** What a row needs of an order; without a CSR while it is only foreseen. */
interface Ordered {
  draft: Pick<SignDraft, 'profile' | 'protocol' | 'action' | 'origin' | 'renews' | 'replaceInLocations' | 'kept'>
  csr?: Csr
  requester: Requester
  wanted: WantedCertificate
  now: Date
}

type RequestRow = Omit<Insertable<CoreTables['sign_requests']>, 'id' | 'answered'>

const insertRow = statement((tables: Kysely<CoreTables>, row: RequestRow) =>
  tables
    .insertInto('sign_requests')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .returning('id'),
)

/** As insertSignRequest. */
export async function insertRequestRow(
  db: Database,
  order: Ordered,
  made: NewRecord,
): Promise<SignRequest | undefined> {
  const { draft, csr, requester, wanted, now } = order
  const { profile } = draft
  const uuid = uuidv7(now)
  const ended = made.status === 'denied' ? now : undefined
  const { rows } = await insertRow(db, {
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
    csr: csr?.der ?? null,
    spki_hash: csr?.publicKey.spkiHash ?? null,
    wanted: JSON.stringify(wanted),
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
  const [row] = rows
  if (!row) return undefined
  const { protocol, action } = draft
  tallyAsked(db, 'sign_request', { protocol, profileId: profile.id, what: action }, made.status)
  const { renews, replaceInLocations = false } = draft
  if (renews !== undefined) await inherit(db, { id: row.id, renews, replaceInLocations, at: now })
  if (draft.kept) await keepOrdered(db, { id: row.id, profile, kept: draft.kept })
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
    ...(csr ? { csr: csr.der } : {}),
    wanted,
    findings: made.findings,
    ...(draft.renews === undefined ? {} : { renews: draft.renews }),
    attempt: made.attempt,
    ...(made.reason === undefined ? {} : { reason: made.reason }),
    createdAt: now,
    updatedAt: now,
    ...(ended ? { endedAt: ended } : {}),
  }
}

/** Thrown to undo a record when another transaction took what it was built on: the origin, a vote, an approval good for once. */
export class Raced extends Error {}

/** Runs it anew when another transaction was faster. Throws Failure('unavailable') when that is so again and again. */
export async function unlessRaced<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 0; tries < 5; tries++) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof Raced)) throw error
    }
  }
  throw new Failure('unavailable', 'the same order arrives many times at once; ask again')
}
