import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { TokenView } from './admin.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from './adminActor.ts'
import { Failure } from './failure.ts'
import type { Requester } from './requester.ts'
import type { CoreTables } from './tables.ts'
import { createToken, revokeToken } from './token.ts'

/**
 * See Admin.createToken. Only the user himself, by his password or by a token of his: a token speaks for him, also when
 * he votes. One that is made with a token lives no longer than that one.
 */
export async function newToken(
  { it, requester }: AdminContext,
  draft: { user: string; name: string; expiresAt?: Date },
): Promise<{ text: string; view: TokenView }> {
  const at = it.clock()
  const made = await transaction(it.db, async (db) => {
    const { user } = await actorOf(db, requester)
    if (!user || user.name !== draft.user.toLowerCase()) {
      throw new Failure('forbidden', 'a token is made by its user alone, with his password or with a token that he has')
    }
    if (draft.expiresAt && draft.expiresAt <= at) throw new Failure('malformed', 'a token ends in the future')
    const expiresAt = earlier(draft.expiresAt, await ownEnd(db, requester))
    return createToken(
      db,
      { actor: requester, at },
      { userId: user.id, name: draft.name, ...(expiresAt ? { expiresAt } : {}) },
    )
  })
  const [row] = await tokenRows(it.db).where('tokens.id', '=', made.id).execute()
  if (!row) throw new Failure('internal', 'the token is gone')
  return { text: made.text, view: toView(row) }
}

async function ownEnd(db: Database, { kind, ref }: Requester): Promise<Date | undefined> {
  if (kind !== 'token') return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('tokens')
    .select('expires_at')
    .where('uuid', '=', ref)
    .executeTakeFirst()
  return row?.expires_at == null ? undefined : new Date(row.expires_at)
}

function earlier(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (!one || !other) return one ?? other
  return one < other ? one : other
}

/** See Admin.tokens. Newest first; never the text. */
export async function viewTokens({ it, requester }: AdminContext, user?: string): Promise<TokenView[]> {
  const actor = await actorOf(it.db, requester)
  let query = tokenRows(it.db)
  if (user !== undefined) query = query.where('users.name', '=', user.toLowerCase())
  const rows = await query.execute()
  return rows.filter((row) => mayTouch(actor, row)).map(toView)
}

/** See Admin.revokeToken. Its user, or an administrator over him. Throws Failure('notFound') also for what the actor does not see. */
export async function endToken({ it, requester }: AdminContext, uuid: string): Promise<void> {
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await tokenRows(db).where('tokens.uuid', '=', uuid).executeTakeFirst()
    if (!row || !mayTouch(actor, row)) throw new Failure('notFound', 'there is no such token')
    await revokeToken(db, { actor: requester, at: it.clock() }, uuid)
  })
}

function tokenRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .select(['tokens.uuid', 'tokens.name', 'tokens.created_at', 'tokens.expires_at', 'tokens.revoked_at'])
    .select(['tokens.user_id', 'users.name as user', 'users.organization_id', 'users.superuser'])
    .orderBy('tokens.id', 'desc')
}

type TokenRow = Awaited<ReturnType<ReturnType<typeof tokenRows>['execute']>>[number]

function mayTouch(actor: Actor, row: TokenRow): boolean {
  if (isSuperuser(actor) || actor.user?.id === row.user_id) return true
  return row.superuser === 0 && administers(actor, row.organization_id)
}

function toView(row: TokenRow): TokenView {
  return {
    uuid: row.uuid,
    user: row.user,
    name: row.name,
    createdAt: new Date(row.created_at),
    expiresAt: row.expires_at === null ? null : new Date(row.expires_at),
    revokedAt: row.revoked_at === null ? null : new Date(row.revoked_at),
  }
}
