import { describe, expect, test } from 'vitest'
import type { ValidationResult } from '../../protocols/acme/outcome.ts'
import {
  challengeFor,
  closedPort,
  KEY_AUTHORIZATION,
  startDns,
  startHttp,
  startTcp,
  TOKEN,
  validatorWith,
} from '../helpers/validation.ts'

type Settings = Parameters<typeof validatorWith>[0]

async function timed(
  settings: Settings,
  name = 'localhost',
  signal?: AbortSignal,
): Promise<{ result: ValidationResult; ms: number }> {
  const start = performance.now()
  const result = await validatorWith(settings).validate(challengeFor('http-01', name), signal)
  return { result, ms: performance.now() - start }
}

const BREAK = '\r\n'

describe('ends in time', () => {
  test.each([
    ['never answers', ''],
    ['stops within the header', `HTTP/1.1 200 OK${BREAK}Server: x`],
    [
      'stops within the body',
      `HTTP/1.1 200 OK${BREAK}Content-Length: 87${BREAK}${BREAK}${KEY_AUTHORIZATION.slice(0, 80)}`,
    ],
    ['stops within a chunk', `HTTP/1.1 200 OK${BREAK}Transfer-Encoding: chunked${BREAK}${BREAK}57${BREAK}abc`],
    ['neither closes nor tells the length', `HTTP/1.1 200 OK${BREAK}${BREAK}${KEY_AUTHORIZATION}`],
  ])('with a responder that %s', async (_, octets) => {
    const http01Port = await startTcp((socket) => void socket.write(octets))
    const { result, ms } = await timed({ http01Port, timeoutMs: 150 })
    expect(result).toEqual({
      ok: false,
      error: { type: 'connection', detail: `127.0.0.1:${http01Port}: no answer within 150 ms` },
      retry: true,
    })
    expect(ms).toBeLessThan(600)
  })

  test.each([
    ['header', `HTTP/1.1 200 OK${BREAK}X: `],
    ['body', `HTTP/1.1 200 OK${BREAK}Content-Length: 500${BREAK}${BREAK}`],
    ['interim answers', ''],
  ])('with a responder that drips its %s for ever', async (what, start) => {
    const http01Port = await startTcp((socket) => {
      socket.write(start)
      const timer = setInterval(
        () => socket.write(what === 'interim answers' ? `HTTP/1.1 100 Continue${BREAK}${BREAK}` : 'x'),
        5,
      )
      socket.on('close', () => clearInterval(timer))
    })
    const { result, ms } = await timed({ http01Port, timeoutMs: 150 })
    expect(result).toMatchObject({ ok: false, error: { type: 'connection' } })
    expect(ms).toBeLessThan(600)
  })

  test('with redirects to a responder that never answers', async () => {
    const http01Port = await startHttp((request, response) => {
      if (request.url !== '/silence') response.writeHead(302, { Location: '/silence' }).end()
    })
    const { result, ms } = await timed({ http01Port, timeoutMs: 150 })
    expect(result).toMatchObject({ ok: false, error: { detail: `127.0.0.1:${http01Port}: no answer within 150 ms` } })
    expect(ms).toBeLessThan(600)
  })

  test.each(['http-01', 'dns-01', 'tls-alpn-01'] as const)(
    'with a name server that never answers, %s',
    async (type) => {
      const dns = await startDns()
      dns.set('*.test', { drop: true })
      const start = performance.now()
      const result = await validatorWith({ resolver: dns.address, timeoutMs: 150 }).validate(
        challengeFor(type, 'a.test'),
      )
      expect(result).toMatchObject({ ok: false, error: { type: 'dns' }, retry: true })
      expect(performance.now() - start).toBeLessThan(600)
    },
  )

  test('with retries of what is refused each time', async () => {
    const { result, ms } = await timed({ http01Port: await closedPort(), timeoutMs: 200 })
    expect(result).toMatchObject({ ok: false, error: { type: 'connection' }, retry: true })
    expect(ms).toBeLessThan(600)
  })

  test('and leaves no connection open', async () => {
    let open = 0
    let closed: (() => void) | undefined
    const gone = new Promise<void>((resolve) => {
      closed = resolve
    })
    const http01Port = await startTcp((socket) => {
      open++
      socket.resume()
      socket.on('close', () => {
        if (--open === 0) closed?.()
      })
    })
    await timed({ http01Port, timeoutMs: 100 })
    await gone
    expect(open).toBe(0)
  })
})

describe('stops when the caller says so', () => {
  const STOPPED = { ok: false, error: { type: 'serverInternal' }, retry: true }

  test('while a responder is silent', async () => {
    const caller = new AbortController()
    const http01Port = await startTcp(() => caller.abort())
    const { result, ms } = await timed({ http01Port, timeoutMs: 60_000 }, 'localhost', caller.signal)
    expect(result).toMatchObject(STOPPED)
    expect(ms).toBeLessThan(1000)
  })

  test('while a name server is silent', async () => {
    const caller = new AbortController()
    const dns = await startDns()
    dns.set('a.test', () => {
      caller.abort()
      return { drop: true }
    })
    const settings = { resolver: dns.address, timeoutMs: 60_000 }
    expect((await timed(settings, 'a.test', caller.signal)).result).toMatchObject(STOPPED)
  })

  test('between two tries', async () => {
    const caller = new AbortController()
    const http01Port = await startHttp((_, response) => {
      response.writeHead(503).end(() => setImmediate(() => caller.abort()))
    })
    const { result, ms } = await timed({ http01Port, timeoutMs: 60_000 }, 'localhost', caller.signal)
    expect(result).toMatchObject(STOPPED)
    expect(ms).toBeLessThan(1000)
  })

  test('before it began', async () => {
    let connected = 0
    const http01Port = await startTcp(() => connected++)
    const { result } = await timed({ http01Port, timeoutMs: 60_000 }, 'localhost', AbortSignal.abort())
    expect(result).toMatchObject(STOPPED)
    expect(connected).toBe(0)
  })
})

describe('is not talked into anything', () => {
  const validator = validatorWith({})
  test.each([
    ['a host with a line break', { type: 'dns' as const, value: 'a.test\r\nX: y' }],
    ['a host with a port', { type: 'dns' as const, value: 'a.test:22' }],
    ['an address as a name', { type: 'dns' as const, value: '127.0.0.1' }],
    ['a hexadecimal address as a name', { type: 'dns' as const, value: '0x7f000001' }],
    ['a wildcard', { type: 'dns' as const, value: '*.a.test' }],
    ['an octal address', { type: 'ip' as const, value: '0177.0.0.1' }],
    ['a name as an address', { type: 'ip' as const, value: 'localhost' }],
  ])('by %s', async (_, identifier) => {
    for (const type of ['http-01', 'tls-alpn-01'] as const) {
      const challenge = { type, identifier, token: TOKEN, keyAuthorization: KEY_AUTHORIZATION }
      expect(await validator.validate(challenge)).toMatchObject({
        ok: false,
        error: { type: 'malformed' },
        retry: false,
      })
    }
  })

  test.each(['../secret', 'a b', 'a\r\nb', '', 'a%2fb', 'x'.repeat(201)])('by the token %j', async (token) => {
    const challenge = { ...challengeFor('http-01', 'localhost'), token }
    expect(await validator.validate(challenge)).toMatchObject({ ok: false, error: { type: 'malformed' } })
  })

  test.each(['dns.example', '::1:53:x'])('by the resolver setting %s', (resolver) => {
    expect(() => validatorWith({ resolver })).toThrow()
  })

  test('by a user agent with a line break', () => {
    expect(() => validatorWith({ userAgent: 'a\r\nX: y' })).toThrow('printable ASCII')
  })
})

describe('a resolver that is not on the loopback interface gets a source port for each question', () => {
  // By its mapped form the server of this test passes for one.
  const outside = (port: number) => `[::ffff:127.0.0.1]:${port}`

  test('and answers', async () => {
    const dns = await startDns()
    dns.set('*.test', { A: ['127.0.0.1'], delayMs: 20 })
    const http01Port = await startHttp((_, response) => response.end(KEY_AUTHORIZATION))
    const validator = validatorWith({ http01Port, resolver: outside(dns.port) })
    const names = ['a.test', 'b.test', 'c.test', 'd.test', 'e.test']
    const results = await Promise.all(names.map((name) => validator.validate(challengeFor('http-01', name))))
    expect(results.map(({ ok }) => ok)).toEqual(names.map(() => true))
    const ports = dns.asked.filter(({ type }) => type === 'A').map(({ fromPort }) => fromPort)
    expect(new Set(ports).size).toBe(5)
  })

  test('or never answers, and is given up', async () => {
    const dns = await startDns()
    dns.set('a.test', { drop: true })
    const { result, ms } = await timed({ resolver: outside(dns.port), timeoutMs: 150 }, 'a.test')
    expect(result).toMatchObject({ ok: false, error: { type: 'dns' }, retry: true })
    expect(ms).toBeLessThan(600)
  })
})

test('many at once do not disturb each other', async () => {
  const dns = await startDns()
  dns.set('*.good.test', { A: ['127.0.0.1'] })
  dns.set('*.gone.test', { rcode: 'NXDOMAIN' })
  const http01Port = await startHttp((_, response) => response.end(KEY_AUTHORIZATION))
  const validator = validatorWith({ http01Port, resolver: dns.address, timeoutMs: 1500 })
  const names = Array.from({ length: 100 }, (_, n) => `h${n}.${n % 4 ? 'good' : 'gone'}.test`)
  const results = await Promise.all(names.map((name) => validator.validate(challengeFor('http-01', name))))
  expect(results.map(({ ok }) => ok)).toEqual(names.map((name) => name.includes('good')))
})
