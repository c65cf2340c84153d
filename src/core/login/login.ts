import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { Failure } from '../failure.ts'
import { asRequester, auditUser, type Change, findUser, isUserName, toUser, type User } from '../identity/identity.ts'
import { hashPassword, newSecret, passwordMatches, secretHash } from '../identity/password.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { endSessionsOf } from './session.ts'

const linkLifetime = 72 * 3_600_000

/**
 * Sets a user's password, in a transaction of its own (hashing takes too long for the inside of one).
 * Throws Failure('malformed' | 'notFound').
 */
export async function setPassword(db: Database, change: Change, userId: number, password: string): Promise<void> {
  const hash = await hashPassword(password)
  await transaction(db, (db) => storePassword(db, change, userId, hash))
}

async function storePassword(db: Database, change: Change, userId: number, hash: string): Promise<User> {
  const row = await withTables<CoreTables>(db)
    .updateTable('users')
    .set({ password_hash: hash })
    .where('id', '=', userId)
    .returningAll()
    .executeTakeFirst()
  if (!row) throw new Failure('notFound', 'there is no such user')
  await auditUser(db, change, { user: toUser(row), action: 'user.password_set' })
  await endSessionsOf(db, change, toUser(row), 'the password was set')
  return toUser(row)
}

/**
 * The user whose name and password these are, or undefined. An unknown name, a user without a password and one that is
 * disabled take as long as a wrong password.
 */
export async function verifyPassword(db: Database, name: string, password: string): Promise<Requester | undefined> {
  const row = isUserName(name)
    ? await withTables<CoreTables>(db)
        .selectFrom('users')
        .selectAll()
        .where('name', '=', name.toLowerCase())
        .executeTakeFirst()
    : undefined
  const matches = await passwordMatches(row?.password_hash, password)
  return row && matches && row.enabled === 1 ? asRequester(toUser(row)) : undefined
}

/** Makes a link's secret (base64url) with which this user may set a password, once, within 72 hours. Earlier links end. */
export async function createSetupLink(
  db: Database,
  change: Change,
  userId: number,
): Promise<{ secret: string; expiresAt: Date }> {
  const user = await findUser(db, userId)
  if (!user) throw new Failure('notFound', 'there is no such user')
  const secret = newSecret()
  const expiresAt = new Date(change.at.getTime() + linkLifetime)
  const tables = withTables<CoreTables>(db)
  await tables.deleteFrom('setup_links').where('user_id', '=', userId).where('used_at', 'is', null).execute()
  await tables
    .insertInto('setup_links')
    .values({ user_id: userId, hash: secretHash(secret), expires_at: expiresAt.getTime(), used_at: null })
    .execute()
  await auditUser(db, change, { user, action: 'user.setup_link_created' })
  return { secret, expiresAt }
}

/**
 * Sets the password of the user that the link is for. Throws Failure('unauthenticated') for a link that is unknown, used
 * or past its time, Failure('malformed') for a password that is too short, which leaves the link as it was.
 */
export async function useSetupLink(db: Database, secret: string, password: string, at: Date): Promise<User> {
  // Hashing is dear: only for whoever has a link. That it is still good, the update below says.
  await requireLink(db, secret, at)
  const hash = await hashPassword(password)
  return transaction(db, async (db) => {
    const link = await withTables<CoreTables>(db)
      .updateTable('setup_links')
      .set({ used_at: at.getTime() })
      .where('hash', '=', secretHash(secret))
      .where('used_at', 'is', null)
      .where('expires_at', '>', at.getTime())
      .returning('user_id')
      .executeTakeFirst()
    const user = link && (await findUser(db, link.user_id))
    if (!user?.enabled) throw notValid()
    return storePassword(db, { actor: asRequester(user), at }, user.id, hash)
  })
}

async function requireLink(db: Database, secret: string, at: Date): Promise<void> {
  const link = await withTables<CoreTables>(db)
    .selectFrom('setup_links')
    .select('id')
    .where('hash', '=', secretHash(secret))
    .where('used_at', 'is', null)
    .where('expires_at', '>', at.getTime())
    .executeTakeFirst()
  if (!link) throw notValid()
}

function notValid(): Failure {
  return new Failure('unauthenticated', 'this link is not valid any more; ask for a new one')
}
