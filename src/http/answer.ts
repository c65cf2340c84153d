import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'

/** A complete HTTP answer, for what is served both before the framework and by it. */
export interface HttpAnswer {
  status: number
  headers: Record<string, string>
  /** Parts follow each other: what is long is not copied together for it. */
  body: Buffer | string | readonly Buffer[]
}

/** Sends it; to HEAD without the body, but with its length. */
export function sendAnswer(incoming: IncomingMessage, outgoing: ServerResponse, answer: HttpAnswer): void {
  const { body } = answer
  outgoing.writeHead(answer.status, complete(answer))
  if (incoming.method === 'HEAD') outgoing.end()
  else if (isParts(body)) writeSlices(outgoing, slices(body))
  else if (body.length > SLICE && typeof body !== 'string') writeSlices(outgoing, slices([body]))
  else outgoing.end(body)
}

/** Octets that are handed to a connection at a time: under TLS all that is handed over is held once more, encrypted. */
const SLICE = 64 * 1024

function* slices(parts: readonly Buffer[]): Generator<Buffer> {
  for (const part of parts)
    for (let at = 0; at < part.length; at += SLICE) yield part.subarray(at, Math.min(at + SLICE, part.length))
}

/** As fast as the client takes them. One that goes away is asked no more. */
function writeSlices(outgoing: ServerResponse, left: Generator<Buffer>): void {
  for (;;) {
    const { value, done } = left.next()
    if (done) break
    if (!outgoing.write(value)) {
      outgoing.once('drain', () => writeSlices(outgoing, left))
      return
    }
  }
  outgoing.end()
}

function isParts(body: HttpAnswer['body']): body is readonly Buffer[] {
  return Array.isArray(body)
}

function lengthOf(body: HttpAnswer['body']): number {
  return isParts(body) ? body.reduce((sum, { length }) => sum + length, 0) : Buffer.byteLength(body)
}

/** The same answer as the framework takes it; to HEAD without the body. */
export function toResponse(incoming: IncomingMessage, answer: HttpAnswer): Response {
  return asResponse(answer, incoming.method === 'HEAD')
}

export function asResponse(answer: HttpAnswer, bare = false): Response {
  // The types of Response allow for shared memory, and no Buffer of ours is in any.
  const whole = isParts(answer.body) ? Buffer.concat(answer.body) : answer.body
  const body = bare || bodiless(answer.status) ? null : (whole as string | Uint8Array<ArrayBuffer>)
  return new Response(body, { status: answer.status, headers: complete(answer) })
}

const bodiless = (status: number): boolean => status === 204 || status === 304

// RFC 9110 section 8.6: a 204 without a length; a 304 without one rather than with one that is not that of the 200.
function complete({ status, headers, body }: HttpAnswer): Record<string, string> {
  return bodiless(status) ? headers : { ...headers, 'Content-Length': String(lengthOf(body)) }
}

/** For people: one line of text. */
export function plain(status: number, detail: string, headers: Record<string, string> = {}): HttpAnswer {
  const shared = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }
  return { status, headers: { ...shared, ...headers }, body: `${detail}\n` }
}

/** A problem document without a type of its own (RFC 9457 section 4.2.1). */
export function problem(status: number, detail: string, headers: Record<string, string> = {}): HttpAnswer {
  const shared = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' }
  const title = STATUS_CODES[status] ?? 'Error'
  return {
    status,
    headers: { ...shared, ...headers },
    body: JSON.stringify({ type: 'about:blank', title, status, detail }),
  }
}
