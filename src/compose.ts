import { randomBytes } from 'node:crypto'
import { acmeAuthority } from './authorities/acme.ts'
import { localAuthority } from './authorities/local.ts'
import { manualAuthority } from './authorities/manual.ts'
import { OIDC_CALLBACK, type OidcConfig } from './config/identityConfig.ts'
import type { Core } from './core/core.ts'
import { createCore } from './core/door.ts'
import type { CheckProtocols } from './core/doorParts.ts'
import type { IdentitySettings } from './core/identity/identitySettings.ts'
import type { Installation } from './core/installation.ts'
import { migrate, newerMigrations } from './db/migrate.ts'
import { closeDatabase, type Database, openAlone } from './db/open.ts'
import { databaseOf, makeFolder } from './disk/place.ts'
import { createKeyRotation, lookForKeys } from './key/keyRotation.ts'
import { openKeys } from './key/keySecret.ts'
import type { Log } from './log.ts'
import { runCommand } from './reach/crlCommand.ts'
import { discoveryReach } from './reach/discoveryReach.ts'
import { oidcReach } from './reach/oidcReach.ts'
import { upstreamReach } from './reach/upstreamReach.ts'

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
  /** One that is open already, in place of that: whoever opened it closes it. */
  database?: Database
  /** Milliseconds for which another process that works on an SQLite file is waited for. */
  patience?: number
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

/**
 * Opens the database, for this process alone where it is SQLite, brings it up to date and puts the core together. Throws DatabaseHeld, and otherwise with a
 * message for the administrator.
 */
export async function compose(
  config: CompositionConfig,
  log: Log,
  checkProtocols: CheckProtocols,
): Promise<Composition> {
  makeFolder(config.dataFolder)
  const url = databaseOf(config)
  const waits = () => log.warn({ database: url }, 'another process works on the database: waiting for it')
  const db = config.database ?? (await openAlone(url, config.patience, waits))
  let stopLooking = () => {}
  const close = async () => {
    stopLooking()
    if (!config.database) await closeDatabase(db)
  }
  try {
    await migrate(db)
    const newer = await newerMigrations(db)
    if (newer.length > 0) log.warn({ newer }, 'the database is of a newer version than this node, which serves on')
    const place = { ...config, warn: (text: string) => log.warn(text) }
    // Of SQLite this is the only process (src/db/hold.ts); of a database that somebody else has opened he is to know.
    const shared = db.dialect === 'postgres' && !config.database
    const keys = await openKeys(db, place, shared)
    if (shared) stopLooking = lookForKeys(keys, log)
    const clock = () => new Date()
    const reach = upstreamReach(config.upstreamNetworks ?? config.validation?.networks ?? '')
    const it: Installation = {
      db,
      vault: keys.vault,
      keyRotation: createKeyRotation({ db, place, keys, clock }),
      auditSecret: keys.secretFor('audit chain'),
      challengeSecret: keys.secretFor('challenges'),
      clock,
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
      secretFor: keys.secretFor,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function loggingIn({ identity, oidc, baseUrl }: CompositionConfig): Pick<Installation, 'identity' | 'oidc'> {
  if (!oidc || baseUrl === undefined) return identity ? { identity } : {}
  const { networks, ...settings } = oidc
  const reach = oidcReach(settings.issuer, networks)
  return {
    ...(identity ? { identity } : {}),
    oidc: { ...settings, redirectUri: `${baseUrl}${OIDC_CALLBACK}`, reach },
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
