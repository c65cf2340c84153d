import type { Database } from '../db/open.ts'
import type { Log } from '../log.ts'
import type { AuthorityMakers } from './authority/authority.ts'
import type { DiscoveryReach } from './discovery/discoveryReach.ts'
import type { IdentitySettings } from './identity/identitySettings.ts'
import type { KeyVault } from './key.ts'
import type { OidcSettings } from './login/oidcSettings.ts'
import type { Tracer } from './measure.ts'
import type { Requester } from './requester.ts'
import type { KeyRotation } from './upkeep/keyRotation.ts'

/** What the core runs on: handed to it once, when the process is composed. */
export interface Installation {
  db: Database
  vault: KeyVault
  /** Changes the key under which the vault seals. Absent: it cannot be changed. */
  keyRotation?(actor: Requester): KeyRotation
  /** Seals the audit chain: 32 octets derived from the key-encryption key, the same for all nodes. */
  auditSecret: Buffer
  /** Under which challenges are hashed: 32 octets derived likewise. */
  challengeSecret: Buffer
  clock: () => Date
  log: Log
  /** Base URL of the plain HTTP listener as the world sees it, without a trailing slash: CRL, OCSP and issuer URLs begin with it. */
  httpBaseUrl: string
  /** This process among others: owner of leases. New at each start. */
  node: string
  /** How each kind of authority is made; composed from src/authorities. */
  makers: AuthorityMakers
  /** How people and programs log in; absent: as defaultIdentitySettings. */
  identity?: IdentitySettings
  /** Absent: by no OpenID provider. */
  oidc?: OidcSettings
  /** How certificates are looked for. Absent: they are not. */
  discovery?: DiscoveryReach
  /** Told of the parts of orders. Absent: no traces are kept. */
  trace?: Tracer
  /** Puts a TXT record into the DNS and takes it out again: COUNTERSIGN_DNS_COMMAND. Resolves when that is done. Absent: it is not set. */
  changeDns?(change: { action: 'add' | 'remove'; name: string; value: string }): Promise<void>
}

/** A bounded map that forgets what was used longest ago. */
export function createCache<K, V>(limit: number) {
  const entries = new Map<K, V>()
  return {
    get(key: K): V | undefined {
      const value = entries.get(key)
      if (value !== undefined) {
        entries.delete(key)
        entries.set(key, value)
      }
      return value
    },
    set(key: K, value: V): void {
      entries.delete(key)
      entries.set(key, value)
      if (entries.size > limit) entries.delete(entries.keys().next().value as K)
    },
  }
}
