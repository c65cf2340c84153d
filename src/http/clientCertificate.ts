import type { IncomingMessage } from 'node:http'
import { type DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { Failure } from '../core/failure.ts'
import { ipInNetwork, parseIp } from '../pki/identifier.ts'
import { pemDecode } from '../pki/pem.ts'
import type { ClientCertificate } from '../protocol.ts'

/** Throws Failure('malformed') for a trusted proxy's header that cannot be read. */
export type ClientCertificateReader = (incoming: IncomingMessage) => ClientCertificate | undefined

const MAX_CHAIN = 8

/**
 * Reads the client certificate off the TLS connection. Where `header` is set, a connection from one of `trusted` is a proxy's: its header tells, and its own
 * certificate, if any, speaks for nobody. From anybody else the header means nothing.
 */
export function clientCertificateReader({
  trusted,
  header,
}: {
  trusted: readonly string[]
  header?: string | undefined
}): ClientCertificateReader {
  const name = header?.toLowerCase()
  return (incoming) => {
    if (name === undefined || !isFrom(incoming, trusted)) return ofConnection(incoming)
    const der = readHeader(incoming.headers[name])
    if (!der) return undefined
    const chain = name === 'client-cert' ? readChain(incoming.headers['client-cert-chain']) : []
    return { der, chain, by: 'proxy' }
  }
}

/** The octets that an address has behind ::ffff: are an IPv4 client's. */
function isFrom({ socket }: IncomingMessage, networks: readonly string[]): boolean {
  const ip = parseIp(socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? '')
  return ip !== undefined && networks.some((network) => ipInNetwork(ip, network))
}

const known = new WeakMap<TLSSocket, ClientCertificate | 'none'>()

/** Once for each connection: it is nothing that changes, and taking the chain apart costs more than the look-ups that follow. */
function ofConnection({ socket }: IncomingMessage): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const found = known.get(socket) ?? readConnection(socket) ?? 'none'
  known.set(socket, found)
  return found === 'none' ? undefined : found
}

/** Not by getPeerX509Certificate: after that the connection has forgotten the chain. */
function readConnection(socket: TLSSocket): ClientCertificate | undefined {
  let above: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  // An empty object where there was none.
  const der: Buffer | undefined = above?.raw
  if (!der) return undefined
  const chain: Buffer[] = []
  // The last one is its own issuer.
  while (above?.issuerCertificate && above.issuerCertificate !== above && chain.length < MAX_CHAIN) {
    above = above.issuerCertificate
    if (above.raw) chain.push(above.raw)
  }
  return { der, chain, by: 'tls' }
}

/** Base64 between colons (RFC 9440), PEM, PEM in percent-encoding, or plain base64, as proxies write it; empty: the client had none. */
function readHeader(value: string | string[] | undefined): Buffer | undefined {
  if (value === undefined || value === '') return undefined
  const text = typeof value === 'string' ? value : value.join(',')
  try {
    const plain = text.includes('%') ? decodeURIComponent(text) : text
    if (plain.includes('-----')) return readPem(plain)
    const base64 = /^:(.*):$/.exec(plain)?.[1] ?? plain
    const der = Buffer.from(base64, 'base64')
    if (der.length > 0 && der.toString('base64') === base64) return der
  } catch {
    // Said below, whatever it was.
  }
  throw unreadable()
}

/** Its line ends became spaces or tabs on the way, which stand in the boundaries too. */
function readPem(text: string): Buffer {
  const body = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(text)?.[1]
  if (body === undefined) throw unreadable()
  const lines = body.replace(/\s+/g, '\n').trim()
  const [block] = pemDecode(`-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`)
  if (!block) throw unreadable()
  return block.der
}

function readChain(value: string | string[] | undefined): Buffer[] {
  if (value === undefined) return []
  const members = (typeof value === 'string' ? value : value.join(',')).split(',').map((member) => member.trim())
  if (members.length > MAX_CHAIN) throw unreadable()
  return members.map((member) => {
    const base64 = /^:([A-Za-z0-9+/=]+):$/.exec(member)?.[1]
    if (base64 === undefined) throw unreadable()
    return Buffer.from(base64, 'base64')
  })
}

function unreadable(): Failure {
  return new Failure('malformed', 'the header with the client certificate cannot be read: look at the proxy')
}
