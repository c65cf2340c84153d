import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { OVERLOAD, type OverloadConfig } from './config/overloadConfig.ts'
import type { ListenConfig } from './config.ts'
import { proxyTest, type SourceAddress } from './http/sourceAddress.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Host, ListenerName, Protocol } from './protocol.ts'
import { createAdmission } from './server/admission.ts'
import { answerBadRequest, answerLate } from './server/badRequest.ts'
import { Bag } from './server/bag.ts'
import { createConnections } from './server/connections.ts'
import { closeAfter, createHandler, type Serving } from './server/exchange.ts'
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
  /** From now on /readyz says no, so that balancers send nothing more, and connections close after their next answer; the rest goes on. */
  announceEnd(): void
  /** Takes no more connections, lets requests under way end, for at most limits.drainTimeout, tells the rest to come again, and closes all connections. */
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
    ending: false,
    closing: false,
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
  const beginEnd = () => {
    state.ending = true
    for (const outgoing of state.active)
      if (state.underWay.lastOn(outgoing.req.socket) === outgoing) closeAfter(outgoing)
  }
  return {
    listen: () => listenAll(listeners, options.listen),
    open({ host, tls, ready }) {
      state.mounts = mount(options.protocols, host, options.log)
      state.probes = createProbes({ ...options, ready: async () => !state.ending && (await ready()) })
      setCertificate(tls)
      state.open = true
    },
    setCertificate,
    announceEnd: beginEnd,
    async close() {
      beginEnd()
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

/** Milliseconds in which a request that was on its way when the server began to close is still answered. */
const IN_FLIGHT = 500
/** Milliseconds for the answer to those whose time is over. */
const LAST_WORD = 250

/**
 * What is under way may end, and what comes meanwhile on connections that stand is answered too: a client that keeps one may have asked before it heard that it
 * closes. After every answer, and soon without one, connections close.
 */
async function drain(listeners: readonly Listener[], serving: Serving, drainTimeout: number): Promise<void> {
  const { active } = serving
  // That of HTTP would close at once those that rest.
  const closed = Promise.all(
    listeners.map(
      ({ server }) => new Promise<void>((resolve) => void NetServer.prototype.close.call(server, () => resolve())),
    ),
  )
  const closeResting = () => {
    serving.closing = true
    closeSockets(listeners, new Set([...active].map(({ socket }) => socket && peerOf(socket))))
  }
  const timers = [
    setTimeout(closeResting, Math.min(IN_FLIGHT, drainTimeout)),
    setTimeout(() => answerLate(active), drainTimeout),
    setTimeout(() => closeSockets(listeners), drainTimeout + LAST_WORD),
  ]
  await closed
  for (const timer of timers) clearTimeout(timer)
  // Of its timeouts.
  for (const { server } of listeners) server.close()
  // Sockets are gone before the answers on them hear of it.
  while (active.size > 0) await setImmediate()
}

/** By the peer's port: a TLS socket and the TCP socket beneath it are two objects. */
function closeSockets(listeners: readonly Listener[], but?: ReadonlySet<string | null>): void {
  for (const { sockets } of listeners) for (const socket of sockets) if (!but?.has(peerOf(socket))) socket.destroy()
}
