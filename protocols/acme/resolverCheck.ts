import { getServers } from 'node:dns'
import type { Finding, ValidationConfig } from '../../src/protocol.ts'
import { createDeadline } from './deadline.ts'
import { createDnsClient } from './dnsClient.ts'
import { RECORD } from './dnsMessage.ts'

const PATIENCE_MS = 3_000
const LOOPBACK = /^(127\.|\[?::1\b)/

/**
 * Whether the resolver is what RFC 8657 section 5.6 demands: trusted, and seen to validate. It is asked for the root zone, which is signed; AD in
 * its answer is its word that it validates.
 */
export async function examineResolver(config: ValidationConfig): Promise<Finding[]> {
  return [{ name: 'DNSSEC', ...(await examine(config)) }]
}

async function examine({ resolver, resolverValidates }: ValidationConfig): Promise<Omit<Finding, 'name'>> {
  if (resolverValidates === false)
    return {
      state: 'warn',
      detail:
        'COUNTERSIGN_RESOLVER_VALIDATES is off: forged answers about signed names are believed, and CAA properties with accounturi or validationmethods allow no certificate',
    }
  const servers = resolver ?? getServers().join(',')
  const deadline = createDeadline(PATIENCE_MS)
  try {
    const { authenticated, signed } = await createDnsClient(resolver, PATIENCE_MS).ask('', RECORD.SOA, deadline)
    if (!authenticated) return { state: 'warn', detail: `${servers} ${unseen(signed)}` }
    const far = servers.split(',').some((server) => !LOOPBACK.test(server))
    const way = far ? '; it is on another machine, so the way there must be secure (RFC 8657 section 5.6)' : ''
    return { state: 'ok', detail: `${servers} validates${way}` }
  } catch (error) {
    return { state: 'warn', detail: `not seen: ${error instanceof Error ? error.message : String(error)}` }
  } finally {
    deadline.close()
  }
}

function unseen(signed: boolean): string {
  const what = signed
    ? 'shows no AD for the root zone, which is signed'
    : 'shows neither AD nor signatures for the root zone'
  return `${what}: it does not validate. Use one that does, or set COUNTERSIGN_RESOLVER_VALIDATES to false`
}
