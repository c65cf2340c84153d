import type { X509Certificate } from 'node:crypto'
import { constants } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { type Look, largestCertificate, mostCertificates } from '../core/discovery/discoveryReach.ts'
import { plainCertificates } from '../pki/tlsHandshake.ts'

/** Octets that a server may send until its handshake is over. OpenSSL itself takes a chain of 100 KiB. */
const MOST_OCTETS = 256 * 1024

export interface TlsLook {
  /** An address, as it was checked: nothing is looked up here. */
  address: string
  port: number
  /** Absent: the server is asked for by its address alone. */
  name?: string
  /** Milliseconds. */
  connectTimeout: number
  handshakeTimeout: number
  /** Breaks the look off. */
  signal: AbortSignal
}

/**
 * Shakes hands with a TLS server of any version and reads its certificates, of which nothing is believed; says no word after that. One that asks for a client
 * certificate gets none, and has shown its own by then. Never rejects.
 */
export async function lookAtTls(options: TlsLook): Promise<Look> {
  const raw = await dial(options)
  if (typeof raw === 'string') return { outcome: 'unreachable', detail: raw }
  return shakeHands(raw, options)
}

const STOPPED = 'the look was broken off'

/** The connection, or why there is none. */
function dial({ address, port, connectTimeout, signal }: TlsLook): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: address, port, autoSelectFamily: false })
    const stop = () => end(STOPPED)
    const end = (answer: Socket | string) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      if (typeof answer === 'string') socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(() => end(`no answer within ${connectTimeout / 1000} s`), connectTimeout)
    socket.on('error', (error: NodeJS.ErrnoException) => end(reasons[error.code ?? ''] ?? `${error.code}`))
    socket.once('connect', () => end(socket))
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
  })
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'the connection is refused',
  ECONNRESET: 'the connection was broken off',
  EHOSTUNREACH: 'no route leads to the host',
  ENETUNREACH: 'no route leads to the network',
  ETIMEDOUT: 'no answer',
}

let anyServer: SecureContext | undefined

/** As old as OpenSSL goes, and trusting nobody: no root of our own is put into what the server sent. */
function context(): SecureContext {
  anyServer ??= createSecureContext({
    ca: [],
    minVersion: 'TLSv1',
    ciphers: 'ALL:@SECLEVEL=0',
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
  })
  return anyServer
}

function shakeHands(raw: Socket, { name, handshakeTimeout, signal }: TlsLook): Promise<Look> {
  return new Promise((resolve) => {
    const heard: Buffer[] = []
    const pipe = counted(raw, heard)
    const tls = connect({
      socket: pipe,
      secureContext: context(),
      rejectUnauthorized: false,
      minDHSize: 1,
      ...(name === undefined ? {} : { servername: name }),
    })
    const stop = () => end(STOPPED)
    let over = false
    const end = (trouble: string) => {
      if (over) return
      over = true
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      const sent = plainCertificates(Buffer.concat(heard)) ?? certificatesOf(tls)
      resolve(sent.length > 0 ? lookOf(sent) : { outcome: 'unreadable', detail: trouble })
      // A turn later: at this moment OpenSSL may still read.
      setImmediate(() => {
        tls.destroy()
        raw.destroy()
      })
    }
    const timer = setTimeout(
      () => end(`the TLS handshake was not over within ${handshakeTimeout / 1000} s`),
      handshakeTimeout,
    )
    tls.on('error', (error: NodeJS.ErrnoException) => end(troubleOf(error)))
    tls.once('close', () => end('the connection was closed during the TLS handshake'))
    tls.once('secureConnect', () => end('the server shows no certificate'))
    signal.addEventListener('abort', stop)
    if (signal.aborted) stop()
  })
}

/** What goes to and fro over a connection, until more has come than a handshake has. */
function counted(raw: Socket, heard: Buffer[]): Duplex {
  let octets = 0
  const pipe = new Duplex({
    read: () => raw.resume(),
    write: (chunk: Buffer, _encoding, done) => raw.write(chunk, () => done()),
    final: (done) => raw.end(done),
    destroy(error, done) {
      raw.destroy()
      done(error)
    },
  })
  raw.on('data', (chunk: Buffer) => {
    octets += chunk.length
    if (octets > MOST_OCTETS) {
      raw.destroy()
      pipe.destroy(new Error(`more than ${MOST_OCTETS / 1024} KiB came before the TLS handshake was over`))
      return
    }
    heard.push(chunk)
    if (!pipe.push(chunk)) raw.pause()
  })
  raw.on('end', () => pipe.push(null))
  raw.on('close', () => pipe.destroy())
  raw.on('error', () => pipe.destroy())
  return pipe
}

/** As the server sent them: its own first, then what stands behind it. */
function certificatesOf(tls: TLSSocket): Buffer[] {
  const all: Buffer[] = []
  let next: X509Certificate | undefined = tls.getPeerX509Certificate()
  while (next && all.length <= mostCertificates) {
    all.push(next.raw)
    next = next.issuerCertificate
  }
  return all
}

/** Bounded as Look says. */
export function lookOf(sent: readonly Buffer[]): Look {
  const small = sent.filter(({ length }) => length > 0 && length <= largestCertificate)
  const certificates = small.slice(0, mostCertificates)
  if (certificates.length === 0)
    return { outcome: 'unreadable', detail: `no certificate of at most ${largestCertificate / 1024} KiB is there` }
  if (certificates.length === sent.length) return { outcome: 'found', certificates }
  const limit = `${mostCertificates} certificates of ${largestCertificate / 1024} KiB`
  return { outcome: 'found', certificates, note: `more is there than is read: at most ${limit}` }
}

function troubleOf({ code = '', message }: NodeJS.ErrnoException): string {
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'the connection was broken off during the TLS handshake'
  // OpenSSL's own words, for example ERR_SSL_WRONG_VERSION_NUMBER.
  if (code.startsWith('ERR_SSL_'))
    return `the TLS handshake failed: ${code.slice('ERR_SSL_'.length).replace(/_/g, ' ').toLowerCase()}`
  return code === '' ? message : `the TLS handshake failed: ${code}`
}
