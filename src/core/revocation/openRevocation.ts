import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import { readRevokeRequest } from '../request/records.ts'
import type { RevokeRequest } from '../request/request.ts'
import { moveRevokeRequest } from '../request/transition.ts'
import { requesterKey } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { lifting } from './hold.ts'
import type { Revocation } from './revoke.ts'

/**
 * What an open request means for a new one: it answers it, or, where the new one needs no people or reports a compromised
 * key, it makes way (undefined), as one to lift a hold does. A person who asks for something else learns of it: Failure('conflict').
 */
export async function resolveOpen(
  db: Database,
  open: RevokeRequest,
  revocation: Revocation,
): Promise<RevokeRequest | undefined> {
  const { draft, requester, verdict } = revocation
  if (open.code === lifting) return undefined
  const graver = draft.reason === 'keyCompromise' && open.code !== 'keyCompromise'
  if ((verdict.outcome.kind === 'auto' || graver) && (await cancelFor(db, open.id, revocation))) return undefined
  const asked = open.code === draft.reason && (open.destroyKey ?? false) === (draft.destroyKey ?? false)
  const same = asked && requesterKey(open.requester) === requesterKey(requester)
  if (same || draft.grounds !== 'user') return open
  const by = `${open.requester.name} asked for it (r${open.id}, ${open.code ?? 'no reason'})`
  throw new Failure('conflict', `a revocation of this certificate is open: ${by}; it must be decided or canceled first`)
}

async function cancelFor(db: Database, id: number, { requester, now }: Revocation): Promise<boolean> {
  const waiting = await readRevokeRequest(db, id)
  if (waiting.status !== 'requested') return false
  const set = { reason: 'overtaken by another request to revoke, which was graver or needed no approval' }
  await moveRevokeRequest(db, { id, from: 'requested', to: 'canceled', actor: requester, at: now, set })
  return true
}

/** A program that asks again reads why it was denied, for the profile's repeatWindow, in place of asking people anew. */
export async function recentDenial(db: Database, revocation: Revocation): Promise<RevokeRequest | undefined> {
  const { certificate, requester, verdict, profile, draft, now } = revocation
  if (verdict.outcome.kind !== 'require' || draft.grounds === 'user') return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .select('id')
    .where('certificate_id', '=', certificate.id)
    .where('requester_key', '=', requesterKey(requester))
    .where('status', '=', 'denied')
    .where('code', draft.reason === undefined ? 'is' : '=', draft.reason ?? null)
    .where('ended_at', '>', now.getTime() - profile.settings.repeatWindow)
    .orderBy('id', 'desc')
    .executeTakeFirst()
  return row && readRevokeRequest(db, row.id)
}
