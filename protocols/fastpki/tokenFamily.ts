import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type { OpenedSession } from '../../src/core/login/session.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import { openSealedSession, sealSession } from './sealedSession.ts'
import type { FastpkiTables } from './tables.ts'

const DAY = 86_400_000

/** All tokens of one log-in: they stand for a session of the core, and end with it. */
export interface TokenFamily {
  uuid: string
  /** Shown here and never again. */
  refreshToken: string
  requester: Requester
}

/** Begins a family with the session that a log-in has opened. */
export async function openFamily(host: Host, opened: OpenedSession): Promise<TokenFamily> {
  const { db, clock } = host
  const { requester, secret } = opened
  const [userId = 0] = requester.people
  const uuid = randomUUID()
  const refreshToken = newRefreshToken()
  const endsAt = clock().getTime() + DAY
  const session = sealSession(host, secret, uuid)
  await transaction(db, async (db) => {
    const { id } = await withTables<FastpkiTables>(db)
      .insertInto('fastpki_token_families')
      .values({ uuid, user_id: userId, session, ends_at: endsAt, ended_at: null })
      .returning('id')
      .executeTakeFirstOrThrow()
    await insertToken(db, id, { refreshToken, endsAt })
  })
  return { uuid, refreshToken, requester }
}

interface Row {
  id: number
  uuid: string
  user_id: number
  session: Buffer
}

/**
 * The next refresh token for one that was not used yet; undefined for any other. One that comes twice was taken by somebody: the whole
 * family ends, and its session.
 */
export async function rotate(host: Host, shown: string): Promise<TokenFamily | undefined> {
  const { db, clock } = host
  const now = clock().getTime()
  const refreshToken = newRefreshToken()
  const endsAt = now + DAY
  const { family, again } = await transaction(db, async (db): Promise<{ family?: Row; again?: boolean }> => {
    const used = await spend(db, shown, now)
    if (!used) return { again: true, ...(await endOf(db, shown, now)) }
    const family = await withTables<FastpkiTables>(db)
      .updateTable('fastpki_token_families')
      .set({ ends_at: endsAt })
      .where('id', '=', used.family_id)
      .where('ended_at', 'is', null)
      .returning(['id', 'uuid', 'user_id', 'session'])
      .executeTakeFirst()
    if (!family) return {}
    await insertToken(db, family.id, { refreshToken, endsAt })
    return { family }
  })
  if (!family) return undefined
  const secret = openSealedSession(host, family.session, family.uuid)
  if (again) {
    host.log.warn({ user: family.user_id }, 'a refresh token came twice: its family and its session have ended')
    await host.core.authentication.logout(secret)
    return undefined
  }
  const requester = await host.core.authentication.session(secret)
  return requester && { uuid: family.uuid, refreshToken, requester }
}

function spend(db: Database, shown: string, now: number): Promise<{ family_id: number } | undefined> {
  return withTables<FastpkiTables>(db)
    .updateTable('fastpki_refresh_tokens')
    .set({ used_at: now })
    .where('hash', '=', hashOf(shown))
    .where('used_at', 'is', null)
    .where('ends_at', '>', now)
    .returning('family_id')
    .executeTakeFirst()
}

/** Ends the family of a refresh token that was used already. */
async function endOf(db: Database, shown: string, now: number): Promise<{ family?: Row }> {
  const known = await withTables<FastpkiTables>(db)
    .selectFrom('fastpki_refresh_tokens')
    .select(['family_id', 'used_at'])
    .where('hash', '=', hashOf(shown))
    .executeTakeFirst()
  return known?.used_at == null ? {} : end(db, known.family_id, now)
}

async function end(db: Database, id: number, now: number): Promise<{ family?: Row }> {
  const family = await withTables<FastpkiTables>(db)
    .updateTable('fastpki_token_families')
    .set({ ended_at: now })
    .where('id', '=', id)
    .where('ended_at', 'is', null)
    .returning(['id', 'uuid', 'user_id', 'session'])
    .executeTakeFirst()
  return family ? { family } : {}
}

/** Whom a family speaks for; undefined for one that has ended, or whose session has. */
export async function requesterOf(host: Host, uuid: string): Promise<Requester | undefined> {
  const row = await withTables<FastpkiTables>(host.db)
    .selectFrom('fastpki_token_families')
    .select('session')
    .where('uuid', '=', uuid)
    .where('ended_at', 'is', null)
    .executeTakeFirst()
  return row && host.core.authentication.session(openSealedSession(host, row.session, uuid))
}

/** Ends the family of a refresh token, where it is this user's. */
export async function closeFamily(
  host: Host,
  shown: string,
  userId: number,
): Promise<'closed' | 'unknown' | 'another’s'> {
  const known = await withTables<FastpkiTables>(host.db)
    .selectFrom('fastpki_refresh_tokens')
    .innerJoin('fastpki_token_families', 'fastpki_token_families.id', 'family_id')
    .select(['family_id', 'user_id'])
    .where('hash', '=', hashOf(shown))
    .executeTakeFirst()
  if (!known) return 'unknown'
  if (known.user_id !== userId) return 'another’s'
  const { family } = await transaction(host.db, (db) => end(db, known.family_id, host.clock().getTime()))
  if (family) await host.core.authentication.logout(openSealedSession(host, family.session, family.uuid))
  return 'closed'
}

/** All families of a user end; his sessions are the core's to end. */
export async function closeFamilies({ db, clock }: Host, userId: number): Promise<void> {
  await transaction(db, (db) =>
    withTables<FastpkiTables>(db)
      .updateTable('fastpki_token_families')
      .set({ ended_at: clock().getTime() })
      .where('user_id', '=', userId)
      .where('ended_at', 'is', null)
      .execute(),
  )
}

async function insertToken(
  db: Database,
  familyId: number,
  { refreshToken, endsAt }: { refreshToken: string; endsAt: number },
): Promise<void> {
  await withTables<FastpkiTables>(db)
    .insertInto('fastpki_refresh_tokens')
    .values({ hash: hashOf(refreshToken), family_id: familyId, ends_at: endsAt, used_at: null })
    .execute()
}

function newRefreshToken(): string {
  return randomBytes(32).toString('base64url')
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
