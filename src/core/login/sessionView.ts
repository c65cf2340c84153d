import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import { auditUser, findUser } from '../identity/identity.ts'
import { administering } from '../identity/tokenScope.ts'
import { administeredUser } from '../identity/userView.ts'
import type { CoreTables } from '../tables.ts'
import { endSessionsOf } from './session.ts'

/** An open session, for whoever may end it. */
export interface SessionView {
  uuid: string
  user: string
  method: string
  source: string | null
  userAgent: string | null
  createdAt: Date
  lastSeenAt: Date
  /** When it ends in any case, and without another request. */
  endsAt: Date
  idleEndsAt: Date
}

/** See Identities.sessions. */
export async function viewSessions({ it, requester }: AdminContext, user?: string): Promise<SessionView[]> {
  const actor = await actorOf(it.db, requester)
  const now = it.clock().getTime()
  let query = sessionRows(it.db).where('ends_at', '>', now).orderBy('sessions.id', 'desc')
  if (user !== undefined) query = query.where('users.name', '=', user.toLowerCase())
  if (!isSuperuser(actor) && actor.user) {
    query = actor.user.admin
      ? query.where('users.organization_id', '=', actor.user.organizationId)
      : query.where('users.id', '=', actor.user.id)
  }
  const rows = await query.execute()
  return rows.filter((row) => mayEnd(actor, row) && row.seen_at + row.idle > now).map(toView)
}

/** See Identities.endSession. */
export async function endSession({ it, requester }: AdminContext, uuid: string): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await sessionRows(db).where('sessions.uuid', '=', uuid).executeTakeFirst()
    const user = row && (await findUser(db, row.user_id))
    if (!row || !user || !mayEnd(actor, row)) throw new Failure('notFound', 'there is no such session')
    await withTables<CoreTables>(db).deleteFrom('sessions').where('uuid', '=', uuid).execute()
    const details = { why: 'ended', session: uuid }
    await auditUser(db, { actor: requester, at }, { user, action: 'session.ended', details })
  })
}

/** See Identities.endSessions. */
export async function endSessions({ it, requester }: AdminContext, name: string): Promise<number> {
  const at = it.clock()
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const own = actor.user?.name === name.toLowerCase() && administering(actor.user.scope)
    const user = own && actor.user ? actor.user : await administeredUser(db, actor, name)
    return endSessionsOf(db, { actor: requester, at }, user, 'ended')
  })
}

function sessionRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .selectAll('sessions')
    .select(['users.name as user', 'users.organization_id', 'users.superuser'])
}

type SessionRow = Awaited<ReturnType<ReturnType<typeof sessionRows>['execute']>>[number]

function mayEnd(actor: Actor, row: SessionRow): boolean {
  if (isSuperuser(actor)) return true
  if (actor.user?.id === row.user_id) return administering(actor.user.scope)
  return row.superuser === 0 && administers(actor, row.organization_id)
}

function toView(row: SessionRow): SessionView {
  return {
    uuid: row.uuid,
    user: row.user,
    method: row.method,
    source: row.source,
    userAgent: row.user_agent,
    createdAt: new Date(row.created_at),
    lastSeenAt: new Date(row.seen_at),
    endsAt: new Date(row.ends_at),
    idleEndsAt: new Date(Math.min(row.seen_at + row.idle, row.ends_at)),
  }
}
