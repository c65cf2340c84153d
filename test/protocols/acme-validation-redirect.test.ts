import { createServer } from 'node:https'
import { describe, expect, test } from 'vitest'
import type { ValidationResult } from '../../protocols/acme/outcome.ts'
import { followRedirect, type Hop } from '../../protocols/acme/redirect.ts'
import { selfSigned } from '../helpers/alpnCertificate.ts'
import {
  CHALLENGE_PATH,
  challengeFor,
  closedPort,
  KEY_AUTHORIZATION,
  listening,
  startDns,
  startHttp,
  startTcp,
  validatorWith,
} from '../helpers/validation.ts'

type Settings = Parameters<typeof validatorWith>[0]

function validate(http01Port: number, settings: Settings = {}, name = 'localhost'): Promise<ValidationResult> {
  return validatorWith({ http01Port, ...settings }).validate(challengeFor('http-01', name))
}

/** Sends everybody there. `location` is told the port. */
function redirecting(location: (port: number, url: string) => string, status = 302): Promise<number> {
  return startHttp((request, response) => {
    const port = request.socket.localPort ?? 0
    response.writeHead(status, { Location: location(port, request.url ?? '') }).end()
  })
}

function detailOf(result: ValidationResult): string {
  return result.ok ? '' : `${result.error.type}: ${result.error.detail}`
}

describe('follows', () => {
  test.each([301, 302, 303, 307, 308])('status %i, to a path on the same host', async (status) => {
    const port = await startHttp((request, response) => {
      if (request.url === '/elsewhere?x=1') response.end(KEY_AUTHORIZATION)
      else response.writeHead(status, { Location: '/elsewhere?x=1#part' }).end('moved')
    })
    expect(await validate(port)).toEqual({ ok: true, address: '127.0.0.1' })
  })

  test('wire 43: ten redirects, and no eleventh', async () => {
    const port = await startHttp((request, response) => {
      const left = Number(/left=(\d+)/.exec(request.url ?? '')?.[1] ?? 10)
      if (left === 0) response.end(KEY_AUTHORIZATION)
      else response.writeHead(302, { Location: `?left=${left - 1}` }).end()
    })
    expect(await validate(port)).toMatchObject({ ok: true })
    let requests = 0
    const endless = await redirecting(() => `?n=${requests++}`)
    expect(detailOf(await validate(endless))).toContain('connection: more than 10 redirects')
    expect(requests).toBe(11)
  })

  test('to https, whatever the certificate, with the name in SNI', async () => {
    const names: unknown[] = []
    const { key, certificate } = selfSigned({ name: 'other.test' })
    const server = createServer({ key, cert: certificate }, (request, response) => {
      names.push('servername' in request.socket && request.socket.servername, request.headers.host)
      response.end(KEY_AUTHORIZATION)
    })
    const securePort = await listening(server)
    const port = await redirecting(() => `https://www.localhost:${securePort}/x`)
    expect(await validate(port, { tlsAlpn01Port: securePort })).toMatchObject({ ok: true })
    expect(names).toEqual(['www.localhost', `www.localhost:${securePort}`])
  })

  test('to https on an address, without SNI', async () => {
    const names: unknown[] = []
    const { key, certificate } = selfSigned({ name: 'other.test' })
    const server = createServer({ key, cert: certificate }, (request, response) => {
      names.push('servername' in request.socket && request.socket.servername)
      response.end(KEY_AUTHORIZATION)
    })
    const securePort = await listening(server)
    const port = await redirecting(() => `https://127.0.0.1:${securePort}/x`)
    expect(await validate(port, { tlsAlpn01Port: securePort })).toMatchObject({ ok: true })
    expect(names).toEqual([false])
  })
})

describe('refuses to follow', () => {
  test.each([
    ['file:///etc/passwd', 'only http and https are'],
    ['ftp://localhost/x', 'only http and https are'],
    ['gopher://localhost:80/x', 'only http and https are'],
    ['javascript:alert(1)', 'only http and https are'],
    ['http://root@localhost/', 'it carries a user name'],
    ['http://:secret@localhost/', 'it carries a user name'],
    ['http://localhost:22/', 'port 22 is not used for validation'],
    ['https://localhost:6379/', 'port 6379 is not used for validation'],
    ['http://[::1', 'it is no URL'],
    ['http://', 'it is no URL'],
    [`http://localhost/${'x'.repeat(2100)}`, 'the address is too long'],
  ])('%s', async (location, words) => {
    const port = await redirecting(() => location)
    const result = await validate(port)
    expect(result).toMatchObject({ ok: false, error: { type: 'connection' }, retry: false })
    expect(detailOf(result)).toContain(words)
    expect(detailOf(result).length).toBeLessThan(1000)
  })

  test('a redirect without Location', async () => {
    const port = await startHttp((_, response) => response.writeHead(302).end())
    expect(detailOf(await validate(port))).toBe(
      `incorrectResponse: http://localhost:${port}${CHALLENGE_PATH} redirects without saying where to`,
    )
  })

  test('a circle', async () => {
    const port = await redirecting((_, url) => (url === '/a' ? '/b' : '/a'))
    expect(detailOf(await validate(port))).toContain('the redirects go round in a circle')
  })

  test('a redirect to itself', async () => {
    const port = await redirecting((_, url) => url)
    expect(detailOf(await validate(port))).toContain('the redirects go round in a circle')
  })
})

describe('checks the address of every hop', () => {
  test.each([
    ['the metadata service', 'http://169.254.169.254/latest/meta-data/', '169.254.169.254 is a metadata address'],
    ['its decimal form', 'http://2852039166/', '169.254.169.254 is a metadata address'],
    ['its octal form', 'http://0251.0376.0251.0376/', '169.254.169.254 is a metadata address'],
    ['its hexadecimal form', 'http://0xa9fea9fe/', '169.254.169.254 is a metadata address'],
    ['its form in parts', 'http://0xa9.254.43518/', '169.254.169.254 is a metadata address'],
    ['its form with a dot at the end', 'http://169.254.169.254./', '169.254.169.254 is a metadata address'],
    ['its form in full-width digits', 'http://１６９.254.169.254/', '169.254.169.254 is a metadata address'],
    ['its mapped form', 'http://[::ffff:169.254.169.254]/', '::ffff:169.254.169.254 is a metadata address'],
    ['its NAT64 form', 'http://[64:ff9b::a9fe:a9fe]/', '64:ff9b::a9fe:a9fe is a metadata address'],
    ['the one of IPv6', 'http://[fd00:ec2::254]/', 'fd00:ec2::254 is a metadata address'],
    ['0', 'http://0/', '0.0.0.0 is a reserved address'],
    ['another loopback address', 'http://127.1/', '127.0.0.1 is a loopback address'],
    ['::1', 'http://[::1]/', '::1 is a loopback address'],
    ['localhost', 'http://LOCALHOST./', 'localhost. has a loopback address'],
  ])('%s', async (_, location, words) => {
    const dns = await startDns()
    dns.set('outside.test', { A: ['127.0.0.5'] })
    const port = await startHttp(
      (_, response) => response.writeHead(302, { Location: Buffer.from(location).toString('latin1') }).end(),
      '127.0.0.5',
    )
    const settings = { resolver: dns.address, networks: '127.0.0.5' }
    expect(detailOf(await validate(port, settings, 'outside.test'))).toContain(`connection: ${words}`)
  })

  test('a name that is bound to another address between two hops', async () => {
    const dns = await startDns()
    dns.rebind('turns.test', 'A', [['127.0.0.5'], ['127.0.0.1']])
    const inside = await closedPort()
    let reached = 0
    await startTcp(() => reached++, '127.0.0.1', inside)
    await startHttp((_, response) => response.writeHead(302, { Location: '/secret' }).end(), '127.0.0.5', inside)
    const settings = { resolver: dns.address, networks: '127.0.0.5' }
    expect(detailOf(await validate(inside, settings, 'turns.test'))).toContain(
      'connection: turns.test has a loopback address',
    )
    expect(reached).toBe(0)
    expect(dns.asked.filter(({ type }) => type === 'A')).toHaveLength(2)
  })

  test('wire 43: one look-up for each hop: what was checked is what is connected to', async () => {
    const dns = await startDns()
    dns.rebind('turns.test', 'A', [['127.0.0.1'], ['169.254.169.254']])
    const port = await startHttp((_, response) => response.end(KEY_AUTHORIZATION))
    expect(await validate(port, { resolver: dns.address }, 'turns.test')).toEqual({ ok: true, address: '127.0.0.1' })
  })

  test('what a redirect reads inside our networks is not shown', async () => {
    const port = await startHttp((request, response) => {
      if (request.url === '/secret') response.end('password: hunter2')
      else response.writeHead(302, { Location: '/secret' }).end()
    })
    const detail = detailOf(await validate(port))
    expect(detail).toContain('(127.0.0.1) returned something else of 17 octets, expected')
    expect(detail).not.toContain('hunter2')
  })
})

describe('the next request', () => {
  const from: Hop = { secure: false, host: 'a.test', port: 80, path: '/.well-known/acme-challenge/x' }
  test.each([
    ['https://b.test/y', { secure: true, host: 'b.test', port: 443, path: '/y' }],
    ['//b.test', { secure: false, host: 'b.test', port: 80, path: '/' }],
    ['y', { secure: false, host: 'a.test', port: 80, path: '/.well-known/acme-challenge/y' }],
    ['/a b\tc', { secure: false, host: 'a.test', port: 80, path: '/a%20bc' }],
    ['http://B.test:443/', { secure: false, host: 'b.test', port: 443, path: '/' }],
    ['http://[2606:2800::1]/', { secure: false, host: '2606:2800::1', port: 80, path: '/' }],
    ['http://b\u00c3\u00bccher.test/', { secure: false, host: 'xn--bcher-kva.test', port: 80, path: '/' }],
  ])('of %s', (location, expected) => expect(followRedirect(from, location, [])).toEqual(expected))
})
