import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createResponseReader, type HttpResponse, HttpSyntaxError } from '../../protocols/acme/httpResponse.ts'

function read(pieces: readonly Buffer[], maxBody = 512): HttpResponse | 'refused' {
  const reader = createResponseReader(maxBody)
  try {
    for (const piece of pieces) {
      const response = reader.push(piece)
      if (response) return response
    }
    return reader.end()
  } catch (error) {
    expect(error).toBeInstanceOf(HttpSyntaxError)
    return 'refused'
  }
}

function cut(octets: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((n) => n % (octets.length + 1)).sort((a, b) => a - b), octets.length]
  return places.slice(1).map((end, i) => octets.subarray(places[i] ?? 0, end))
}

const head = fc.constantFrom(
  'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 \r\nContent-Length:20 \r\n\r\n',
  'HTTP/1.1 103 \nLink: x\n\nHTTP/1.1 200 OK\nX-A: b\n\n',
  'HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n',
)

test('the answer does not depend on how the octets are cut', () => {
  const body = fc.string({ maxLength: 40 }).map((text) => Buffer.from(text, 'latin1'))
  fc.assert(
    fc.property(head, body, fc.array(fc.nat()), (start, end, places) => {
      const octets = Buffer.concat([Buffer.from(start), end])
      expect(read(cut(octets, places))).toEqual(read([octets]))
    }),
  )
})

test('a body in chunks is joined, however it is cut', () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 8 })
  fc.assert(
    fc.property(chunks, fc.array(fc.nat()), (parts, places) => {
      const encoded = parts.map((part) =>
        Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
      )
      const octets = Buffer.concat([
        Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
        ...encoded,
        Buffer.from('0\r\n\r\n'),
      ])
      expect(read(cut(octets, places))).toMatchObject({ status: 200, body: Buffer.concat(parts), truncated: false })
    }),
  )
})

test('random octets are read or refused', () => {
  const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
  const grammar = fc.constantFrom(
    'HTTP/1.1 200',
    '\r\n',
    '\n',
    ': ',
    'Content-Length',
    'Transfer-Encoding: chunked',
    '5',
    'ffffffff',
    ';',
    '\0',
  )
  const mixed = fc
    .array(
      fc.oneof(
        grammar.map((text) => Buffer.from(text)),
        noise,
      ),
    )
    .map((parts) => Buffer.concat(parts))
  fc.assert(
    fc.property(fc.oneof(noise, mixed), fc.array(fc.nat()), (octets, places) => {
      const response = read(cut(octets, places))
      if (response !== 'refused') expect(response.body.length).toBeLessThanOrEqual(512)
    }),
    { numRuns: 500 },
  )
})

describe('bounds', () => {
  test('a body is cut off, and says so', () => {
    const response = read([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789a')], 10)
    expect(response).toMatchObject({ body: Buffer.from('0123456789'), truncated: true })
  })
  test('a body that just fits is not', () => {
    const response = read([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789a')], 10)
    expect(response).toMatchObject({ body: Buffer.from('0123456789'), truncated: false })
  })
  test('endless interim answers are refused', () => {
    expect(read(Array.from({ length: 5000 }, () => Buffer.from('HTTP/1.1 100 \r\n\r\n')))).toBe('refused')
  })
  test('a header of many blanks takes no time', () => {
    const start = performance.now()
    expect(read([Buffer.from(`HTTP/1.1 200 OK\r\nX:${' '.repeat(32_000)}x\r\n\r\n`)])).toMatchObject({ status: 200 })
    expect(performance.now() - start).toBeLessThan(200)
  })
  test('a header in single octets takes little', () => {
    const octets = Buffer.from(`HTTP/1.1 200 OK\r\nX: ${'y'.repeat(30_000)}\r\n\r\nz`)
    const start = performance.now()
    expect(read(Array.from(octets, (_, at) => octets.subarray(at, at + 1)))).toMatchObject({ body: Buffer.from('z') })
    expect(performance.now() - start).toBeLessThan(1500)
  })
})
