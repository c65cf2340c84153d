import type { Socket } from 'node:net'
import { OVERLOAD, type OverloadConfig } from './config/overloadConfig.ts'
import type { ListenConfig } from './config.ts'
import { proxyTest, type SourceAddress } from './http/sourceAddress.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Host, ListenerName, Protocol } from './protocol.ts'
import { createAdmission } from './server/admission.ts'
import { answerBadRequest } from './server/badRequest.ts'
import { Bag } from './server/bag.ts'
import { createConnections } from './server/connections.ts'
import { createHandler, type Serving } from './server/exchange.ts'
import {
  createListener,
  LIMITS,
  type Limits,
  type Listener,
  openPort,
  type ServerCertificate,
} from './server/listener.ts'
import { mount } from './server/mounting.ts'
import { countOverload, tellOverload, type Watches } from './server/overloadReport.ts'
import { createPaceWatch } from './server/pace.ts'
import { createProbes } from './server/probes.ts'
import { createRequestLog } from './server/requestLog.ts'
import { createUnderWay } from './server/underWay.ts'
import type { Traces } from './telemetry/traces.ts'

export type { Limits, ServerCertificate } from './server/listener.ts'

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
  /** Addresses and networks of proxies: no share is theirs. */
  trustedProxies?: readonly string[]
  overload?: Partial<OverloadConfig>
  limits?: Partial<Limits>
  /** Absent: none are kept. */
  traces?: Pick<Traces, 'listener' | 'finished'>
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
  /** From now on /readyz says no, so that balancers send nothing more; the rest goes on. */
  announceEnd(): void
  /** Takes no more requests, lets those under way end, for at most limits.drainTimeout, and closes all connections. */
  close(): Promise<void>
}

export function createServer(options: ServerOptions): Server {
  const limits = { ...LIMITS, ...options.limits }
  const listeners: Listener[] = []
  const watches = createWatches(options, listeners)
  const state: Serving = {
    active: new Bag(),
    mounts: { https: [], mtls: [], http: [] },
    probes: createProbes({ ...options, ready: async () => false }),
    open: false,
    draining: false,
    underWay: createUnderWay(),
    admission: watches.admission,
  }
  const { traces } = options
  const report = createRequestLog(options)
  const finished = traces ? traces.finished(report) : report
  const { open: admit } = watches.connections
  for (const name of listenerNames(options.protocols)) {
    const handle = createHandler(name, state, { log: options.log, finished })
    const listener = createListener(name, traces ? traces.listener(handle) : handle, { limits, admit })
    listener.server.on('clientError', (error, socket) => answerBadRequest(error, socket, state.active))
    listeners.push(listener)
  }
  const setCertificate = (certificate: ServerCertificate) => {
    for (const listener of listeners) listener.setCertificate(certificate)
  }
  const silence = watch(options, { ...watches, state, every: limits.checkInterval })
  let ending = false
  return {
    listen: () => listenAll(listeners, options.listen),
    open({ host, tls, ready }) {
      state.mounts = mount(options.protocols, host, options.log)
      state.probes = createProbes({ ...options, ready: async () => !ending && (await ready()) })
      setCertificate(tls)
      state.open = true
    },
    setCertificate,
    announceEnd() {
      ending = true
    },
    async close() {
      ending = true
      await drain(listeners, state, limits.drainTimeout)
      silence()
    },
  }
}

function listenerNames(protocols: readonly Protocol[]): Set<ListenerName> {
  return new Set(['https', 'http', ...protocols.flatMap(({ mounts }) => mounts.flatMap(({ listeners }) => listeners))])
}

function createWatches(
  { sourceAddress, trustedProxies = [], overload }: ServerOptions,
  listeners: Listener[],
): Watches {
  const limits = { ...OVERLOAD, ...overload }
  const isProxy = proxyTest(trustedProxies)
  const closeIdle = () => {
    for (const { server } of listeners) server.closeIdleConnections()
  }
  return {
    admission: createAdmission({ limits, sourceAddress, isProxy }),
    connections: createConnections({ limits, isProxy, closeIdle }),
    pace: createPaceWatch(),
  }
}

/** Until the answer is called. */
function watch({ metrics, log }: ServerOptions, { state, every, ...watches }: Watches & Watched): () => void {
  countOverload(metrics, watches)
  const quiet = tellOverload(log, watches)
  const timer = setInterval(() => watches.pace.look(state.active, performance.now()), every).unref()
  return () => {
    quiet()
    clearInterval(timer)
  }
}

interface Watched {
  state: Serving
  every: number
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
