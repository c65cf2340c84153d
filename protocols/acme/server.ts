import { parseNetworkPolicy } from '../../src/http/networks.ts'
import type { Host } from '../../src/protocol.ts'
import type { Authorization } from './authorizationRecord.ts'
import type { KnownChaos } from './chaos.ts'
import { createDnsClient, type DnsClient } from './dnsClient.ts'
import { type JwsKey, restoreKey } from './jwk.ts'
import { localNonces, type Nonces } from './nonce.ts'
import { sharedNonces } from './sharedNonce.ts'
import { createValidator, type Validator } from './validate.ts'

/** What this protocol keeps while the process lives. Everything that must outlive it, or be known to other nodes, is in the database. */
export interface AcmeServer {
  host: Host
  nonces: Nonces
  validator: Validator
  /** Made when CAA is first looked for. */
  dns(): DnsClient
  /** By name of the profile; see chaos.ts. */
  chaos: KnownChaos
  /** By id of the authorization: the query that runs in this process. */
  queries: Map<number, Promise<Authorization | undefined>>
  /** Of which a query has ended here lately: by authorization. */
  ended: Set<number>
  /** By id of the account: how many of them are its. */
  running: Map<number, number>
  /** How many run at a time, of one account and in all; what comes beyond waits for its turn among the jobs. */
  most: { account: number; all: number }
  /** The account's key, ready to verify with. */
  accountKey(row: { jwk: string; thumbprint: string }): JwsKey
}

/** For one validation with its redirects and retries; docs/protocols/acme.md names it. */
export const VALIDATION_TIMEOUT_MS = 10_000
/** Some kilobytes each. */
const KEPT_KEYS = 5_000

const servers = new WeakMap<Host, AcmeServer>()

/** The routes, the fast path and the jobs of one host share one. */
export function acmeServer(host: Host): AcmeServer {
  const known = servers.get(host)
  if (known) return known
  const { db, clock, secret, validation } = host
  let dns: DnsClient | undefined
  const server: AcmeServer = {
    host,
    nonces: db.dialect === 'sqlite' ? localNonces(clock) : sharedNonces(db, secret, clock),
    validator: createValidator({
      ...(validation.resolver === undefined ? {} : { resolver: validation.resolver }),
      http01Port: validation.http01Port,
      tlsAlpn01Port: validation.tlsAlpn01Port,
      networks: parseNetworkPolicy(validation.networks),
      timeoutMs: VALIDATION_TIMEOUT_MS,
      userAgent: 'countersign ACME validation',
      localhostIsLoopback: true,
    }),
    dns: () => {
      dns ??= createDnsClient(validation.resolver, VALIDATION_TIMEOUT_MS)
      return dns
    },
    chaos: new Map(),
    queries: new Map(),
    ended: new Set(),
    running: new Map(),
    most: { account: 200, all: 1_000 },
    accountKey: keptKeys(),
  }
  servers.set(host, server)
  return server
}

/** Importing a key costs as much as verifying a signature. The least recently used go first. */
function keptKeys(): AcmeServer['accountKey'] {
  const kept = new Map<string, JwsKey>()
  return ({ jwk, thumbprint }) => {
    const key = kept.get(thumbprint) ?? restoreKey(jwk)
    // A Map is ordered by insertion.
    kept.delete(thumbprint)
    kept.set(thumbprint, key)
    const [oldest] = kept.size > KEPT_KEYS ? kept.keys() : []
    if (oldest !== undefined) kept.delete(oldest)
    return key
  }
}
