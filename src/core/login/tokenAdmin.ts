import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type Actor, type AdminContext, actorOf, administers, isSuperuser } from '../adminActor.ts'
import { findAuthorityRow } from '../authority/authorityView.ts'
import { Failure } from '../failure.ts'
import { identitySettings } from '../identity/identitySettings.ts'
import { administering, type TokenScope, within } from '../identity/tokenScope.ts'
import { findProfileRow } from '../profile/profileAdmin.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { createToken, revokeToken } from './token.ts'
import { type ScopeDraft, type TokenRow, type TokenView, tokenRows, toTokenViews } from './tokenView.ts'

/**
 * See Admin.createToken. Only the user himself, by his password or by a token of his: a token speaks for him, also when
 * he votes. One that is made with a token lives no longer than that one, and may no more.
 */
export async function newToken(
  { it, requester }: AdminContext,
  draft: { user: string; name: string; expiresAt?: Date; scope?: ScopeDraft },
): Promise<{ text: string; view: TokenView }> {
  const at = it.clock()
  const made = await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { user } = actor
    if (!user || user.name !== draft.user.toLowerCase()) {
      throw new Failure('forbidden', 'a token is made by its user alone, with his password or with a token that he has')
    }
    if (draft.expiresAt && draft.expiresAt <= at) throw new Failure('malformed', 'a token ends in the future')
    const expiresAt = await endOf(db, { it, requester }, draft.expiresAt)
    const scope = draft.scope ? await resolveScope(db, actor, draft.scope) : user.scope
    if (!within(scope, user.scope))
      throw new Failure('forbidden', 'a token that is made with a token may no more than that one')
    return createToken(
      db,
      { actor: requester, at },
      {
        userId: user.id,
        name: draft.name,
        ...(expiresAt ? { expiresAt } : {}),
        ...(scope ? { scope } : {}),
        ...(requester.kind === 'token' ? { madeWith: requester.ref } : {}),
      },
    )
  })
  const rows = await tokenRows(it.db).where('tokens.id', '=', made.id).execute()
  const [view] = await toTokenViews(it.db, rows)
  if (!view) throw new Failure('internal', 'the token is gone')
  return { text: made.text, view }
}

/** The one asked for, no later than the end of the token that it is made with; by default as late as the setting allows. */
async function endOf(
  db: Database,
  { it, requester }: AdminContext,
  asked: Date | undefined,
): Promise<Date | undefined> {
  const { longestToken } = identitySettings(it)
  const latest = longestToken === undefined ? undefined : new Date(it.clock().getTime() + longestToken)
  if (latest && asked && asked > latest)
    throw new Failure(
      'malformed',
      `a token ends after at most ${Math.floor((longestToken ?? 0) / 86_400_000)} days here`,
    )
  return earlier(asked ?? latest, await ownEnd(db, requester))
}

/** Throws Failure('notFound') alike for what is not there and what the actor does not see. */
async function resolveScope(
  db: Database,
  actor: Actor,
  { authority, profile, ...scope }: ScopeDraft,
): Promise<TokenScope> {
  const row = authority === undefined ? undefined : await findAuthorityRow(db, actor, authority)
  const found = profile === undefined ? undefined : await findProfileRow(db, actor, profile)
  if (profile !== undefined && !found) throw new Failure('notFound', `there is no profile ${profile}`)
  return { ...scope, ...(row ? { authorityId: row.id } : {}), ...(found ? { profileId: found.id } : {}) }
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
  return toTokenViews(
    it.db,
    rows.filter((row) => mayTouch(actor, row)),
  )
}

/** See Admin.revokeToken: with all that were made with it. Its user, or an administrator over him. Throws Failure('notFound') also for what the actor does not see. */
export async function endToken({ it, requester }: AdminContext, uuid: string): Promise<void> {
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const row = await tokenRows(db).where('tokens.uuid', '=', uuid).executeTakeFirst()
    if (!row || !mayTouch(actor, row)) throw new Failure('notFound', 'there is no such token')
    await revokeToken(db, { actor: requester, at: it.clock() }, uuid)
  })
}

function mayTouch(actor: Actor, row: TokenRow): boolean {
  const { requester, user } = actor
  if (user && !administering(user.scope)) return requester.kind === 'token' && requester.ref === row.uuid
  if (isSuperuser(actor) || actor.user?.id === row.user_id) return true
  return row.superuser === 0 && administers(actor, row.organization_id)
}
