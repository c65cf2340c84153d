import type { Socket } from 'node:net'
import { answerBadRequest } from './badRequest.ts'
import type { ListenConfig } from './config.ts'
import { createHandler, type Serving } from './exchange.ts'
import type { SourceAddress } from './http/sourceAddress.ts'
import { createListener, LIMITS, type Limits, type Listener, openPort, type ServerCertificate } from './listener.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import { mount } from './mounting.ts'
import { createProbes } from './probes.ts'
import type { Host, ListenerName, Protocol } from './protocol.ts'
import { createRequestLog } from './requestLog.ts'

export type { Limits, ServerCertificate } from './listener.ts'

export interface ServerOptions {
  listen: ListenConfig
  protocols: readonly Protocol[]
  log: Log
  metrics: Metrics
  /** From src/http/sourceAddress.ts; the same one that hosts are given. */
  sourceAddress: SourceAddress
  /** Addresses and networks that may read /metrics. */
  metricsNetworks: readonly string[]
  accessLog: boolean
  limits?: Partial<Limits>
}

/** What the server needs to answer more than that it is alive. */
export interface Opening {
  host: (protocol: Protocol) => Host
  tls: ServerCertificate
  /** Whether it can issue. */
  ready: () => Promise<boolean>
}

export interface Ports {
  httpsPort: number
  httpPort: number
  /** Only where a protocol is mounted on it. */
  mtlsPort?: number
}

export interface Server {
  /** Opens the ports; until `open`, all but /healthz is answered with 503, and no TLS handshake succeeds. Throws when a port cannot be had. */
  listen(): Promise<Ports>
  /** Mounts the protocols and serves. */
  open(opening: Opening): void
  /** For new connections from now on; those that stand go on under the earlier certificate. */
  setCertificate(certificate: ServerCertificate): void
  /** Takes no more requests, lets those under way end, for at most limits.drainTimeout, and closes all connections. */
  close(): Promise<void>
}

export function createServer(options: ServerOptions): Server {
  const limits = { ...LIMITS, ...options.limits }
  const listeners: Listener[] = []
  const state: Serving = {
    active: new Set(),
    mounts: { https: [], mtls: [], http: [] },
    probes: createProbes({ ...options, ready: async () => false }),
    open: false,
    draining: false,
  }
  const finished = createRequestLog(options)
  const names = new Set<ListenerName>(['https', 'http'])
  for (const { mounts } of options.protocols)
    for (const { listeners: wanted } of mounts) for (const name of wanted) names.add(name)
  for (const name of names) {
    const listener = createListener(name, createHandler(name, state, { log: options.log, finished }), limits)
    listener.server.on('clientError', (error, socket) => answerBadRequest(error, socket, state.active))
    listeners.push(listener)
  }
  const setCertificate = (certificate: ServerCertificate) => {
    for (const listener of listeners) listener.setCertificate(certificate)
  }
  return {
    listen: () => listenAll(listeners, options.listen),
    open({ host, tls, ready }) {
      state.mounts = mount(options.protocols, host, options.log)
      state.probes = createProbes({ ...options, ready: async () => !state.draining && (await ready()) })
      setCertificate(tls)
      state.open = true
    },
    setCertificate,
    close: () => drain(listeners, state, limits.drainTimeout),
  }
}

async function listenAll(listeners: Listener[], listen: ListenConfig): Promise<Ports> {
  const ports: Ports = { httpsPort: 0, httpPort: 0 }
  try {
    for (const listener of listeners) {
      const key = `${listener.name}Port` as const
      ports[key] = await openPort(listener, listen.address, listen[key])
    }
    return ports
  } catch (error) {
    for (const { server } of listeners) server.close()
    throw error
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** What is under way may end; connections without a request close at once, the others after their answer. */
async function drain(listeners: readonly Listener[], state: Serving, drainTimeout: number): Promise<void> {
  state.draining = true
  for (const outgoing of state.active) if (!outgoing.headersSent) outgoing.shouldKeepAlive = false
  const closed = Promise.all(
    listeners.map(({ server }) => new Promise<void>((resolve) => void server.close(() => resolve()))),
  )
  const busy = new Set([...state.active].map(({ socket }) => socket && peerOf(socket)))
  // By the peer's port: a TLS socket and the TCP socket beneath it are two objects.
  for (const { sockets } of listeners) for (const socket of sockets) if (!busy.has(peerOf(socket))) socket.destroy()
  const timer = setTimeout(() => {
    for (const { sockets } of listeners) for (const socket of sockets) socket.destroy()
  }, drainTimeout)
  await closed
  clearTimeout(timer)
}
