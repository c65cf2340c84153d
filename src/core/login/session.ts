import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { asRequester, auditUser, findUser, type User } from '../identity/identity.ts'
import { identitySettings } from '../identity/identitySettings.ts'
import { newSecret, secretHash } from '../identity/password.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'

const minute = 60_000
const mostOfOneUser = 50
const longestAgent = 200

export type SessionMethod = 'password' | 'oidc'

/** Where somebody logs in from: `source` an address, `userAgent` what his program says that it is. */
export interface LoginPlace {
  source?: string
  userAgent?: string
}

/** A session that was opened just now. */
export interface OpenedSession {
  /** 43 characters of base64url: for a cookie, shown here and never again. */
  secret: string
  uuid: string
  /** When it ends in any case. */
  endsAt: Date
  requester: Requester
}

/** Opens a session of an enabled user, in a transaction of its own. Of more than fifty the ones that rested longest end. */
export async function openSession(
  it: Installation,
  user: User,
  { method, place }: { method: SessionMethod; place: LoginPlace },
): Promise<OpenedSession> {
  const { sessionIdle, sessionLength } = identitySettings(it)
  const at = it.clock()
  const secret = newSecret()
  const endsAt = new Date(at.getTime() + sessionLength)
  const { source, userAgent } = place
  const requester = { ...asRequester(user), ...(source === undefined ? {} : { source }) }
  const uuid = uuidv7(at)
  await transaction(it.db, async (db) => {
    const agent = userAgent?.replace(/\p{C}/gu, ' ').slice(0, longestAgent)
    const values = { uuid, hash: secretHash(secret), user_id: user.id, method, ends_at: endsAt.getTime() }
    const times = { created_at: at.getTime(), seen_at: at.getTime(), idle: sessionIdle }
    await withTables<CoreTables>(db)
      .insertInto('sessions')
      .values({ ...values, ...times, source: source ?? null, user_agent: agent ?? null })
      .execute()
    await dropOldest(db, user.id)
    const details = { method, ...(agent === undefined ? {} : { userAgent: agent }) }
    await auditUser(db, { actor: requester, at }, { user, action: 'session.opened', details })
  })
  return { secret, uuid, endsAt, requester }
}

async function dropOldest(db: Database, userId: number): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const rows = await tables
    .selectFrom('sessions')
    .select('id')
    .where('user_id', '=', userId)
    .orderBy('seen_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
  const over = rows.slice(mostOfOneUser).map(({ id }) => id)
  if (over.length > 0) await tables.deleteFrom('sessions').where('id', 'in', over).execute()
}

const byHash = statement((tables: Kysely<CoreTables>, hash: string) =>
  tables
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['sessions.id', 'seen_at', 'idle', 'ends_at', 'users.id as user_id', 'users.uuid', 'users.name'])
    .where('sessions.hash', '=', hash)
    .where('users.enabled', '=', sql.lit(1)),
)

/**
 * Whom a session's secret speaks for; undefined when there is none, it has ended, or its user is disabled. `unasked`: nobody has done anything,
 * so that the session rests all the same.
 */
export async function findSession(
  { db, clock }: Installation,
  secret: string,
  { unasked = false }: { unasked?: boolean | undefined } = {},
): Promise<Requester | undefined> {
  if (!/^[A-Za-z0-9_-]{43}$/.test(secret)) return undefined
  const [row] = (await byHash(db, secretHash(secret))).rows
  const now = clock().getTime()
  if (!row || row.ends_at <= now || row.seen_at + row.idle <= now) return undefined
  if (!unasked && now - row.seen_at >= minute)
    await transaction(db, (db) =>
      withTables<CoreTables>(db).updateTable('sessions').set({ seen_at: now }).where('id', '=', row.id).execute(),
    )
  return { kind: 'user', ref: row.uuid, name: row.name, people: [row.user_id] }
}

/** Ends the session that a secret is of, if there is one still. */
export async function logOut({ db, clock }: Installation, secret: string): Promise<void> {
  await transaction(db, async (db) => {
    const row = await withTables<CoreTables>(db)
      .deleteFrom('sessions')
      .where('hash', '=', secretHash(secret))
      .returning('user_id')
      .executeTakeFirst()
    const user = row && (await findUser(db, row.user_id))
    if (!user) return
    const change = { actor: asRequester(user), at: clock() }
    await auditUser(db, change, { user, action: 'session.ended', details: { why: 'logged out' } })
  })
}

/** Ends all sessions of a user, in the caller's transaction, with one audit row. Answers how many. */
export async function endSessionsOf(
  db: Database,
  change: { actor: Requester; at: Date },
  user: User,
  why: string,
): Promise<number> {
  const gone = await withTables<CoreTables>(db)
    .deleteFrom('sessions')
    .where('user_id', '=', user.id)
    .returning('id')
    .execute()
  if (gone.length > 0)
    await auditUser(db, change, { user, action: 'session.ended', details: { why, sessions: gone.length } })
  return gone.length
}

/** Removes what has ended: a chore of every node. */
export async function pruneSessions(db: Database, at: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .deleteFrom('sessions')
    .where(({ or, eb }) =>
      or([eb('ends_at', '<=', at.getTime()), sql<boolean>`seen_at + idle <= ${sql`cast(${at.getTime()} as bigint)`}`]),
    )
    .execute()
}
