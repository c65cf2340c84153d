import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** How many octets of a body that nobody read are let through to keep the connection. */
const LEFTOVER = 64 * 1024
/** Milliseconds in which a client may still read its answer before the connection is cut. */
const LINGER = 250

/**
 * For 'clientError': what came is no HTTP, too large or too slow. Answers in plain form, unless an answer is on its way
 * already, and closes. `active`: all answers that have not ended.
 */
export function answerBadRequest(error: NodeJS.ErrnoException, socket: Duplex, active: Iterable<ServerResponse>): void {
  const answering = [...active].some(({ req, headersSent }) => headersSent && req.socket === socket)
  if (!socket.writable || answering || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const [status, detail] = REFUSALS[error.code ?? ''] ?? BAD_REQUEST
  answerPast(socket, status, detail)
}

/** To requests whose answers would come too late for a server that ends, above all to those that have not come whole. */
export function answerLate(active: Iterable<ServerResponse>): void {
  for (const { socket, headersSent } of active)
    if (socket?.writable && !headersSent)
      answerPast(socket, 503, 'the server ends, and cannot wait for this: ask again', ['Retry-After: 5'])
}

/** Past whoever would answer the request, who may try to, to no effect. */
function answerPast(socket: Duplex, status: number, detail: string, more: readonly string[] = []): void {
  const body = `${detail}\n`
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    ...more,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  cut(socket)
}

const BAD_REQUEST: [status: number, detail: string] = [400, 'this is no HTTP request that can be read']
const REFUSALS: Record<string, [status: number, detail: string]> = {
  HPE_HEADER_OVERFLOW: [431, 'the request line and the headers are too large'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'the chunk extensions of the body are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request took too long to arrive'],
}

/** After an answer: a body that is still on its way, and that nobody wants, is not read to its end. */
export function dropUnread(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return
  const announced = Number(incoming.headers['content-length'] ?? Number.NaN)
  if (announced <= LEFTOVER) return
  incoming.socket.end()
  cut(incoming.socket)
}

function cut(socket: Duplex): void {
  if (socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), LINGER).unref()
  socket.once('close', () => clearTimeout(timer))
}
