import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import { type Change, checkedName, findUser } from '../identity/identity.ts'
import { newSecret, secretHash } from '../identity/password.ts'
import { checkedScope, readScope, type TokenScope } from '../identity/tokenScope.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'

export interface Token {
  id: number
  uuid: string
  userId: number
  name: string
  createdAt: Date
  expiresAt?: Date
  revokedAt?: Date
}

const prefix = 'cs_'
const minute = 60_000

/**
 * Makes an API token of a user. Its text (`cs_` and 43 characters of base64url) is shown here and never again.
 * `madeWith`: uuid of the token by which it is asked for; once that is revoked nothing is made with it (Failure('forbidden')).
 */
export async function createToken(
  db: Database,
  { actor, at }: Change,
  token: { userId: number; name: string; expiresAt?: Date; scope?: TokenScope; madeWith?: string },
): Promise<{ id: number; uuid: string; text: string }> {
  const user = await findUser(db, token.userId)
  if (!user) throw new Failure('notFound', 'there is no such user')
  const scope = token.scope && checkedScope(token.scope)
  const madeWith = token.madeWith === undefined ? null : await heldToken(db, token.madeWith)
  const text = `${prefix}${newSecret()}`
  const row = await withTables<CoreTables>(db)
    .insertInto('tokens')
    .values({
      uuid: uuidv7(at),
      user_id: user.id,
      name: checkedName(token.name),
      hash: secretHash(text),
      created_at: at.getTime(),
      expires_at: token.expiresAt?.getTime() ?? null,
      revoked_at: null,
      scope: scope ? JSON.stringify(scope) : null,
      made_with: madeWith,
    })
    .returning(['id', 'uuid'])
    .executeTakeFirstOrThrow()
  await audit(db, actor, at, {
    action: 'token.created',
    organizationId: user.organizationId,
    subject: { kind: 'token', id: row.id },
    details: { user: user.name, name: token.name, ...(scope ? { scope } : {}) },
  })
  return { ...row, text }
}

/** Its row is locked: whoever revokes it waits, and then finds what was made with it. */
async function heldToken(db: Database, uuid: string): Promise<number> {
  const query = withTables<CoreTables>(db).selectFrom('tokens').select(['id', 'revoked_at']).where('uuid', '=', uuid)
  const row = await forUpdate(db, query).executeTakeFirst()
  if (!row || row.revoked_at !== null) throw new Failure('forbidden', 'this token is revoked')
  return row.id
}

/** Whether a text looks like a token of ours, good or not. */
export function looksLikeToken(text: string): boolean {
  return text.startsWith(prefix) && text.length === prefix.length + 43
}

/** Whom a token's text speaks for; undefined when it is unknown, revoked, past its time, or its user is disabled. */
export async function findToken(db: Database, text: string, at: Date): Promise<Requester | undefined> {
  if (!looksLikeToken(text)) return undefined
  const row = await withTables<CoreTables>(db)
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .select([
      'tokens.id as token',
      'tokens.uuid',
      'tokens.expires_at',
      'tokens.scope',
      'tokens.used_at',
      'users.id',
      'users.name',
    ])
    .where('tokens.hash', '=', secretHash(text))
    .where('tokens.revoked_at', 'is', null)
    .where('users.enabled', '=', 1)
    .executeTakeFirst()
  if (!row || (row.expires_at !== null && row.expires_at <= at.getTime())) return undefined
  const now = at.getTime()
  if (row.used_at === null || now - row.used_at >= minute) await markUsed(db, row.token, now)
  const scope = readScope(row.scope)
  return { kind: 'token', ref: row.uuid, name: row.name, people: [row.id], ...(scope ? { scope } : {}) }
}

/** At most once a minute, so that using a token is no write. */
async function markUsed(db: Database, id: number, now: number): Promise<void> {
  await transaction(db, (db) =>
    withTables<CoreTables>(db).updateTable('tokens').set({ used_at: now }).where('id', '=', id).execute(),
  )
}

/** Those that were made with it go with it, and so on. Throws Failure('notFound') for a token that is not there or revoked already. */
export async function revokeToken(db: Database, change: Change, uuid: string): Promise<void> {
  const row = await markRevoked(db, change).where('uuid', '=', uuid).executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such token')
  await told(db, change, row)
  await revokeMadeWith(db, change, [row.id])
}

/** Every token of a user. */
export async function revokeTokensOf(db: Database, change: Change, userId: number): Promise<void> {
  for (const row of await markRevoked(db, change).where('user_id', '=', userId).execute()) await told(db, change, row)
}

async function revokeMadeWith(db: Database, change: Change, ids: readonly number[]): Promise<void> {
  const rows = await markRevoked(db, change).where('made_with', 'in', ids).execute()
  if (rows.length === 0) return
  for (const row of rows) await told(db, change, row)
  await revokeMadeWith(
    db,
    change,
    rows.map(({ id }) => id),
  )
}

function markRevoked(db: Database, { at }: Change) {
  return withTables<CoreTables>(db)
    .updateTable('tokens')
    .set({ revoked_at: at.getTime() })
    .where('revoked_at', 'is', null)
    .returning(['id', 'user_id', 'name', 'made_with'])
}

type Revoked = Awaited<ReturnType<ReturnType<typeof markRevoked>['execute']>>[number]

async function told(db: Database, { actor, at }: Change, { id, user_id, name, made_with }: Revoked): Promise<void> {
  const user = await findUser(db, user_id)
  if (!user) throw new Failure('internal', 'a token has no user')
  await audit(db, actor, at, {
    action: 'token.revoked',
    organizationId: user.organizationId,
    subject: { kind: 'token', id },
    details: { user: user.name, name, ...(made_with === null ? {} : { madeWith: made_with }) },
  })
}

/** The tokens of a user, the newest first. */
export async function listTokens(db: Database, userId: number): Promise<Token[]> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('tokens')
    .select(['id', 'uuid', 'user_id', 'name', 'created_at', 'expires_at', 'revoked_at'])
    .where('user_id', '=', userId)
    .orderBy('id', 'desc')
    .execute()
  return rows.map((row) => ({
    id: row.id,
    uuid: row.uuid,
    userId: row.user_id,
    name: row.name,
    createdAt: new Date(row.created_at),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: new Date(row.revoked_at) }),
  }))
}
