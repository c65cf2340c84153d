import { X509Certificate } from 'node:crypto'
import { Hono } from 'hono'
import { pino } from 'pino'
import { afterEach } from 'vitest'
import { z } from 'zod'
import type { OverloadConfig } from '../../src/config/overloadConfig.ts'
import type { ListenConfig } from '../../src/config.ts'
import { Failure } from '../../src/core/failure.ts'
import { asResponse, problem, sendAnswer } from '../../src/http/answer.ts'
import { readBody } from '../../src/http/body.ts'
import { clientCertificateReader } from '../../src/http/clientCertificate.ts'
import { sourceAddressReader } from '../../src/http/sourceAddress.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Host, NodeBindings, Protocol } from '../../src/protocol.ts'
import { createServer, type Limits, type Ports, type Server } from '../../src/server.ts'
import { dnsName, selfSigned } from './alpnCertificate.ts'

/** A wire contract with nothing behind it. */
export interface Echo {
  protocol: Protocol
  /** Resolves when a request to /echo/wait, /echo/half or /echo/body has come; `release` gives the answer of the first two, or the rest of it. */
  waiting: Promise<void>
  release(): void
}

export function createEcho(mounts: Protocol['mounts'] = [{ path: '/echo', listeners: ['https', 'http'] }]): Echo {
  let arrived = () => {}
  let release = () => {}
  const waiting = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const routes = (host: Host) => {
    const app = new Hono<{ Bindings: NodeBindings }>()
    app.get('/echo/source', (c) => c.text(host.sourceAddress(c.env.incoming) ?? 'nobody knows'))
    app.get('/echo/target', (c) => c.text(c.env.incoming.url ?? ''))
    app.get('/echo/client', (c) => c.text(clientOf(c.env)))
    app.post('/echo/body', async (c) => {
      arrived()
      return c.text(String((await readBody(c.env.incoming, 100_000)).length))
    })
    app.get('/echo/wait', async (c) => {
      arrived()
      await released
      return c.text('at last')
    })
    app.get('/echo/throw', () => {
      throw 'not even an error'
    })
    app.all('*', (c) => c.text('not here', 404))
    app.onError((error, c) => {
      if (!(error instanceof Failure && error.code === 'tooLarge')) return c.text('gone', 400)
      return asResponse(problem(413, error.detail, { Connection: 'close' }))
    })
    return app
  }
  const fast: Protocol['fast'] = () => (incoming, outgoing) => {
    if (incoming.url === '/echo/fast-throw') throw new Error('a bug')
    if (incoming.url === '/echo/half') {
      outgoing.writeHead(200).write('half')
      arrived()
      void released.then(() => outgoing.end(' and half'))
      return true
    }
    if (incoming.url !== '/echo/fast') return false
    sendAnswer(incoming, outgoing, problem(418, 'quick'))
    return true
  }
  return { protocol: { name: 'echo', mounts, options: z.strictObject({}), routes, fast }, waiting, release }
}

/** Names in the client's certificate, or why there are none. */
function clientOf({ incoming }: NodeBindings): string {
  const { socket } = incoming
  const raw =
    'getPeerX509Certificate' in socket
      ? (socket as { getPeerX509Certificate(): unknown }).getPeerX509Certificate()
      : undefined
  return raw instanceof X509Certificate ? (raw.subjectAltName ?? '') : 'none'
}

export interface TestServer {
  server: Server
  ports: Ports
  echo: Echo
  /** What was logged. */
  lines: Record<string, unknown>[]
  /** The answer to "can it issue". */
  ready: { now: boolean }
}

interface TestServerOptions {
  /** Instead of the echo, over this host. */
  protocols?: readonly Protocol[]
  host?: Omit<Host, 'sourceAddress' | 'clientCertificate'>
  mounts?: Protocol['mounts']
  listen?: Partial<ListenConfig>
  limits?: Partial<Limits>
  overload?: Partial<OverloadConfig>
  trustedProxies?: string[]
  clientCertificateHeader?: string
  metricsNetworks?: string[]
  accessLog?: boolean
  /** Listens only. */
  closed?: boolean
}

export const serverCertificate = (name: string) => {
  const { key, certificate } = selfSigned({ name, san: [dnsName('localhost')] })
  return { key, cert: certificate }
}

/** A server on free ports of loopback. Close it. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const echo = createEcho(options.mounts)
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug', base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const sourceAddress = sourceAddressReader(options.trustedProxies ?? [])
  const clientCertificate = clientCertificateReader({
    trusted: options.trustedProxies ?? [],
    header: options.clientCertificateHeader,
  })
  const server = createServer({
    listen: { address: '127.0.0.1', httpsPort: 0, mtlsPort: 0, httpPort: 0, ...options.listen },
    protocols: options.protocols ?? [echo.protocol],
    log,
    metrics: createMetrics(),
    sourceAddress,
    metricsNetworks: options.metricsNetworks ?? ['127.0.0.0/8'],
    accessLog: options.accessLog ?? true,
    trustedProxies: options.trustedProxies ?? [],
    ...(options.overload ? { overload: options.overload } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
  })
  const ports = await server.listen()
  const ready = { now: true }
  // The echo asks nothing else of its host.
  const host = { ...options.host, sourceAddress, clientCertificate } as Partial<Host> as Host
  const tls = serverCertificate('first')
  if (!options.closed) server.open({ host: () => host, tls, ready: async () => ready.now })
  return { server, ports, echo, lines, ready }
}

/** `startServer` for the tests of a file: what a test has started ends with it. */
export function useServers(): typeof startServer {
  const started: TestServer[] = []
  afterEach(async () => {
    for (const { echo, server } of started.splice(0)) {
      echo.release()
      await server.close()
    }
  })
  return async (options) => {
    const test = await startServer(options)
    started.push(test)
    return test
  }
}
