import type { IncomingMessage, RequestListener } from 'node:http'
import { expect, test } from 'vitest'
import type { ValidationResult } from '../../protocols/acme/outcome.ts'
import type { ValidationSettings } from '../../protocols/acme/validate.ts'
import {
  CHALLENGE_PATH,
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

const right: RequestListener = (_, response) => response.end(KEY_AUTHORIZATION)

function validate(http01Port: number, settings: Settings = {}, name = 'localhost'): Promise<ValidationResult> {
  return validatorWith({ http01Port, ...settings }).validate(challengeFor('http-01', name))
}

/** Answers every connection with these octets, and keeps it open unless told to close it. */
function answering(octets: string, { close = false } = {}): Promise<number> {
  return startTcp((socket) => socket.once('data', () => (close ? socket.end(octets) : socket.write(octets))))
}

function detailOf(result: ValidationResult): string {
  return result.ok ? '' : `${result.error.type}: ${result.error.detail}`
}

test('wire 43: asks once for the path of the token and takes the key authorization (RFC 8555 section 8.3)', async () => {
  const seen: IncomingMessage[] = []
  const port = await startHttp((request, response) => {
    seen.push(request)
    response.end(KEY_AUTHORIZATION)
  })
  expect(await validate(port)).toEqual({ ok: true, address: '127.0.0.1' })
  expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([`GET ${CHALLENGE_PATH}`])
  expect(seen[0]?.headers).toEqual({
    host: `localhost:${port}`,
    'user-agent': 'countersign-test/1.0',
    accept: '*/*',
    'accept-encoding': 'identity',
    connection: 'close',
  })
})

test.each([
  ['white space after it', `HTTP/1.1 200 OK\r\nContent-Length: 94\r\n\r\n${KEY_AUTHORIZATION} \t\r\n\r\n\r\n`],
  [
    'a body in chunks',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ne\r\n56;x=y\r\n${KEY_AUTHORIZATION.slice(1)}\r\n0\r\n\r\n`,
  ],
  ['HTTP/1.0 until the connection closes', `HTTP/1.0 200 OK\r\n\r\n${KEY_AUTHORIZATION}`],
  ['lines that end in LF alone', `HTTP/1.1 200 OK\nContent-Length: 87\n\n${KEY_AUTHORIZATION}`],
  ['a stray header line', `HTTP/1.0 200 OK\r\n what is this\r\nContent-Length: 87\r\n\r\n${KEY_AUTHORIZATION}`],
  [
    'an interim answer',
    `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\n${KEY_AUTHORIZATION}`,
  ],
])('takes %s', async (what, octets) => {
  const port = await answering(octets, { close: what.includes('closes') })
  expect(await validate(port)).toEqual({ ok: true, address: '127.0.0.1' })
})

test('takes an answer that comes octet by octet', async () => {
  const port = await startTcp((socket) => {
    socket.setNoDelay(true)
    const octets = [...`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 87\r\n\r\n${KEY_AUTHORIZATION}`]
    const next = () => {
      const octet = octets.shift()
      if (octet !== undefined && !socket.destroyed) socket.write(octet, () => setImmediate(next))
    }
    next()
  })
  expect(await validate(port)).toMatchObject({ ok: true })
})

test('an identifier that is an address needs no DNS, and stands in Host as it is (RFC 8738 sections 4 and 5)', async () => {
  const dns = await startDns()
  const hosts: (string | undefined)[] = []
  const port = await startHttp((request, response) => {
    hosts.push(request.headers.host)
    response.end(KEY_AUTHORIZATION)
  })
  await startHttp(
    (request, response) => {
      hosts.push(request.headers.host)
      response.end(KEY_AUTHORIZATION)
    },
    '::1',
    port,
  )
  const settings = { resolver: dns.address }
  expect(await validate(port, settings, '127.0.0.1')).toEqual({ ok: true, address: '127.0.0.1' })
  expect(await validate(port, settings, '::1')).toEqual({ ok: true, address: '::1' })
  expect(hosts).toEqual([`127.0.0.1:${port}`, `[::1]:${port}`])
  expect(dns.asked).toEqual([])
})

test('a name goes to the address that DNS gives, IPv6 first', async () => {
  const dns = await startDns()
  dns.set('both.test', { A: ['127.0.0.1'], AAAA: ['::1'] })
  const port = await startHttp(right)
  await startHttp(right, '::1', port)
  expect(await validate(port, { resolver: dns.address }, 'both.test')).toEqual({ ok: true, address: '::1' })
  expect(dns.asked.map(({ type }) => type).sort()).toEqual(['A', 'AAAA'])
})

test('falls back to the next address when one does not answer', async () => {
  const dns = await startDns()
  dns.set('both.test', { A: ['127.0.0.9', '127.0.0.1'], AAAA: ['::1'] })
  const port = await startHttp(right)
  expect(await validate(port, { resolver: dns.address }, 'both.test')).toEqual({ ok: true, address: '127.0.0.1' })
})

test('leaves out the addresses that it may not reach', async () => {
  const dns = await startDns()
  dns.set('mixed.test', { A: ['169.254.169.254', '127.0.0.2', '127.0.0.1'] })
  const port = await startHttp(right)
  const settings = { resolver: dns.address, networks: '127.0.0.1' }
  expect(await validate(port, settings, 'mixed.test')).toEqual({ ok: true, address: '127.0.0.1' })
})

test('waits a moment for a server that is just starting', async () => {
  const port = await closedPort()
  const answer = validate(port, { timeoutMs: 1000 })
  await startHttp(right, '127.0.0.1', port)
  expect(await answer).toMatchObject({ ok: true })
})

test('asks again after a status of the passing kind', async () => {
  const statuses = [503, 404]
  const port = await startHttp((_, response) => {
    response.statusCode = statuses.shift() ?? 200
    response.end(KEY_AUTHORIZATION)
  })
  expect(await validate(port, { timeoutMs: 1000 })).toMatchObject({ ok: true })
  expect(statuses).toEqual([])
})

test('does not ask again after an answer that is wrong for good', async () => {
  let asked = 0
  const port = await startHttp((_, response) => {
    asked++
    response.end('wrong')
  })
  expect(await validate(port)).toMatchObject({ ok: false, retry: false })
  expect(asked).toBe(1)
})

test('a wrong body is shown beside the one expected', async () => {
  const port = await startHttp((_, response) => response.end('<h1>hällo</h1>\n'))
  expect(detailOf(await validate(port))).toBe(
    `incorrectResponse: http://localhost:${port}${CHALLENGE_PATH} (127.0.0.1) returned "<h1>h\\u00c3\\u00a4llo</h1>", ` +
      `expected the key authorization "${KEY_AUTHORIZATION}"`,
  )
})

test.each([
  ['a key authorization with one more character', `${KEY_AUTHORIZATION}x`],
  ['white space before it', ` ${KEY_AUTHORIZATION}`],
  ['the token alone', TOKEN],
  ['more after many blanks', `${KEY_AUTHORIZATION}${' '.repeat(600)}x`],
  ['nothing', ''],
  ['other letter case', KEY_AUTHORIZATION.toLowerCase()],
])('refuses %s', async (_, body) => {
  const port = await startHttp((_, response) => response.end(body))
  expect(await validate(port)).toMatchObject({ ok: false, error: { type: 'incorrectResponse' }, retry: false })
})

test('wire 43: a huge body is read no further than needed, and told in at most 1000 characters', async () => {
  let sent = 0
  const port = await startHttp((_, response) => {
    const more = () => {
      while (!response.destroyed && sent < 1e9 && response.write(Buffer.alloc(65536, '\u0007'))) sent += 65536
    }
    response.on('drain', more)
    more()
  })
  const detail = detailOf(await validate(port))
  expect(detail).toContain('more than 512 octets')
  expect(detail.length).toBeLessThan(1000)
  expect(sent).toBeLessThan(20e6)
})

test.each([403, 500, 204, 206, 304, 299])('refuses status %i, whatever the body', async (status) => {
  const port = await answering(`HTTP/1.1 ${status} So\r\nContent-Length: 87\r\n\r\n${KEY_AUTHORIZATION}`)
  const detail = detailOf(await validate(port, { timeoutMs: 100 }))
  expect(detail).toBe(
    `incorrectResponse: http://localhost:${port}${CHALLENGE_PATH} (127.0.0.1) answered with status ${status}, not 200`,
  )
})

test.each([
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'does not start with a status line'],
  ['an endless header', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(10_000)}`, 'more than 32768 octets'],
  ['a compressed body', 'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc', 'compressed'],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc', 'Content-Length'],
  ['a broken chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'chunk'],
  ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'another protocol'],
])('refuses %s', async (_, octets, words) => {
  const result = await validate(await answering(octets))
  expect(result).toMatchObject({ ok: false, error: { type: 'incorrectResponse' } })
  expect(detailOf(result)).toContain(words)
})

test('tells of a connection that is closed without an answer', async () => {
  const port = await startTcp((socket) => socket.once('data', () => socket.end()))
  expect(detailOf(await validate(port))).toContain('the connection was closed without an answer')
})

test('tells of a port on which nobody listens', async () => {
  const port = await closedPort()
  const result = await validate(port, {}, '127.0.0.1')
  expect(result).toEqual({
    ok: false,
    error: { type: 'connection', detail: `127.0.0.1:${port}: connection refused` },
    retry: true,
  })
})

test.each([
  ['127.0.0.1', '127.0.0.1 is a loopback address'],
  ['169.254.169.254', '169.254.169.254 is a metadata address'],
  ['::ffff:127.0.0.1', '::ffff:127.0.0.1 is a loopback address'],
  ['localhost', 'localhost has a loopback address'],
  ['a.b.localhost', 'a.b.localhost has a loopback address'],
])('does not connect to %s without permission', async (name, words) => {
  let connected = 0
  const port = await startTcp(() => connected++)
  const result = await validate(port, { networks: '' }, name)
  expect(detailOf(result)).toBe(
    `connection: ${words}, which validation may not reach here; an administrator can allow it with COUNTERSIGN_VALIDATION_NETWORKS`,
  )
  expect(connected).toBe(0)
})

test('does not tell which refused address a name has', async () => {
  const dns = await startDns()
  dns.set('inside.test', { A: ['169.254.7.7'] })
  const detail = detailOf(await validate(80, { resolver: dns.address }, 'inside.test'))
  expect(detail).toContain('inside.test has a link-local address')
  expect(detail).not.toContain('169.254.7.7')
})

test('localhost is a name like others when so set', async () => {
  const dns = await startDns()
  dns.set('www.localhost', { A: ['127.0.0.3'] })
  const port = await startHttp(right, '127.0.0.3')
  const settings: Partial<Pick<ValidationSettings, 'resolver' | 'localhostIsLoopback'>> = {
    resolver: dns.address,
    localhostIsLoopback: false,
  }
  expect(await validate(port, settings, 'www.localhost')).toEqual({ ok: true, address: '127.0.0.3' })
})

test.each([
  ['NXDOMAIN', undefined, 'gone.test does not exist (NXDOMAIN), so it has no A or AAAA record'],
  ['no address', { TXT: ['x'] }, 'gone.test has no A or AAAA record'],
  [
    'SERVFAIL',
    { rcode: 'SERVFAIL' as const },
    'the name server failed (SERVFAIL) when asked for A or AAAA of gone.test',
  ],
  ['REFUSED', { rcode: 'REFUSED' as const }, 'the name server failed (REFUSED) when asked for A or AAAA of gone.test'],
  ['silence', { drop: true }, 'the name server'],
])('tells of DNS that answers with %s', async (_, zone, words) => {
  const dns = await startDns()
  if (zone) dns.set('gone.test', zone)
  const result = await validate(80, { resolver: dns.address, timeoutMs: 100 }, 'gone.test')
  expect(result).toMatchObject({ ok: false, error: { type: 'dns' }, retry: true })
  expect(detailOf(result)).toContain(words)
})

test('a name server that never answers for AAAA holds nobody up for long', async () => {
  const dns = await startDns()
  dns.set('slow.test', { A: ['127.0.0.1'], drop: ['AAAA'] })
  const port = await startHttp(right)
  expect(await validate(port, { resolver: dns.address, timeoutMs: 1500 }, 'slow.test')).toMatchObject({ ok: true })
})
