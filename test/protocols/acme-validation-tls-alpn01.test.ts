import { execFileSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type TlsOptions } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ValidationResult } from '../../protocols/acme/outcome.ts'
import { serverNameOf } from '../../protocols/acme/tlsAlpn01.ts'
import { octets } from '../../src/pki/der.ts'
import { type AlpnCertificate, acmeIdentifier, dnsName, ipName, selfSigned } from '../helpers/alpnCertificate.ts'
import {
  challengeFor,
  closedPort,
  KEY_AUTHORIZATION,
  listening,
  startDns,
  startTcp,
  validatorWith,
} from '../helpers/validation.ts'

const DIGEST = createHash('sha256').update(KEY_AUTHORIZATION).digest()
const PROOF = acmeIdentifier(octets(DIGEST))
const RIGHT: AlpnCertificate = { name: 'www.localhost', san: [dnsName('www.localhost')], extensions: [PROOF] }

interface TestServer {
  port: number
  /** Names in SNI, as the handshakes brought them. */
  names: string[]
  /** Octets of data of the first connection, once that is closed. */
  data: Promise<number>
}

function serve(certificate: AlpnCertificate, options: TlsOptions = {}): Promise<TestServer> {
  const { key, certificate: cert } = selfSigned(certificate)
  return serveWith({ key, cert, ALPNProtocols: ['acme-tls/1'], ...options })
}

async function serveWith(options: TlsOptions): Promise<TestServer> {
  const names: string[] = []
  const SNICallback: TlsOptions['SNICallback'] = (name, done) => {
    names.push(name)
    done(null)
  }
  const server = createServer({ ...options, SNICallback })
  server.on('tlsClientError', () => {})
  const data = new Promise<number>((resolve) => {
    server.once('secureConnection', (socket) => {
      let octets = 0
      socket.on('data', (chunk) => {
        octets += chunk.length
      })
      socket.on('error', () => socket.destroy())
      socket.on('close', () => resolve(octets))
    })
  })
  return { port: await listening(server), names, data }
}

function validate(tlsAlpn01Port: number, name = 'www.localhost', resolver?: string): Promise<ValidationResult> {
  const settings = resolver === undefined ? { tlsAlpn01Port } : { tlsAlpn01Port, resolver }
  return validatorWith(settings).validate(challengeFor('tls-alpn-01', name))
}

async function refusal(certificate: AlpnCertificate, name?: string): Promise<string> {
  const { port } = await serve(certificate)
  const result = await validate(port, name)
  expect(result).toMatchObject({ ok: false, retry: false })
  return result.ok ? '' : `${result.error.type}: ${result.error.detail}`
}

describe('takes', () => {
  test('wire 45: the certificate of RFC 8737 section 3, sends the name in SNI and no data', async () => {
    const { port, names, data } = await serve(RIGHT)
    expect(await validate(port)).toEqual({ ok: true, address: '127.0.0.1' })
    expect(names).toEqual(['www.localhost'])
    expect(await data).toBe(0)
  })

  test('one after the other, on one process and without a crash', async () => {
    const { port } = await serve(RIGHT)
    for (let n = 0; n < 20; n++) expect(await validate(port)).toMatchObject({ ok: true })
  })

  test('a name in other letter case (RFC 4343)', async () => {
    const { port } = await serve({ ...RIGHT, san: [dnsName('WWW.LocalHost')] })
    expect(await validate(port)).toMatchObject({ ok: true })
  })

  test('wire 45: an address, with its reverse name in SNI and no DNS (RFC 8738 section 6)', async () => {
    const dns = await startDns()
    const { port, names } = await serve({ ...RIGHT, san: [ipName(127, 0, 0, 1)] })
    expect(await validate(port, '127.0.0.1', dns.address)).toEqual({ ok: true, address: '127.0.0.1' })
    expect(names).toEqual(['1.0.0.127.in-addr.arpa'])
    expect(dns.asked).toEqual([])
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', async (version) => {
    const { port } = await serve(RIGHT, { minVersion: version, maxVersion: version })
    expect(await validate(port)).toMatchObject({ ok: true })
  })

  test('a certificate that openssl made, with an RSA key', async () => {
    const { port } = await serveWith({ ...opensslCertificate(), ALPNProtocols: ['acme-tls/1'] })
    expect(await validate(port)).toMatchObject({ ok: true })
  })
})

function opensslCertificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'alpn-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const names = ['-subj', '/CN=www.localhost', '-addext', 'subjectAltName=DNS:www.localhost']
  const proof = ['-addext', `1.3.6.1.5.5.7.1.31=critical,DER:0420${DIGEST.toString('hex')}`]
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-keyout', key, '-out', cert]
  execFileSync('openssl', [...args, ...names, ...proof], { stdio: 'pipe' })
  return { key: readFileSync(key, 'latin1'), cert: readFileSync(cert, 'latin1') }
}

describe('wire 45: refuses a certificate', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const wrong = Buffer.alloc(32, 7)
  test.each<[string, AlpnCertificate, string]>([
    [
      'with two names',
      { ...RIGHT, san: [dnsName('www.localhost'), dnsName('b.test')] },
      'has 2 names, not just www.localhost',
    ],
    ['with the name twice', { ...RIGHT, san: [dnsName('www.localhost'), dnsName('www.localhost')] }, 'has 2 names'],
    ['with a name and an address', { ...RIGHT, san: [dnsName('www.localhost'), ipName(127, 0, 0, 1)] }, 'has 2 names'],
    ['with another name', { ...RIGHT, san: [dnsName('b.test')] }, 'subjectAltName is "b.test", not www.localhost'],
    ['with an address', { ...RIGHT, san: [ipName(127, 0, 0, 1)] }, 'subjectAltName is 127.0.0.1, not www.localhost'],
    ['with a wildcard', { ...RIGHT, san: [dnsName('*.localhost')] }, 'subjectAltName is "*.localhost"'],
    ['with no names in its subjectAltName', { ...RIGHT, san: [] }, 'has 0 names'],
    ['without subjectAltName', { name: 'www.localhost', extensions: [PROOF] }, 'has no subjectAltName'],
    ['without acmeIdentifier', { ...RIGHT, extensions: [] }, 'has no acmeIdentifier'],
    ['with acmeIdentifier twice', { ...RIGHT, extensions: [PROOF, PROOF] }, 'more than one acmeIdentifier'],
    ['where it is not critical', { ...RIGHT, extensions: [acmeIdentifier(octets(DIGEST), false)] }, 'is not critical'],
    [
      'with another digest',
      { ...RIGHT, extensions: [acmeIdentifier(octets(wrong))] },
      `holds "${wrong.toString('hex')}", expected "${DIGEST.toString('hex')}"`,
    ],
    [
      'with a digest that is not in an OCTET STRING',
      { ...RIGHT, extensions: [acmeIdentifier(DIGEST)] },
      'acmeIdentifier extension cannot be read',
    ],
    [
      'with octets after the digest',
      { ...RIGHT, extensions: [acmeIdentifier(Buffer.concat([octets(DIGEST), Buffer.of(5, 0)]))] },
      'acmeIdentifier extension cannot be read',
    ],
    ['of another issuer', { ...RIGHT, issuer: 'somebody' }, 'is not self-signed'],
    ['signed by another key', { ...RIGHT, signer: other }, 'is not self-signed'],
  ])('%s', async (_, certificate, words) => {
    const detail = await refusal(certificate)
    expect(detail).toContain('incorrectResponse: www.localhost (127.0.0.1, port ')
    expect(detail).toContain(words)
    expect(detail.length).toBeLessThan(1000)
  })

  test('of another address', async () => {
    expect(await refusal({ ...RIGHT, san: [ipName(127, 0, 0, 2)] }, '127.0.0.1')).toContain(
      'is 127.0.0.2, not 127.0.0.1',
    )
  })
  test('with the text of an address as a name', async () => {
    expect(await refusal({ ...RIGHT, san: [dnsName('127.0.0.1')] }, '127.0.0.1')).toContain(
      'is "127.0.0.1", not 127.0.0.1',
    )
  })
})

describe('refuses a server', () => {
  test('that does not speak ALPN', async () => {
    const { key, certificate } = selfSigned(RIGHT)
    const { port } = await serveWith({ key, cert: certificate })
    expect(await validate(port)).toMatchObject({
      ok: false,
      error: { type: 'tls', detail: expect.stringContaining('did not negotiate') },
    })
  })

  test('wire 45: that speaks another protocol', async () => {
    const { port } = await serve(RIGHT, { ALPNProtocols: ['h2', 'http/1.1'] })
    expect(await validate(port)).toMatchObject({
      ok: false,
      error: { type: 'tls', detail: expect.stringContaining('no application protocol') },
    })
  })

  test('of TLS 1.1', async () => {
    const { port } = await serve(RIGHT, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' })
    expect(await validate(port)).toMatchObject({ ok: false, error: { type: 'tls' } })
  })

  test('that does not speak TLS', async () => {
    const port = await startTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    expect(await validate(port)).toMatchObject({ ok: false, error: { type: 'tls' } })
  })

  test('that closes the connection', async () => {
    const port = await startTcp((socket) => socket.once('data', () => socket.destroy()))
    expect(await validate(port)).toMatchObject({
      ok: false,
      error: { type: 'tls', detail: expect.stringContaining('closed during the TLS handshake') },
      retry: true,
    })
  })

  test('that never shakes hands', async () => {
    const port = await startTcp(() => {})
    expect(await validate(port)).toMatchObject({ ok: false, error: { type: 'connection' }, retry: true })
  })

  test('that is not there', async () => {
    expect(await validate(await closedPort())).toMatchObject({ ok: false, error: { type: 'connection' }, retry: true })
  })
})

test.each([
  ['192.0.2.7', '7.2.0.192.in-addr.arpa'],
  ['2001:db8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
])('the reverse name of %s (RFC 8738 section 6)', (value, expected) => {
  expect(serverNameOf({ type: 'ip', value })).toBe(expected)
})
