import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { audit } from '../audit/audit.ts'
import type { Claim, SignAnswer } from '../core.ts'
import type { Installation } from '../installation.ts'
import { staged } from '../measure.ts'
import { findByOrigin } from '../request/records.ts'
import type { SignDraft, SignRequest } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { askedOf, findAsked, keepAsked } from './asked.ts'
import { takeForeseen } from './foreseen.ts'
import { withOrderers } from './holder.ts'
import { judge } from './judge.ts'
import { insertSignRequest, type KeylessOrder, type Order, Raced } from './newRequest.ts'
import { type Deciding, type Made, pass, passing } from './pass.ts'
import { byPolicy, refuse } from './refusal.ts'

/** The one road: policy, rules, record, and where the rules say auto, the certificate. See Door.sign. */
export async function sign(
  it: Installation,
  requester: Requester,
  draft: SignDraft,
  claim?: Claim,
): Promise<SignAnswer> {
  const { order, verdict } = await staged(it, 'policy', draft.protocol, async () =>
    judge(it, await withOrderers(it.db, requester), draft),
  )
  if (!verdict) return refuse(it, order, claim)
  return passing(it, order, (db) => makeRecord(db, it, order, { verdict, claim }))
}

async function makeRecord(db: Database, it: Installation, order: Order, { verdict, claim }: Deciding): Promise<Made> {
  const { draft, now } = order
  const known = draft.origin && (await findByOrigin(db, draft.origin))
  if (known?.request.status === 'draft') return { request: known.request, repeat: true }
  if (known && !known.request.csr && !(await findAsked(db, known.request.id))) {
    const foreseen = await takeForeseen(db, it, order, { request: known.request, verdict, claim })
    if (foreseen) return foreseen
  } else if (known && (await stands(db, known.request, order))) return { request: known.request, repeat: true }
  return pass(db, it, { order, verdict, claim }, async ({ details, ...made }) => {
    const request = await insertSignRequest(db, order, { ...made, generation: known ? known.generation + 1 : 0 })
    if (!request) throw new Raced()
    if (made.status === 'requested') await keepAsked(db, request.id, askedOf(draft))
    await audit(db, order.requester, now, {
      action: `sign_request.${made.status}`,
      organizationId: request.organizationId,
      subject: { kind: 'sign_request', id: request.id },
      status: made.status,
      details,
    })
    return request
  })
}

/** Whether an earlier record of the origin still answers this order. */
export async function stands(db: Database, request: SignRequest, { draft, now }: KeylessOrder): Promise<boolean> {
  if (draft.once || !request.endedAt) return true
  if (request.endedAt.getTime() + draft.profile.settings.repeatWindow < now.getTime()) return false
  // Here policy refuses nothing: what it refused then was changed since.
  if (request.status === 'denied') return !(await refusedByPolicy(db, request))
  if (request.status !== 'signed') return true
  const certificate = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select('status')
    .where('id', '=', request.id)
    .executeTakeFirst()
  return certificate?.status !== 'revoked'
}

async function refusedByPolicy(db: Database, { id, revision }: SignRequest): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('decisions')
    .select('id')
    .where('sign_request_id', '=', id)
    .where('revision', '=', revision)
    .where('rule', '=', byPolicy.rule)
    .where('rule_version', '=', byPolicy.version)
    .executeTakeFirst()
  return row !== undefined
}
