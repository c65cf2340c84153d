// The answer to one GET on a connection of its own (RFC 9112), read with nothing in mind but its status, Location and the start of its
// body. Three times cheaper than node:http, and bounded in every direction. Lenient where small responders are sloppy (bare LF,
// stray header lines): what counts is whether the body holds a value that only the right client knows.

export interface HttpResponse {
  status: number
  location: string | undefined
  /** At most `maxBody` octets, chunks joined. Empty when the status is not 200. */
  body: Buffer
  /** The body goes on beyond `maxBody`. */
  truncated: boolean
}

export interface ResponseReader {
  /** Takes what arrived; the response once it is complete. Throws HttpSyntaxError. */
  push(chunk: Buffer): HttpResponse | undefined
  /** The other side has closed. Throws HttpSyntaxError if that came too early. */
  end(): HttpResponse
}

export class HttpSyntaxError extends Error {
  override readonly name = 'HttpSyntaxError'
}

/** Head and body with their framing. */
const MAX_OCTETS = 32 * 1024
const LF = 10
const CR = 13

interface Head {
  status: number
  location: string | undefined
  framing: 'chunked' | 'close' | number
}

export function createResponseReader(maxBody: number): ResponseReader {
  let data: Buffer = Buffer.alloc(0)
  let head: Head | undefined
  let received = 0
  let scanned = 0

  const take = (ended: boolean): HttpResponse | undefined => {
    while (!head) {
      const end = endOfHead(data, Math.max(0, scanned - 2))
      scanned = end < 0 ? data.length : 0
      if (end < 0) return undefined
      const read = parseHead(data.toString('latin1', 0, end))
      data = data.subarray(end)
      // An interim response: the real one follows (RFC 9110 section 15.2).
      if (read.status >= 200) head = read
      else if (read.status === 101) throw new HttpSyntaxError('it switched to another protocol')
    }
    const { status, location } = head
    if (status !== 200) return { status, location, body: Buffer.alloc(0), truncated: false }
    const { body, complete } = bodyOf(data, head.framing, maxBody)
    const truncated = body.length > maxBody
    if (!complete && !truncated && !ended) return undefined
    return { status, location, body: body.subarray(0, maxBody), truncated }
  }

  return {
    push(chunk) {
      const room = chunk.subarray(0, MAX_OCTETS - received)
      received += room.length
      data = data.length === 0 ? room : Buffer.concat([data, room])
      const response = take(false)
      if (!response && received >= MAX_OCTETS)
        throw new HttpSyntaxError(`it has more than ${MAX_OCTETS} octets before its body ends`)
      return response
    },
    end() {
      const response = take(true)
      if (!response)
        throw new HttpSyntaxError(
          received === 0 ? 'the connection was closed without an answer' : 'it ends within its header',
        )
      return response
    },
  }
}

/** Where the body starts, or -1. */
function endOfHead(data: Buffer, from: number): number {
  for (let at = data.indexOf(LF, from); at >= 0; at = data.indexOf(LF, at + 1)) {
    if (data[at + 1] === LF) return at + 2
    if (data[at + 1] === CR && data[at + 2] === LF) return at + 3
  }
  return -1
}

const STATUS_LINE = /^HTTP\/1\.[01] +([1-5]\d\d)(?:[ \t]|$)/

function parseHead(text: string): Head {
  const lines = text.split('\n')
  const status = STATUS_LINE.exec(lines[0]?.replace(/\r$/, '') ?? '')?.[1]
  if (!status) throw new HttpSyntaxError('it does not start with a status line of HTTP/1.1')
  let location: string | undefined
  let length: string | undefined
  let chunked = false
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at] ?? ''
    const colon = line.indexOf(':')
    const value = line.slice(colon + 1).trim()
    switch (line.slice(0, Math.max(0, colon)).toLowerCase()) {
      case 'location':
        location ??= value
        break
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (length !== undefined && Number(length) !== Number(value)))
          throw new HttpSyntaxError('its Content-Length is no number')
        length = value
        break
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked')
          throw new HttpSyntaxError('its Transfer-Encoding was not asked for')
        chunked = true
        break
      case 'content-encoding':
        if (value.toLowerCase() !== 'identity') throw new HttpSyntaxError('it is compressed, which was not asked for')
    }
  }
  return {
    status: Number(status),
    location,
    framing: chunked ? 'chunked' : length === undefined ? 'close' : Number(length),
  }
}

/** What there is of the body; beyond `max` octets it need not be whole. */
function bodyOf(data: Buffer, framing: Head['framing'], max: number): { body: Buffer; complete: boolean } {
  if (framing === 'close') return { body: data, complete: false }
  if (framing === 'chunked') return joinChunks(data, max)
  return { body: data.subarray(0, framing), complete: data.length >= framing }
}

/** RFC 9112 section 7.1; trailers are not waited for. */
function joinChunks(data: Buffer, max: number): { body: Buffer; complete: boolean } {
  const parts: Buffer[] = []
  let length = 0
  for (let at = 0; length <= max; ) {
    const lineEnd = data.indexOf(LF, at)
    if (lineEnd < 0) break
    const line = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?\r?$/.exec(data.toString('latin1', at, lineEnd))
    if (!line?.[1]) throw new HttpSyntaxError('a chunk of it has no size')
    const size = Number.parseInt(line[1], 16)
    if (size === 0) return { body: Buffer.concat(parts), complete: true }
    const part = data.subarray(lineEnd + 1, lineEnd + 1 + size)
    parts.push(part)
    length += part.length
    at = lineEnd + 1 + size
    if (data[at] === CR) at++
    if (at < data.length && data[at] !== LF) throw new HttpSyntaxError('a chunk of it does not end where its size says')
    at++
  }
  return { body: Buffer.concat(parts), complete: false }
}
