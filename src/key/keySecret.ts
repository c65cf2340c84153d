import { hkdfSync, randomBytes, scryptSync } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyVault } from '../core/key.ts'
import { createKeyVault } from '../core/key.ts'
import type { CoreTables } from '../core/tables.ts'
import { createKeyRing, type KeyRing } from '../core/upkeep/keyRing.ts'
import type { KeySecretTables } from '../core/upkeep/keySecretTables.ts'
import type { Database } from '../db/open.ts'
import { withTables } from '../db/tables.ts'
import { transaction } from '../db/transaction.ts'

/** Where the secret of the key-encryption key is. */
export interface KeyPlace {
  dataFolder: string
  /** COUNTERSIGN_KEY_SECRET; absent: a file of mode 0600 in the data folder. */
  keySecret?: string
  /** For the administrator. */
  warn?(text: string): void
}

/** One key: its secret is outside of the database, its id in everything that it seals. */
export interface KeySecret {
  id: string
  secret: Buffer
}

export interface InstallationKeys {
  vault: KeyRing
  /** 32 octets for one part of the process, the same at every start, also after the key-encryption key was changed. */
  secretFor(part: string): Buffer
  /** That of which all these derive: the first secret of the installation. */
  root(): Buffer
  /** The secret outside, as it was found last. */
  own(): KeySecret
  /** Looks what has changed since, in the database and outside. */
  refresh(): Promise<void>
}

type KeyRow = KeySecretTables['key_secrets']

export function derived(secret: Buffer, part: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `countersign ${part}`, 32))
}

export function keyOf(secret: Buffer): KeySecret {
  return { secret, id: derived(secret, 'key id').subarray(0, 8).toString('hex') }
}

export const keyFile = ({ dataFolder }: KeyPlace) => join(dataFolder, 'key.secret')
export const nextKeyFile = (place: KeyPlace) => `${keyFile(place)}.next`
/** A key file as a restore brings it, beside that of the database that is to be replaced. */
const restoredKeyFile = (file: string) => `${file}.restored`

/**
 * Opens the keys of an installation. `shared`: other processes may change them beside this one, which calls `refresh` every few seconds (keyRing.ts). Throws with a
 * message for the administrator where the secret outside is not one of its keys.
 */
export async function openKeys(
  db: Database,
  place: KeyPlace,
  shared = db.dialect === 'postgres',
): Promise<InstallationKeys> {
  const rows = await keyRows(db)
  let own = await chooseOwn(db, place, rows)
  let ring = await readRing(db, own, rows)
  const vault = createKeyRing(ring, { shared })
  return {
    vault,
    secretFor: (part) => derived(ring.root, part),
    root: () => ring.root,
    own: () => own,
    async refresh() {
      const rows = await keyRows(db)
      // Who was started with a key that is dropped since goes on with what he could read then. Of later ones he hears nothing: under one that is not the
      // current one any more he seals no more, since it may be dropped any time.
      const current = rows.find(({ state }) => state === 'current')?.key_id ?? ring.current
      ring = { ...ring, current }
      vault.turn(ring)
      if (place.keySecret === undefined && rows.length > 0) own = await chooseOwn(db, place, rows)
      if (rows.length === 0 || rows.some(({ key_id }) => key_id === own.id)) {
        ring = await readRing(db, own, rows)
        vault.turn(ring)
      } else if (!ring.keys.has(current)) throw wrongKey(rows)
    },
  }
}

function keyRows(db: Database): Promise<KeyRow[]> {
  return withTables<KeySecretTables>(db).selectFrom('key_secrets').selectAll().orderBy('created_at').execute()
}

async function readRing(db: Database, own: KeySecret, rows: KeyRow[]) {
  const mine = derived(own.secret, 'key vault')
  const keys = new Map([[own.id, mine]])
  if (rows.length === 0) return { keys, current: own.id, first: own.id, root: own.secret }
  const vault = createKeyVault(mine)
  let root = own.secret
  const wraps = await withTables<KeySecretTables>(db)
    .selectFrom('key_secret_wraps')
    .select(['part', 'sealed'])
    .where('under_id', '=', own.id)
    .execute()
  for (const { part, sealed } of wraps) {
    const opened = vault.open(sealed, own.id, wrapPurpose(part))
    if (part === 'root') root = opened
    else keys.set(part, opened)
  }
  const first = rows.find((row) => row.first === 1)?.key_id
  const current = rows.find(({ state }) => state === 'current')?.key_id ?? own.id
  return { keys, current, root, ...(first === undefined ? {} : { first }) }
}

export function wrapPurpose(part: string): string {
  return `wrap ${part}`
}

/** Seals a part of one key under another one, for key_secret_wraps. */
export function wrapUnder(under: KeySecret, part: string, octets: Buffer) {
  const vault: KeyVault = createKeyVault(derived(under.secret, 'key vault'))
  return { under_id: under.id, part, sealed: vault.seal(octets, under.id, wrapPurpose(part)) }
}

/** The secret outside that fits the database; of two files the one of the current key, which is then in place. */
async function chooseOwn(db: Database, place: KeyPlace, rows: KeyRow[]): Promise<KeySecret> {
  const proof = await storedSetting(db, 'key_proof')
  const fits = (key: KeySecret | undefined) => key !== undefined && isKeyOf({ rows, proof }, key)
  if (place.keySecret !== undefined) {
    const own = keyOf(await secretOfText(db, place.keySecret))
    if (!fits(own)) throw wrongKey(rows)
    if (rows.length === 0) await setting(db, 'key_proof', () => derived(own.secret, 'proof').toString('hex'))
    return own
  }
  const isCurrent = (key: KeySecret | undefined) =>
    rows.some(({ key_id, state }) => state === 'current' && key_id === key?.id)
  const usual = readKeyFile(keyFile(place), place.warn)
  const next = readWhole(nextKeyFile(place))
  const restored = readWhole(restoredKeyFile(keyFile(place)))
  const isRestored = restored && proof !== undefined && fits(restored)
  // A restore was cut off when its database was in place already.
  if (isRestored && (!fits(usual) || (isCurrent(restored) && !isCurrent(usual)))) {
    settleRestored(place)
    return restored
  }
  if (next && fits(next) && (!fits(usual) || (isCurrent(next) && !isCurrent(usual)))) {
    if (proof === undefined && usual === undefined) return firstKey(db, place)
    renameSync(nextKeyFile(place), keyFile(place))
    return next
  }
  if (usual === undefined) {
    if (proof === undefined) return firstKey(db, place)
    throw keyMissing(place)
  }
  if (!fits(usual)) throw wrongKey(rows)
  if (rows.length === 0) await setting(db, 'key_proof', () => derived(usual.secret, 'proof').toString('hex'))
  return usual
}

/** What a database tells of the keys that it was sealed under. */
export interface KnownKeys {
  /** Of a key that was changed at least once. */
  rows: readonly Pick<KeyRow, 'key_id' | 'created_at'>[]
  /** Before that; absent: nothing was sealed yet. */
  proof: string | undefined
}

/** Whether all that is sealed in a database can be opened by whoever has this key. */
export function isKeyOf({ rows, proof }: KnownKeys, key: KeySecret): boolean {
  if (rows.length > 0) return rows.some(({ key_id }) => key_id === key.id)
  return proof === undefined || proof === derived(key.secret, 'proof').toString('hex')
}

/** The secret outside is not there, or another installation's. */
export class WrongKey extends Error {}

export async function knownKeys(db: Database): Promise<KnownKeys> {
  return { rows: await keyRows(db), proof: await storedSetting(db, 'key_proof') }
}

export function wrongKey(rows: KnownKeys['rows']): WrongKey {
  const changed = rows.length > 0 ? `; it was changed on ${new Date(rows.at(-1)?.created_at ?? 0).toISOString()}` : ''
  return new WrongKey(
    `the key-encryption key is not the one of this database (key.secret, COUNTERSIGN_KEY_SECRET)${changed}`,
  )
}

export function keyMissing(place: KeyPlace): WrongKey {
  return new WrongKey(
    `${keyFile(place)} is missing: it holds the key that seals all private keys; bring it back from your backup`,
  )
}

async function firstKey(db: Database, place: KeyPlace): Promise<KeySecret> {
  rmSync(nextKeyFile(place), { force: true })
  const own = writeKeyFile(keyFile(place))
  const proof = derived(own.secret, 'proof').toString('hex')
  const stored = await setting(db, 'key_proof', () => proof)
  if (stored !== proof) throw wrongKey([])
  return own
}

/** A new key in a new file, on the disk before anybody seals under it. */
export function writeKeyFile(file: string): KeySecret {
  const secret = randomBytes(32)
  writeFileSync(file, `${secret.toString('base64')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  return keyOf(secret)
}

/** Whoever else could read it is shut out; `warn` is told. */
export function readKeyFile(file: string, warn: KeyPlace['warn'] = () => {}): KeySecret | undefined {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode
  if (mode === undefined) return undefined
  if (mode & 0o077) {
    chmodSync(file, 0o600)
    const was = (mode & 0o777).toString(8).padStart(4, '0')
    warn(
      `${file} was of mode ${was}, so that others could read it; it is 0600 now. Where others use this machine, take another key: countersign key-secret rotate`,
    )
  }
  const key = keyInText(readFileSync(file, 'utf8'))
  if (key) return key
  throw new WrongKey(
    `${file} does not hold 32 octets in base64, and is no key: bring back that of this installation from your backup`,
  )
}

/** What a key file holds; undefined: it is damaged. */
export function keyInText(text: string): KeySecret | undefined {
  const secret = Buffer.from(text.trim(), 'base64')
  return secret.length === 32 ? keyOf(secret) : undefined
}

/** As readKeyFile, of one that may have been cut off while it was written: nothing was sealed under that, and it is none. */
function readWhole(file: string): KeySecret | undefined {
  try {
    return readKeyFile(file)
  } catch {
    return undefined
  }
}

/** Puts the key files of a restore in place, once its database is there. May be done again after whatever cut it off: the key itself comes last. */
function settleRestored(place: KeyPlace): void {
  for (const file of [nextKeyFile(place), keyFile(place)])
    if (existsSync(restoredKeyFile(file))) renameSync(restoredKeyFile(file), file)
}

/** 32 octets in base64 or hex as they are, any other text of 12 characters and more through scrypt. */
export async function secretOfText(db: Database, text: string): Promise<Buffer> {
  return secretFrom(text, () => setting(db, 'key_salt', () => randomBytes(16).toString('hex')))
}

/** `salt`: the setting key_salt, in hex; asked for where the text needs one. */
export async function secretFrom(text: string, salt: () => Promise<string>): Promise<Buffer> {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return Buffer.from(text, 'hex')
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return Buffer.from(text, 'base64url')
  if (text.length < 12)
    throw new Error(
      'COUNTERSIGN_KEY_SECRET is too short: 32 octets in base64, or a passphrase of 12 characters and more',
    )
  return scryptSync(text, Buffer.from(await salt(), 'hex'), 32, { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 })
}

async function storedSetting(db: Database, name: string): Promise<string | undefined> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('settings')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.value
}

/** A value that is made once for the installation and then stays. */
async function setting(db: Database, name: string, make: () => string): Promise<string> {
  const known = await storedSetting(db, name)
  if (known !== undefined) return known
  return transaction(db, async (db) => {
    const tables = withTables<CoreTables>(db)
    await tables
      .insertInto('settings')
      .values({ name, value: make() })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return (await tables.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirstOrThrow())
      .value
  })
}
