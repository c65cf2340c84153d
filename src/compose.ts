import { hkdfSync, randomBytes, scryptSync } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { acmeAuthority } from './authorities/acme.ts'
import { localAuthority } from './authorities/local.ts'
import { manualAuthority } from './authorities/manual.ts'
import type { Core } from './core/core.ts'
import { type CheckProtocols, createCore } from './core/door.ts'
import type { IdentitySettings } from './core/identitySettings.ts'
import type { Installation } from './core/installation.ts'
import { createKeyVault } from './core/key.ts'
import type { CoreTables } from './core/tables.ts'
import { runCommand } from './crlCommand.ts'
import { migrate } from './db/migrate.ts'
import { closeDatabase, type Database, openDatabase } from './db/open.ts'
import { withTables } from './db/tables.ts'
import { transaction } from './db/transaction.ts'
import { discoveryReach } from './discoveryReach.ts'
import { OIDC_CALLBACK, type OidcConfig } from './identityConfig.ts'
import type { Log } from './log.ts'
import { upstreamReach } from './upstreamReach.ts'

/** What the process runs on, from its configuration. */
export interface Composition {
  it: Installation
  core: Core
  /** 32 octets for one part of the process, the same at every start. */
  secretFor(part: string): Buffer
  close(): Promise<void>
}

export interface CompositionConfig {
  dataFolder: string
  /** postgres://… or absent: SQLite in the data folder. */
  databaseUrl?: string
  /** COUNTERSIGN_KEY_SECRET; absent: a file of mode 0600 in the data folder. */
  keySecret?: string
  httpBaseUrl: string
  /** Where an OpenID provider sends people back to; absent: nobody logs in with one here. */
  baseUrl?: string
  /** How people and programs log in. */
  identity?: IdentitySettings
  oidc?: OidcConfig
  /** Which networks may be looked into for certificates, and by which name servers; absent: none is. */
  validation?: { networks: string; resolver?: string }
  /** Where upstream CAs may be; absent: where `validation` may look. */
  upstreamNetworks?: string
  /** The one folder below which certificates are looked for. */
  discoveryFolder?: string
  /** What puts TXT records into the DNS, for names that are proved to an upstream CA. */
  dnsCommand?: readonly [string, ...string[]]
}

/** Opens the database, brings it up to date and puts the core together. Throws with a message for the administrator. */
export async function compose(
  config: CompositionConfig,
  log: Log,
  checkProtocols: CheckProtocols,
): Promise<Composition> {
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  const db = openDatabase(config.databaseUrl ?? join(config.dataFolder, 'countersign.sqlite'))
  try {
    await migrate(db)
    const secret = await keyEncryptionKey(db, config)
    await proveSecret(db, secret)
    const reach = upstreamReach(config.upstreamNetworks ?? config.validation?.networks ?? '')
    const it: Installation = {
      db,
      vault: createKeyVault(secretFrom(secret, 'key vault')),
      auditSecret: secretFrom(secret, 'audit chain'),
      challengeSecret: secretFrom(secret, 'challenges'),
      clock: () => new Date(),
      log,
      httpBaseUrl: config.httpBaseUrl,
      node: randomBytes(8).toString('hex'),
      ...loggingIn(config),
      makers: {
        local: localAuthority,
        manual: manualAuthority,
        acme: (_issuer, _signer, account) => acmeAuthority(account, reach),
      },
      ...dnsChanger(config),
      ...discoverer(config),
    }
    return {
      it,
      core: createCore(it, checkProtocols),
      secretFor: (part) => secretFrom(secret, part),
      close: () => closeDatabase(db),
    }
  } catch (error) {
    await closeDatabase(db)
    throw error
  }
}

function loggingIn({ identity, oidc, baseUrl }: CompositionConfig): Pick<Installation, 'identity' | 'oidc'> {
  return {
    ...(identity ? { identity } : {}),
    ...(oidc && baseUrl !== undefined ? { oidc: { ...oidc, redirectUri: `${baseUrl}${OIDC_CALLBACK}` } } : {}),
  }
}

function discoverer({ validation, discoveryFolder }: CompositionConfig): Pick<Installation, 'discovery'> {
  if (!validation) return {}
  const { networks, resolver } = validation
  return {
    discovery: discoveryReach({
      networks,
      ...(resolver === undefined ? {} : { resolver }),
      ...(discoveryFolder === undefined ? {} : { folder: discoveryFolder }),
    }),
  }
}

/** Longer than most DNS providers take until their name servers agree. */
const dnsTimeout = 60_000

function dnsChanger({ dnsCommand: command }: CompositionConfig): Pick<Installation, 'changeDns'> {
  if (!command) return {}
  return {
    changeDns: ({ action, name, value }) =>
      runCommand({
        command,
        env: { COUNTERSIGN_DNS_ACTION: action, COUNTERSIGN_DNS_NAME: name, COUNTERSIGN_DNS_VALUE: value },
        timeout: dnsTimeout,
        signal: new AbortController().signal,
      }),
  }
}

function secretFrom(secret: Buffer, part: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), `countersign ${part}`, 32))
}

/**
 * The key under which private keys are sealed: from COUNTERSIGN_KEY_SECRET (32 octets in base64 or hex as they are, any
 * other text of 12 characters and more through scrypt), else from the file key.secret, made at the first start.
 */
async function keyEncryptionKey(db: Database, { dataFolder, keySecret }: CompositionConfig): Promise<Buffer> {
  if (keySecret !== undefined) {
    if (/^[0-9a-fA-F]{64}$/.test(keySecret)) return Buffer.from(keySecret, 'hex')
    if (/^[A-Za-z0-9+/_-]{43}=?$/.test(keySecret)) return Buffer.from(keySecret, 'base64url')
    if (keySecret.length < 12)
      throw new Error(
        'COUNTERSIGN_KEY_SECRET is too short: 32 octets in base64, or a passphrase of 12 characters and more',
      )
    const salt = Buffer.from(await setting(db, 'key_salt', () => randomBytes(16).toString('hex')), 'hex')
    return scryptSync(keySecret, salt, 32, { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 })
  }
  const file = join(dataFolder, 'key.secret')
  if (!existsSync(file)) {
    if (await storedSetting(db, 'key_proof'))
      throw new Error(
        `${file} is missing: it holds the key that seals all private keys; bring it back from your backup`,
      )
    writeFileSync(file, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' })
  }
  chmodSync(file, 0o600)
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64')
  if (key.length !== 32) throw new Error(`${file} does not hold 32 octets in base64`)
  return key
}

/** Refuses to start with another secret than the one that sealed the keys: a wrong one would only show at the first signature. */
async function proveSecret(db: Database, secret: Buffer): Promise<void> {
  const proof = secretFrom(secret, 'proof').toString('hex')
  const stored = await setting(db, 'key_proof', () => proof)
  if (stored !== proof) {
    throw new Error(
      'the key-encryption key is not the one that this database was made with (key.secret, COUNTERSIGN_KEY_SECRET)',
    )
  }
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
