import { constants } from 'node:crypto'
import { createServer as createHttp, type RequestListener, type Server, type ServerOptions } from 'node:http'
import { createServer as createHttps, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { ConfigError } from '../config.ts'
import type { ListenerName } from '../protocol.ts'

/** What a client may take of the server. Times in milliseconds. */
export interface Limits {
  /** For the TLS handshake, and for a whole head. */
  headersTimeout: number
  /** For a whole request with its body. */
  requestTimeout: number
  /** Longer than the 60 seconds after which most load balancers close: whoever closes last gets no broken requests. */
  keepAliveTimeout: number
  /** Octets of request line and headers. SCEP's GET carries its message in the request line. */
  maxHeaderSize: number
  /** How often the timeouts are looked at. */
  checkInterval: number
  /** For what is under way when the server closes. */
  drainTimeout: number
}

export const LIMITS: Limits = {
  headersTimeout: 15_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 64 * 1024,
  checkInterval: 5_000,
  drainTimeout: 10_000,
}

/** Private key and certificate chain, leaf first, both PEM. */
export interface ServerCertificate {
  key: string
  cert: string
}

/** One open port. */
export interface Listener {
  name: ListenerName
  server: Server | HttpsServer
  /** What TLS speaks from now on; connections that stand keep theirs. Nothing for plain HTTP. */
  setCertificate(certificate: ServerCertificate): void
  /** Every TCP connection, also before its handshake is over. */
  sockets: Set<Socket>
}

/** `admit`: whether a new connection may stay. */
export function createListener(
  name: ListenerName,
  handle: RequestListener,
  { limits, admit }: { limits: Limits; admit: (socket: Socket) => boolean },
): Listener {
  const options: ServerOptions = {
    headersTimeout: limits.headersTimeout,
    requestTimeout: limits.requestTimeout,
    keepAliveTimeout: limits.keepAliveTimeout,
    maxHeaderSize: limits.maxHeaderSize,
    connectionsCheckingInterval: limits.checkInterval,
  }
  const sockets = new Set<Socket>()
  const listener = name === 'http' ? plainListener(options, handle) : tlsListener(name, options, limits, handle)
  listener.server.on('connection', (socket: Socket) => {
    if (!admit(socket)) return
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  return { name, ...listener, sockets }
}

function plainListener(options: ServerOptions, handle: RequestListener) {
  return { server: createHttp(options, handle), setCertificate: () => {} }
}

function tlsListener(name: 'https' | 'mtls', options: ServerOptions, limits: Limits, handle: RequestListener) {
  const context = {
    minVersion: 'TLSv1.2',
    // Nor does a client become another one in the middle of a connection.
    ...(name === 'mtls' ? { secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION } : {}),
  } as const
  // A resumed session has no chain, and the verdict of another day: no resumption where client certificates are asked for.
  const asking = name === 'mtls' ? { requestCert: true, rejectUnauthorized: false } : {}
  const server = createHttps({ ...options, ...context, ...asking, handshakeTimeout: limits.headersTimeout }, handle)
  // Whoever breaks off a handshake has told nothing that anybody needs to know.
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return {
    server,
    // Options that are not passed again would be lost.
    setCertificate: ({ key, cert }: ServerCertificate) => server.setSecureContext({ ...context, key, cert }),
  }
}

/** Opens the port and says which it is. Throws ConfigError. */
export function openPort({ name, server }: Listener, address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const setting = `COUNTERSIGN_${name.toUpperCase()}_PORT`
      const where = `${address.includes(':') ? `[${address}]` : address}:${port}`
      const why = REASONS[error.code ?? ''] ?? error.message
      reject(new ConfigError(`${setting}: cannot listen on ${where}: ${why}`, { cause: error }))
    }
    server.once('error', fail)
    server.listen({ host: address, port, backlog: 1024 }, () => {
      server.off('error', fail)
      const bound = server.address()
      resolve(typeof bound === 'object' && bound ? bound.port : port)
    })
  })
}

const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address (COUNTERSIGN_LISTEN)',
  EACCES: 'ports below 1024 need a privilege (CAP_NET_BIND_SERVICE)',
}
