import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { Outgoing, Transport } from '../helpers/acmeClient.ts'

/**
 * One kept TLS connection that carries one HTTP/1.1 request after the other. Node's own agent costs the client more than the server spends on
 * the request, and both share the machine's cores.
 */
export interface Connection {
  transport: Transport
  close(): void
}

interface Reply {
  status: number
  headers: Map<string, string>
  text: string
}

/** Milliseconds for one answer, unless `own` says otherwise. */
const PATIENCE = 5_000

/** The server has not answered for so long that it never will. */
export class LockedUp extends Error {}

/** `ca`: PEM of the root that the server's certificate must lead to. `own`: certificate and key to show, patience. */
export function openConnection(baseUrl: string, ca: string, own: ConnectionOptions = {}): Promise<Connection> {
  const { hostname, port, host } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', servername: hostname, port: Number(port), ca, ...own })
    socket.setNoDelay(true)
    socket.setTimeout(own.timeout ?? PATIENCE)
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      socket.off('error', reject)
      resolve(speak(socket, host))
    })
  })
}

/** A connection to each node of one server. Requests go to them in turn, as a balancer without stickiness would send them. */
export async function openConnections(
  nodes: readonly { baseUrl: string }[],
  ca: string,
  own: ConnectionOptions = {},
): Promise<Connection> {
  const connections = await Promise.all(nodes.map(({ baseUrl }) => openConnection(baseUrl, ca, own)))
  let sent = 0
  return {
    transport: (outgoing) => (connections[sent++ % connections.length] as Connection).transport(outgoing),
    close() {
      for (const connection of connections) connection.close()
    },
  }
}

function speak(socket: TLSSocket, host: string): Connection {
  let received = ''
  let waiting: { resolve(reply: Reply): void; reject(error: Error): void; head: boolean } | undefined
  const fail = (error: Error) => {
    waiting?.reject(error)
    waiting = undefined
  }
  socket.setEncoding('latin1')
  socket.on('timeout', () => fail(new LockedUp(`${host} has not answered for ${socket.timeout} ms`)))
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the server closed the connection')))
  socket.on('data', (chunk: string) => {
    received += chunk
    if (!waiting) return
    const parsed = parseReply(received, waiting.head)
    if (!parsed) return
    received = received.slice(parsed.end)
    const { resolve } = waiting
    waiting = undefined
    resolve(parsed.reply)
  })
  return {
    transport: (outgoing) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject, head: outgoing.method === 'HEAD' }
        socket.write(requestText(outgoing, host))
      }),
    close: () => socket.destroy(),
  }
}

function requestText({ method, url, headers, body = '' }: Outgoing, host: string): string {
  const path = url.slice(url.indexOf('/', 8))
  const text = body.toString()
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`
  if (method === 'POST') head += `Content-Length: ${text.length}\r\n`
  return `${head}\r\n${text}`
}

/** undefined while the reply is not complete. `text` holds octets, one a character. */
function parseReply(text: string, head: boolean): { reply: Reply; end: number } | undefined {
  const split = text.indexOf('\r\n\r\n')
  if (split === -1) return undefined
  const [statusLine = '', ...lines] = text.slice(0, split).split('\r\n')
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  const status = Number(statusLine.split(' ')[1])
  const start = split + 4
  if (head || status === 204) return { reply: { status, headers, text: '' }, end: start }
  const body = headers.get('transfer-encoding') === 'chunked' ? chunked(text, start) : sized(text, start, headers)
  return body && { reply: { status, headers, text: body.text }, end: body.end }
}

interface Body {
  text: string
  end: number
}

function sized(text: string, start: number, headers: Map<string, string>): Body | undefined {
  const end = start + Number(headers.get('content-length') ?? 0)
  return text.length < end ? undefined : { text: text.slice(start, end), end }
}

function chunked(text: string, start: number): Body | undefined {
  let body = ''
  for (let at = start; ; ) {
    const line = text.indexOf('\r\n', at)
    if (line === -1) return undefined
    const length = Number.parseInt(text.slice(at, line), 16)
    const end = line + 2 + length
    if (text.length < end + 2) return undefined
    if (length === 0) return { text: body, end: end + 2 }
    body += text.slice(line + 2, end)
    at = end + 2
  }
}
