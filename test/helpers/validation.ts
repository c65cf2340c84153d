import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import {
  createValidator,
  type ValidationChallenge,
  type ValidationSettings,
  type Validator,
} from '../../protocols/acme/validate.ts'
import { parseNetworkPolicy } from '../../src/http/networks.ts'
import { type DnsServer, type DnsServerOptions, startDnsServer } from './dnsServer.ts'

export const TOKEN = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA'
export const KEY_AUTHORIZATION = `${TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`
export const CHALLENGE_PATH = `/.well-known/acme-challenge/${TOKEN}`

/** Closed at the end of the test. Answers the port. */
export async function startHttp(handler: RequestListener, host = '127.0.0.1', port = 0): Promise<number> {
  const server = createServer(handler)
  onTestFinished(() => void server.closeAllConnections())
  return listening(server, host, port)
}

/** A server below HTTP, which does with each connection what the test says. Answers the port. */
export async function startTcp(handler: (socket: Socket) => void, host = '127.0.0.1', port = 0): Promise<number> {
  const open = new Set<Socket>()
  const server = createTcpServer((socket) => {
    open.add(socket)
    socket.on('error', () => socket.destroy())
    handler(socket)
  })
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
  })
  return listening(server, host, port)
}

export async function listening(server: Server, host = '127.0.0.1', port = 0): Promise<number> {
  server.listen(port, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A port of 127.0.0.1 on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export async function startDns(options?: DnsServerOptions): Promise<DnsServer> {
  const dns = await startDnsServer(options)
  onTestFinished(() => dns.close())
  return dns
}

export function validatorWith(
  settings: Partial<Omit<ValidationSettings, 'networks'>> & { networks?: string },
): Validator {
  return createValidator({
    http01Port: 80,
    tlsAlpn01Port: 443,
    timeoutMs: 300,
    userAgent: 'countersign-test/1.0',
    localhostIsLoopback: true,
    ...settings,
    networks: parseNetworkPolicy(settings.networks ?? 'loopback'),
  })
}

export function challengeFor(type: ValidationChallenge['type'], name: string): ValidationChallenge {
  const identifier = { type: /^[\d.]+$|:/.test(name) ? ('ip' as const) : ('dns' as const), value: name }
  return { type, identifier, token: TOKEN, keyAuthorization: KEY_AUTHORIZATION }
}
