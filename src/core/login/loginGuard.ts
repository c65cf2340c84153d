import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { BETWEEN, tally } from '../../db/tally.ts'
import { transaction } from '../../db/transaction.ts'
import { networkOf } from '../../pki/ip.ts'
import { raiseAlert } from '../audit/alert.ts'
import { Failure } from '../failure.ts'
import { findUser, isUserName } from '../identity/identity.ts'
import { inTurn } from '../identity/inTurn.ts'
import type { Installation } from '../installation.ts'
import type { CoreTables } from '../tables.ts'

const second = 1_000
/** After so long without a failure the next one is the first. */
const forgottenAfter = 3_600_000

/**
 * What is counted. From `free` failures on each makes the next attempt wait twice as long, up to `longest`. Nothing delays
 * an account as such, so that nobody can keep its user out by guessing from elsewhere (docs/operate/identities.md).
 */
interface Counter {
  key: string
  free: number
  /** Milliseconds; 0: never. */
  longest: number
  what: string
}

/** So many failures on one account, from wherever, are told to its administrators. */
const worthAnAlert = 100

function countersOf(name: string | undefined, source: string | undefined): Counter[] {
  const network = source === undefined ? 'local' : networkOf(source)
  const byNetwork = { key: `network ${network}`, free: 30, longest: 60 * second, what: 'this address' }
  if (name === undefined) return [byNetwork]
  return [
    byNetwork,
    { key: `account ${name} ${network}`, free: 10, longest: 900 * second, what: 'this name at this address' },
    { key: `account ${name}`, free: worthAnAlert, longest: 0, what: '' },
  ]
}

/** Names that no user can have are counted as one: whoever guesses makes no more rows with them. */
function counted(name: string): string {
  return isUserName(name) ? name.toLowerCase() : '(none)'
}

/**
 * Looks at what somebody shows (`check` answers undefined when it is wrong), unless too much was wrong before. Attempts of
 * one network are looked at one after the other, so that a hundred at once are no more than a hundred.
 * Throws Failure('rateLimited') with retryAfter, whatever is shown.
 */
export async function guarded<T>(
  it: Installation,
  { name, source }: { name?: string; source: string | undefined },
  check: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const counters = countersOf(name === undefined ? undefined : counted(name), source)
  const [{ key = '' } = {}] = counters
  return inTurn(`${it.node} login ${key}`, async () => {
    const failed = await requireFree(it.db, counters, it.clock()).catch((error: unknown) => {
      tally(it.db, `login${BETWEEN}${error instanceof Failure ? 'limited' : 'unavailable'}`)
      throw error
    })
    const known = await check()
    tally(it.db, `login${BETWEEN}${known === undefined ? 'refused' : 'accepted'}`)
    if (known === undefined) await count(it, counters, name)
    else if (failed) await transaction(it.db, (db) => forgive(db, counters))
    return known
  })
}

/** Answers whether this name has failed here before. */
async function requireFree(db: Database, counters: Counter[], at: Date): Promise<boolean> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('login_failures')
    .selectAll()
    .where(
      'key',
      'in',
      counters.map(({ key }) => key),
    )
    .execute()
  for (const counter of counters) {
    const row = rows.find(({ key }) => key === counter.key)
    const wait = row ? waitOf(counter, row, at) : 0
    if (wait <= 0) continue
    const retryAfter = Math.ceil(wait / second)
    const detail = `too many failed logins for ${counter.what}: wait ${retryAfter} seconds, or come from elsewhere`
    throw new Failure('rateLimited', detail, { retryAfter })
  }
  return rows.some(({ key }) => key !== counters[0]?.key)
}

function waitOf({ free, longest }: Counter, row: { failures: number; last_at: number }, at: Date): number {
  const since = at.getTime() - row.last_at
  if (row.failures < free || since >= forgottenAfter) return 0
  return Math.min(second * 2 ** Math.min(row.failures - free, 20), longest) - Math.max(since, 0)
}

async function count(it: Installation, counters: Counter[], name: string | undefined): Promise<void> {
  const at = it.clock()
  await transaction(it.db, async (db) => {
    for (const { key, longest } of counters) {
      const failures = await addOne(db, key, at)
      if (longest === 0 && failures === worthAnAlert && name !== undefined) await tell(db, name, at)
    }
  })
}

async function addOne(db: Database, key: string, at: Date): Promise<number> {
  const tables = withTables<CoreTables>(db)
  const last_at = at.getTime()
  await tables
    .insertInto('login_failures')
    .values({ key, failures: 0, last_at })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute()
  const row = await forUpdate(
    db,
    tables.selectFrom('login_failures').selectAll().where('key', '=', key),
  ).executeTakeFirstOrThrow() // prettier-ignore
  const failures = (last_at - row.last_at >= forgottenAfter ? 0 : row.failures) + 1
  await tables.updateTable('login_failures').set({ failures, last_at }).where('key', '=', key).execute()
  return failures
}

async function tell(db: Database, name: string, at: Date): Promise<void> {
  const user = await findUser(db, { name: counted(name) })
  if (!user) return
  await raiseAlert(db, at, {
    kind: 'login_guessing',
    organizationId: user.organizationId,
    subject: { kind: 'user', id: user.id },
    detail: `${worthAnAlert} passwords in a row were wrong for ${user.name}: somebody guesses`,
  })
}

/** The name's own count; that of the network stays, or one good account would pay for a thousand guesses at others. */
async function forgive(db: Database, counters: Counter[]): Promise<void> {
  const keys = counters.slice(1).map(({ key }) => key)
  await withTables<CoreTables>(db).deleteFrom('login_failures').where('key', 'in', keys).execute()
}

/** Forgets what counts no more: a chore of every node. */
export async function pruneLoginFailures(db: Database, at: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .deleteFrom('login_failures')
    .where('last_at', '<=', at.getTime() - forgottenAfter)
    .execute()
}
