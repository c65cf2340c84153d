import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { isUniqueViolation, transaction } from '../../src/db/transaction.ts'
import type { Host } from '../../src/protocol.ts'
import type { Call } from './operation.ts'
import type { FastpkiTables } from './tables.ts'

export const email = z.email().max(254)

type Keeping = Pick<Call, 'host' | 'door'>

/** Keeps the address of a user. Throws Failure('malformed') where it is another's. */
export async function keepEmail(call: Keeping, username: string, given: string): Promise<void> {
  const { db, clock } = call.host
  const row = { email: given.toLowerCase(), updated_at: clock().getTime() }
  await freeEmail(call, row.email)
  try {
    await transaction(db, (db) =>
      withTables<FastpkiTables>(db)
        .insertInto('fastpki_emails')
        .values({ username: username.toLowerCase(), ...row })
        .onConflict((conflict) => conflict.column('username').doUpdateSet(row))
        .execute(),
    )
  } catch (error) {
    if (isUniqueViolation(error)) throw new Failure('malformed', 'Email already registered', { cause: error })
    throw error
  }
}

/** Takes it from a user who was removed where this contract was not asked. */
async function freeEmail({ host, door }: Keeping, email: string): Promise<void> {
  const holder = await withTables<FastpkiTables>(host.db)
    .selectFrom('fastpki_emails')
    .select('username')
    .where('email', '=', email)
    .executeTakeFirst()
  if (holder && !holder.username.startsWith(HELD) && (await door.identities.wasRemoved(holder.username)))
    await forgetEmail(host, holder.username)
}

/** No name of a user begins so: an address that is held for one who is not made yet. */
const HELD = ' '
/** Milliseconds. Longer than a user takes to be made. */
const HOLDING = 3_600_000

/** Runs it while nobody else can take the address, which then belongs to who came of it. Throws Failure('malformed') where it is somebody's already. */
export async function withEmail<T extends { name: string }>(
  call: Keeping,
  given: string | undefined,
  make: () => Promise<T>,
): Promise<T> {
  if (given === undefined) return make()
  const held = `${HELD}${randomUUID()}`
  const { host } = call
  await keepEmail(call, held, given)
  try {
    const made = await make()
    await transaction(host.db, async (db) => {
      const tables = withTables<FastpkiTables>(db)
      await tables.deleteFrom('fastpki_emails').where('username', '=', made.name).execute()
      await tables.updateTable('fastpki_emails').set({ username: made.name }).where('username', '=', held).execute()
    })
    return made
  } catch (error) {
    await forgetEmail(host, held)
    throw error
  }
}

/** Of a user who is no more. */
export async function forgetEmail({ db }: Pick<Host, 'db'>, username: string): Promise<void> {
  await transaction(db, (db) =>
    withTables<FastpkiTables>(db).deleteFrom('fastpki_emails').where('username', '=', username).execute(),
  )
}

/** Those that are still held since the server ended before their user was made. */
export async function forgetHeld(db: Database, now: number): Promise<void> {
  await withTables<FastpkiTables>(db)
    .deleteFrom('fastpki_emails')
    .where('username', 'like', `${HELD}%`)
    .where('updated_at', '<=', now - HOLDING)
    .execute()
}
