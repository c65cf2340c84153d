import { Resolver } from 'node:dns/promises'
import { connect, createServer } from 'node:net'
import type { Config } from '../../config.ts'
import type { ListenerName } from '../../protocol.ts'
import { type Check, check, fail, ok, warn } from './check.ts'

const patience = 3_000

/** A name server that answers at all, also with an error, is reachable. */
export function resolverCheck({ validation }: Config): Promise<Check> {
  return check('resolver', async () => {
    const resolver = new Resolver({ timeout: patience, tries: 1 })
    if (validation.resolver !== undefined) resolver.setServers(validation.resolver.split(','))
    const servers = resolver.getServers().join(', ')
    try {
      await resolver.resolveNs('.')
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      const silent = ['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED'].includes(code)
      if (silent)
        return (validation.resolver === undefined ? warn : fail)(`${servers || 'none'} does not answer (${code})`)
    }
    return ok(servers)
  })
}

type State = Omit<Check, 'name'>

/** While the server runs its ports answer; otherwise they are free for it. One that no protocol uses is not opened. */
export async function portChecks({ listen }: Config, running: boolean): Promise<Check[]> {
  const { usedListeners } = await import('../../main.ts')
  const ports = { https: listen.httpsPort, mtls: listen.mtlsPort, http: listen.httpPort }
  const checks: Check[] = []
  for (const [name, port] of Object.entries(ports)) {
    if (port === 0 || !usedListeners.has(name as ListenerName)) continue
    checks.push(
      await check(`port ${port} (${name})`, () =>
        running ? answersOn(listen.address, port) : freeOn(listen.address, port),
      ),
    )
  }
  return checks
}

function answersOn(address: string, port: number): Promise<State> {
  return new Promise((resolve) => {
    const socket = connect({ host: here(address), port, timeout: patience })
    const settle = (state: State) => {
      socket.destroy()
      resolve(state)
    }
    socket.once('connect', () => settle(ok(`answers on ${address}`)))
    socket.once('timeout', () => settle(fail(`does not answer on ${address}`)))
    socket.once('error', (error) => settle(fail(error.message)))
  })
}

function freeOn(address: string, port: number): Promise<State> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(fail(error.message)))
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(ok(`free on ${address}`))))
  })
}

/** Where this machine reaches what listens on all addresses. */
export function here(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1'
  return address === '::' ? '::1' : address
}
