import { existsSync, renameSync, rmSync } from 'node:fs'
import type { Kysely } from 'kysely'
import { audit } from '../core/audit/audit.ts'
import { Failure } from '../core/failure.ts'
import type { Requester } from '../core/requester.ts'
import type { KeyRotation, KeyRotationState } from '../core/upkeep/keyRotation.ts'
import type { KeySecretTables } from '../core/upkeep/keySecretTables.ts'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'
import type { Log } from '../log.ts'
import {
  derived,
  type InstallationKeys,
  type KeyPlace,
  type KeySecret,
  keyFile,
  keyOf,
  nextKeyFile,
  readKeyFile,
  secretOfText,
  WrongKey,
  wrapUnder,
  writeKeyFile,
} from './keySecret.ts'

/** How often a node looks whether the key was changed, in milliseconds. */
const LOOK = 2_000
/** Every node that runs has looked by then, several times. */
const GRACE = 15_000

interface Parts {
  db: Database
  place: KeyPlace
  keys: InstallationKeys
  clock: () => Date
}

type Row = KeySecretTables['key_secrets']

/** Looks every few seconds, from before the first thing is sealed, until what it answers is called. The same trouble is told once. */
export function lookForKeys({ refresh }: Pick<InstallationKeys, 'refresh'>, log: Log): () => void {
  let told = ''
  let state: 'rests' | 'looks' | 'ended' = 'rests'
  const look = async () => {
    if (state !== 'rests') return
    state = 'looks'
    const trouble = await refresh().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (ended()) return
    const what = trouble === undefined ? '' : String(trouble)
    if (what !== '' && what !== told)
      log.error({ err: trouble }, 'whether the key-encryption key was changed was not found out')
    told = what
    state = 'rests'
  }
  const ended = () => state === 'ended'
  const timer = setInterval(() => void look(), LOOK).unref()
  return () => {
    clearInterval(timer)
    state = 'ended'
  }
}

export function createKeyRotation(parts: Parts): (actor: Requester) => KeyRotation {
  let begun: Promise<unknown> = Promise.resolve()
  // Of two at once each would put its own key into the one file, and the other's would be lost.
  const afterOthers = (work: () => Promise<KeyRotationState>) => {
    const result = begun.then(work, work)
    begun = result
    return result
  }
  return (actor) => ({
    state: () => stateOf(parts),
    begin: (secret) => afterOthers(() => begin(parts, actor, secret)),
    activate: () => activate(parts, actor),
    finish: () => finish(parts, actor),
  })
}

const rowsOf = (db: Database) =>
  withTables<KeySecretTables>(db).selectFrom('key_secrets').selectAll().orderBy('created_at').execute()

async function stateOf({ db, place, keys, clock }: Parts): Promise<KeyRotationState> {
  await keys.refresh().catch(asConflict)
  const rows = await rowsOf(db)
  const of = (state: Row['state']) => rows.find((row) => row.state === state)
  const [next, old] = [of('next'), of('old')]
  const current = of('current')?.key_id ?? keys.own().id
  const wait = next && Math.max(0, next.created_at + grace(db) - clock().getTime())
  return {
    current,
    source: place.keySecret === undefined ? 'file' : 'environment',
    outdated: keys.own().id !== current,
    ...(next ? { next: next.key_id } : {}),
    ...(wait ? { wait } : {}),
    ...(old ? { old: old.key_id } : {}),
  }
}

/** The file of the key was changed or lost since the process has started, and the administrator is who can mend it. */
function asConflict(cause: unknown): never {
  throw cause instanceof WrongKey ? new Failure('conflict', cause.message, { cause }) : cause
}

/** One process has the whole of an SQLite database (src/db/hold.ts). */
const grace = (db: Database) => (db.dialect === 'sqlite' ? 0 : GRACE)

async function begin(parts: Parts, actor: Requester, text: string | undefined): Promise<KeyRotationState> {
  const { db, place, keys, clock } = parts
  const before = await stateOf(parts)
  if (before.next !== undefined || before.old !== undefined) return before
  const own = keys.own()
  const given = await givenKey(parts, text)
  if (given?.id === own.id) throw new Failure('malformed', 'the new secret is the one that is used already')
  const at = clock().getTime()
  const root = keys.root()
  const next = await transaction(db, async (db) => {
    const tables = withTables<KeySecretTables>(db)
    const first = await takeTurn(tables, own, at)
    // Nobody else writes it meanwhile, who may be on the same folder.
    const next = given ?? makeNext(place)
    await tables
      .insertInto('key_secrets')
      .values({ key_id: next.id, state: 'next', first: 0, created_at: at })
      .execute()
    await tables
      .insertInto('key_secret_wraps')
      .values([
        wrapUnder(own, next.id, derived(next.secret, 'key vault')),
        wrapUnder(next, own.id, derived(own.secret, 'key vault')),
        wrapUnder(next, 'root', root),
        ...(first ? [wrapUnder(own, 'root', root)] : []),
      ])
      .execute()
    await tell(db, actor, { at: clock(), action: 'key_secret.made', key: next.id })
    return next
  })
  if (place.keySecret === undefined && readKeyFile(nextKeyFile(place))?.id !== next.id)
    throw new Failure('internal', `${nextKeyFile(place)} was changed meanwhile`)
  return stateOf(parts)
}

/**
 * Of several processes that begin at once one goes on, and the others wait here for its commit. True: the key was never changed before. Throws
 * Failure('conflict').
 */
async function takeTurn(tables: Kysely<KeySecretTables>, own: KeySecret, at: number): Promise<boolean> {
  const some = await tables.selectFrom('key_secrets').select('key_id').limit(1).executeTakeFirst()
  const made = some
    ? undefined
    : await tables
        .insertInto('key_secrets')
        .values({ key_id: own.id, state: 'current', first: 1, created_at: at })
        .onConflict((conflict) => conflict.doNothing())
        .returning('key_id')
        .executeTakeFirst()
  await tables.updateTable('key_secrets').set({ state: 'current' }).where('state', '=', 'current').execute()
  const known = await tables.selectFrom('key_secrets').select(['key_id', 'state']).execute()
  // The key may have been changed, and the change ended, since this process looked.
  if (known.length !== 1 || known[0]?.key_id !== own.id)
    throw new Failure('conflict', 'somebody else has begun to change the key: try again')
  return made !== undefined
}

/** The key that somebody brings; undefined: one is made in a file. */
async function givenKey({ db, place }: Parts, text: string | undefined): Promise<KeySecret | undefined> {
  if (place.keySecret !== undefined) {
    if (text === undefined)
      throw new Failure(
        'malformed',
        'the key comes from COUNTERSIGN_KEY_SECRET: give the next value of that in a file, as --new-secret-file',
      )
    return keyOf(await secretOfText(db, text).catch(asMalformed))
  }
  if (text !== undefined)
    throw new Failure('malformed', `the key is in ${keyFile(place)}, and the next one is made there: give no secret`)
  return undefined
}

function makeNext(place: KeyPlace): KeySecret {
  // Of a change that was cut off before it was written down.
  rmSync(nextKeyFile(place), { force: true })
  return writeKeyFile(nextKeyFile(place))
}

function asMalformed(cause: unknown): never {
  throw new Failure('malformed', cause instanceof Error ? cause.message : String(cause), { cause })
}

async function activate(parts: Parts, actor: Requester): Promise<KeyRotationState> {
  const { db, place, keys, clock } = parts
  const { next, wait, current } = await stateOf(parts)
  if (next === undefined) return stateOf(parts)
  if (wait) throw new Failure('conflict', `other nodes may not know it yet: in ${Math.ceil(wait / 1000)} s`)
  await transaction(db, async (db) => {
    const tables = withTables<KeySecretTables>(db)
    // The old one first: never is there none, and to who looks between there are both.
    await tables.updateTable('key_secrets').set({ state: 'old' }).where('key_id', '=', current).execute()
    await tables
      .updateTable('key_secrets')
      .set({ state: 'current', created_at: clock().getTime() })
      .where('key_id', '=', next)
      .execute()
    await tell(db, actor, { at: clock(), action: 'key_secret.changed', key: next })
  })
  if (place.keySecret === undefined && readKeyFile(nextKeyFile(place))?.id === next)
    renameSync(nextKeyFile(place), keyFile(place))
  await keys.refresh()
  return stateOf(parts)
}

async function finish(parts: Parts, actor: Requester): Promise<KeyRotationState> {
  const { db, place, keys, clock } = parts
  const state = await stateOf(parts)
  const { old, outdated, current } = state
  if (old === undefined) return state
  if (outdated)
    throw new Failure(
      'conflict',
      place.keySecret === undefined
        ? `${keyFile(place)} holds the old key still: bring the new file there, and begin again`
        : 'this process was started with the old COUNTERSIGN_KEY_SECRET: set the new one on every node, restart them, and finish then',
    )
  const row = (await rowsOf(db)).find(({ key_id }) => key_id === current)
  const left = (row?.created_at ?? 0) + grace(db) - clock().getTime()
  if (left > 0) throw new Failure('conflict', `another node may still seal under it: in ${Math.ceil(left / 1000)} s`)
  await transaction(db, async (db) => {
    const tables = withTables<KeySecretTables>(db)
    await tables
      .deleteFrom('key_secret_wraps')
      .where(({ or, eb }) => or([eb('under_id', '=', old), eb('part', '=', old)]))
      .execute()
    await tables.deleteFrom('key_secrets').where('key_id', '=', old).execute()
    await tell(db, actor, { at: clock(), action: 'key_secret.dropped', key: old })
  })
  if (place.keySecret === undefined && existsSync(nextKeyFile(place))) rmSync(nextKeyFile(place))
  await keys.refresh()
  return stateOf(parts)
}

function tell(db: Database, actor: Requester, { at, action, key }: { at: Date; action: string; key: string }) {
  return audit(db, actor, at, {
    action,
    organizationId: null,
    subject: { kind: 'installation', id: null },
    details: { key },
  })
}
