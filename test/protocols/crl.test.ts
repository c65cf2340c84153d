import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crl } from '../../protocols/crl/index.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import type { Answered } from '../helpers/rawHttp.ts'
import { useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()
const get = (path: string, headers: Record<string, string> = {}) => it.status.ask(path, { headers })

/** The next CRL has a thisUpdate that no other had. */
async function nextSecond(): Promise<void> {
  it.status.world.time.pass(2_000)
  await it.status.revoke(await it.status.issue('next-second.example.test'))
}

function text({ status, headers, body }: Answered): string {
  expect([status, headers['content-type']]).toEqual([200, 'application/pkix-crl'])
  return execFileSync('openssl', ['crl', '-inform', 'DER', '-noout', '-text'], { input: body, encoding: 'utf8' })
}

describe('CRLs (RFC 5280 section 4.2.1.13)', () => {
  test('the one that certificates name, and the short name of the active one', async () => {
    const { id } = it.status.issuer
    const named = await get(`/crl/issuing/${id}/0.crl`)
    const active = await get('/crl/issuing.crl')
    expect(text(named)).toContain('Certificate Revocation List')
    expect(active.body).toEqual(named.body)
  })

  test('a revocation makes a new one with a higher number', async () => {
    const certificate = await it.status.issue('a.example.org')
    const before = await get('/crl/issuing.crl')
    await it.status.revoke(certificate, 'keyCompromise')
    const after = await get('/crl/issuing.crl')
    expect(text(before).toLowerCase()).not.toContain(certificate.serial)
    expect(text(after).toLowerCase()).toMatch(new RegExp(`${certificate.serial}[\\s\\S]*key compromise`))
    expect(Number(JSON.parse(String(after.headers.etag)))).toBeGreaterThan(
      Number(JSON.parse(String(before.headers.etag))),
    )
  })

  test('a date does not hide a CRL that was made in the same second', async () => {
    await nextSecond()
    const first = await get('/crl/issuing.crl')
    const modified = String(first.headers['last-modified'])
    expect(Date.parse(modified)).toBe(Math.floor(it.status.world.time.now.getTime() / 1000) * 1000)
    await it.status.revoke(await it.status.issue('same-second.example.test'))
    const second = await get('/crl/issuing.crl', { 'if-modified-since': modified })
    expect(second.status).toBe(200)
    expect(second.headers.etag).not.toBe(first.headers.etag)
    expect(second.headers['last-modified']).toBe(undefined)
  })

  test('caches know how long, and ask again for nothing', async () => {
    await nextSecond()
    const first = await get('/crl/issuing.crl')
    const { etag = '', 'last-modified': modified = '' } = first.headers
    expect(first.headers['cache-control']).toBe('public, max-age=300, no-transform')
    const now = it.status.world.time.now.getTime()
    expect(Date.parse(String(first.headers.expires))).toBe(Math.floor(now / 1000) * 1000 + 300_000)
    for (const headers of [
      { 'if-none-match': String(etag) },
      { 'if-none-match': `"other", W/${etag}` },
      { 'if-none-match': '*' },
      { 'if-modified-since': String(modified) },
    ]) {
      const again = await get('/crl/issuing.crl', headers)
      expect(again).toMatchObject({ status: 304, headers: { etag } })
      expect(again.body).toHaveLength(0)
      expect(again.headers['content-length']).toBe(undefined)
    }
  })

  test('what is another one is sent', async () => {
    for (const headers of [
      { 'if-none-match': '"0"' },
      { 'if-none-match': '"0"', 'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT' },
      { 'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT' },
      { 'if-modified-since': 'yesterday' },
    ] as Record<string, string>[])
      expect(await get('/crl/issuing.crl', headers)).toMatchObject({ status: 200 })
  })

  test('HEAD has the length of GET', async () => {
    const whole = await get('/crl/issuing.crl')
    const head = await it.status.ask('/crl/issuing.crl', { method: 'HEAD' })
    expect(head.headers['content-length']).toBe(String(whole.body.length))
    expect(head.body).toHaveLength(0)
  })

  test('the root has one too', async () => {
    expect(text(await get('/crl/root.crl'))).toContain('No Revoked Certificates')
  })
})

describe('certificates of authorities', () => {
  test('the active one, by name and by number, as DER (RFC 5280 section 4.2.2.1)', async () => {
    const { id, certificate } = it.status.issuer
    for (const path of ['/ca/issuing.cer', `/ca/issuing/${id}.cer`]) {
      const answer = await get(path)
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/pkix-cert' } })
      expect(answer.body).toEqual(certificate.der)
    }
  })

  test('the chain up to the root as PEM', async () => {
    const answer = await get('/ca/issuing.pem')
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/pem-certificate-chain' } })
    const [issuing, root, ...rest] = pemDecode(answer.text).map(({ der }) => new X509Certificate(der))
    expect(rest).toEqual([])
    expect(root && issuing?.verify(root.publicKey)).toBe(true)
    expect(root?.verify(root.publicKey)).toBe(true)
    expect((await get('/ca/root.pem')).text).toBe(pemEncode('CERTIFICATE', root?.raw ?? Buffer.alloc(0)))
  })

  test('with those above it as a certs-only message, by name and by number (RFC 5280 section 4.2.2.1)', async () => {
    const { id, certificate } = it.status.issuer
    const root = (await get('/ca/root.cer')).body
    for (const path of ['/ca/issuing.p7c', `/ca/issuing/${id}.p7c`]) {
      const answer = await get(path)
      const type = 'application/pkcs7-mime; smime-type=certs-only'
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': type } })
      const input = answer.body
      const pem = execFileSync('openssl', ['pkcs7', '-inform', 'DER', '-print_certs'], { input, encoding: 'utf8' })
      expect(pemDecode(pem).map(({ der }) => der)).toEqual([certificate.der, root])
      expect(await get(path, { 'if-none-match': String(answer.headers.etag) })).toMatchObject({ status: 304 })
    }
    expect(await get(`/ca/root/${id}.p7c`)).toMatchObject({ status: 404 })
  })

  test('304 for who has it', async () => {
    const { etag = '' } = (await get('/ca/issuing.cer')).headers
    expect(await get('/ca/issuing.cer', { 'if-none-match': String(etag) })).toMatchObject({ status: 304 })
    expect(await get('/ca/root.cer', { 'if-none-match': String(etag) })).toMatchObject({ status: 200 })
  })

  test('a certificate of another authority is not there', async () => {
    expect(await get(`/ca/root/${it.status.issuer.id}.cer`)).toMatchObject({ status: 404 })
    expect(await get(`/crl/root/${it.status.issuer.id}/0.crl`)).toMatchObject({ status: 404 })
  })
})

describe('refusals', () => {
  test.each([
    '/crl',
    '/crl/',
    '/crl/nobody.crl',
    '/crl/Issuing.crl',
    '/crl/issuing',
    '/crl/issuing/1.crl',
    '/crl/issuing/999999999/0.crl',
    '/crl/issuing/1/7.crl',
    '/crl/issuing/01/0.crl',
    '/crl/issuing/9999999999999999999999/0.crl',
    '/crl/%00.crl',
    '/ca/nobody.cer',
    '/ca/nobody.pem',
    '/ca/nobody.p7c',
    '/ca/issuing/01.p7c',
    '/ca/issuing/999999999.cer',
    '/ca/..%2fissuing.cer',
  ])('404 in plain words for %s', async (path) => {
    const answer = await get(path)
    expect(answer).toMatchObject({ status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } })
    expect(answer.text).toMatch(/^there is n.*\n$/)
  })

  test('they can only be read', async () => {
    for (const path of ['/crl/issuing.crl', '/ca/issuing.cer'])
      expect(await it.status.ask(path, { method: 'POST', body: 'x' })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD' },
      })
  })

  test('random paths and headers are never an error of ours', async () => {
    const part = fc.string({ unit: fc.constantFrom(...'/aissuing019.crlpem%2e?-'), maxLength: 40 })
    const header = fc.string({ unit: fc.constantFrom(...'"W/*, 019aG:'), maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/crl/', '/ca/'), part, header, async (mount, rest, tag) => {
        const answer = await get(mount + rest, { 'if-none-match': tag, 'if-modified-since': tag })
        expect([200, 304, 404]).toContain(answer.status)
      }),
      { numRuns: 150 },
    )
  })
})

test('the framework gives the same bytes as the fast path', async () => {
  const cases = [
    { path: '/ca/issuing.p7c' },
    { path: '/crl/issuing.crl' },
    { path: '/crl/issuing.crl', method: 'HEAD' },
    { path: '/crl/issuing.crl', headers: { 'if-none-match': '*' } },
    { path: '/ca/issuing.pem' },
    { path: '/ca/nobody.pem' },
    { path: '/ca/issuing.cer', method: 'DELETE' },
  ]
  for (const { path, ...more } of cases) {
    const fast = await it.status.ask(path, more)
    const routed = await it.status.route(crl, path, more)
    expect(routed.status).toBe(fast.status)
    expect(Buffer.from(await routed.arrayBuffer())).toEqual(fast.body)
    for (const [name, value] of routed.headers) expect([name, fast.headers[name]]).toEqual([name, value])
  }
})
