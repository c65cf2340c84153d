import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ocsp } from '../../protocols/ocsp/index.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { ocspError } from '../../src/pki/ocspResponse.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import type { Answered } from '../helpers/rawHttp.ts'
import { ocspRequest, useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()
const folder = mkdtempSync(join(tmpdir(), 'ocsp-'))
let good: Certificate
let bad: Certificate

beforeAll(async () => {
  good = await it.status.issue('good.example.org')
  bad = await it.status.issue('bad.example.org')
  await it.status.revoke(bad, 'keyCompromise')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const TYPE = 'application/ocsp-request'
const request = (...serials: string[]) => ocspRequest(it.status.issuer, serials)
const post = (body: Buffer, headers: Record<string, string> = { 'content-type': TYPE }) =>
  it.status.ask('/ocsp/issuing', { method: 'POST', headers, body })
const get = (encoded: string, method = 'GET') => it.status.ask(`/ocsp/issuing/${encoded}`, { method })
const MALFORMED = ocspError('malformedRequest')

/** What openssl reads in an answer, having checked its signature up to the root. */
function read({ status, headers, body }: Answered): string {
  expect(status).toBe(200)
  expect(headers['content-type']).toBe('application/ocsp-response')
  const { certificate, chain } = it.status.issuer
  const pem = (ders: Buffer[]) => ders.map((der) => pemEncode('CERTIFICATE', der)).join('')
  writeFileSync(join(folder, 'root.pem'), pem(chain.slice(-1)))
  writeFileSync(join(folder, 'issuer.pem'), pem([certificate.der]))
  writeFileSync(join(folder, 'response.der'), body)
  const args = ['ocsp', '-respin', 'response.der', '-CAfile', 'root.pem', '-verify_other', 'issuer.pem', '-resp_text']
  return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

describe('RFC 6960 appendix A.1, POST', () => {
  test('good, revoked with its reason, unknown', async () => {
    expect(read(await post(request(good.serial)))).toContain('Cert Status: good')
    expect(read(await post(request(bad.serial)))).toMatch(/Cert Status: revoked[\s\S]*Reason: keyCompromise/)
    expect(read(await post(request('0102030405')))).toContain('Cert Status: unknown')
  })

  test('several questions in one request, and the nonce comes back', async () => {
    const nonce = Buffer.from('00112233445566778899', 'hex')
    const text = read(await post(ocspRequest(it.status.issuer, [good.serial, bad.serial], { nonce, hash: 'sha256' })))
    expect(text.match(/Cert Status: \w+/g)).toEqual(['Cert Status: good', 'Cert Status: revoked'])
    expect(text).toContain('0011223344556677')
  })

  test('a revocation shows at once', async () => {
    const certificate = await it.status.issue('soon.example.org')
    expect(read(await post(request(certificate.serial)))).toContain('Cert Status: good')
    await it.status.revoke(certificate)
    expect(read(await post(request(certificate.serial)))).toContain('Cert Status: revoked')
  })

  test('the same bytes and headers as to GET', async () => {
    const asked = await post(request(good.serial))
    const got = await get(encodeURIComponent(request(good.serial).toString('base64')))
    const { date: _, ...headers } = asked.headers
    expect(got.headers).toMatchObject(headers)
    expect(got.body).toEqual(asked.body)
  })

  test('the media type may have parameters, or be missing', async () => {
    expect(read(await post(request(good.serial), { 'content-type': `${TYPE}; charset=binary` }))).toContain('good')
    expect(read(await post(request(good.serial), {}))).toContain('good')
  })

  test('another media type is 415', async () => {
    for (const type of ['application/json', 'application/ocsp-requests', '']) {
      const answer = await post(request(good.serial), { 'content-type': type })
      expect(answer).toMatchObject({ status: 415, headers: { accept: TYPE } })
      expect(answer.text).toBe('post an application/ocsp-request\n')
    }
  })

  test('however a body comes: in pieces after its head, chunked, or behind another request', async () => {
    const body = request(good.serial)
    const head = (more: string) => `POST /ocsp/issuing HTTP/1.1\r\nHost: ca\r\nContent-Type: ${TYPE}\r\n${more}\r\n\r\n`
    const fixed = Buffer.from(head(`Content-Length: ${body.length}`))
    const chunk = (part: Buffer) =>
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')])
    const chunked = [chunk(body.subarray(0, 7)), chunk(body.subarray(7)), Buffer.from('0\r\n\r\n')]
    const wire = [
      [fixed, body.subarray(0, 3), body.subarray(3, 50), body.subarray(50)],
      [Buffer.from(head('Transfer-Encoding: chunked')), ...chunked],
      [Buffer.concat([fixed, body, fixed, body.subarray(0, 9)]), body.subarray(9)],
    ]
    const { body: expected } = await post(body)
    for (const [at, pieces] of wire.entries())
      expect(await exchanged(it.status.server.ports.httpPort, pieces, at === 2 ? 2 : 1)).toEqual(
        Array(at === 2 ? 2 : 1).fill(expected),
      )
  })

  test('16 KiB are read, one octet more is 413 and closes', async () => {
    expect((await post(Buffer.alloc(16 * 1024))).body).toEqual(MALFORMED)
    const over = await post(Buffer.alloc(16 * 1024 + 1))
    expect(over).toMatchObject({ status: 413, headers: { connection: 'close' } })
    const chunked = { 'content-type': TYPE, 'transfer-encoding': 'chunked' }
    expect(await post(Buffer.alloc(16 * 1024 + 1), chunked)).toMatchObject({ status: 413 })
  })
})

describe('RFC 6960 appendix A.1, GET', () => {
  /** A request whose base64 has what URLs treat specially: the pattern stands once at each of three alignments. */
  function special(): string {
    for (const before of ['01', '0101', '010101'])
      for (const after of ['', '01', '0101']) {
        const base64 = request(good.serial, `${before}fbefbeffffff${after}`).toString('base64')
        if (base64.includes('//') && base64.includes('+') && base64.endsWith('=')) return base64
      }
    throw new Error('no such request')
  }

  test('base64 however a client writes it into the URL', async () => {
    const base64 = special()
    const forms = {
      'as it should be': encodeURIComponent(base64),
      'lower-case escapes': encodeURIComponent(base64).replace(/%../g, (escaped) => escaped.toLowerCase()),
      'not encoded at all': base64,
      'only + encoded': base64.replaceAll('+', '%2B'),
      'without padding': base64.replace(/=+$/, ''),
      'the alphabet for URLs': base64.replaceAll('+', '-').replaceAll('/', '_'),
      'with a query behind it': `${encodeURIComponent(base64)}?x=1`,
    }
    for (const [form, encoded] of Object.entries(forms))
      expect([form, read(await get(encoded))]).toEqual([form, expect.stringContaining('good')])
  })

  test('caches may keep it for five minutes, and know until when (RFC 9919 section 7.2)', async () => {
    const { headers, body } = await get(encodeURIComponent(request(good.serial).toString('base64')))
    expect(headers['cache-control']).toBe('max-age=300, public, no-transform, must-revalidate')
    const now = Math.floor(it.status.world.time.now.getTime() / 1000) * 1000
    expect(Date.parse(String(headers['last-modified']))).toBe(now)
    expect(Date.parse(String(headers.expires))).toBe(now + 12 * 3_600_000)
    expect(headers.etag).toBe(`"${createHash('sha256').update(body).digest('hex')}"`)
    expect(headers.pragma).toBeUndefined()
  })

  test('an answer with a nonce is for one client, and no error is kept; an answer that is true never says no-cache', async () => {
    const asked = ocspRequest(it.status.issuer, [good.serial], { nonce: Buffer.alloc(16, 7) })
    const { headers } = await get(encodeURIComponent(asked.toString('base64')))
    expect(headers['cache-control']).toBe('private, max-age=0')
    expect(headers.etag).toBeUndefined()
    expect((await get('AAAA')).headers['cache-control']).toBe('no-cache, no-store')
  })

  test('HEAD has the headers of GET alone', async () => {
    const encoded = encodeURIComponent(request(good.serial).toString('base64'))
    const answer = await get(encoded, 'HEAD')
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/ocsp-response' } })
    expect(answer.body).toHaveLength(0)
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(500)
  })

  test.each(['', '!', '%', '%zz', '%ff', 'a b', '====', 'a'.repeat(22_000), 'MAA='])(
    'malformedRequest for %j',
    async (encoded) => {
      const answer = await get(encoded.replaceAll(' ', '%20'))
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/ocsp-response' } })
      expect(answer.body).toEqual(MALFORMED)
    },
  )
})

describe('refusals', () => {
  test('another issuer is unauthorized (section 2.3)', async () => {
    const { certificate } = it.status.issuer
    // The name of the issuer with the key of a leaf.
    const stranger = { ...it.status.issuer, certificate: { ...certificate, spki: readCertificate(good.der).spki } }
    const other = ocspRequest(stranger, [good.serial])
    expect((await post(other)).body).toEqual(ocspError('unauthorized'))
  })

  test('a critical extension that nobody knows is unauthorized', async () => {
    const asked = ocspRequest(it.status.issuer, [good.serial], { critical: '1.2.3.4' })
    expect((await post(asked)).body).toEqual(ocspError('unauthorized'))
  })

  test('33 questions are malformed', async () => {
    expect((await post(request(...Array.from({ length: 33 }, (_, n) => (n + 1).toString(16))))).body).toEqual(MALFORMED)
  })

  test('other methods are 405', async () => {
    for (const method of ['PUT', 'DELETE', 'OPTIONS'])
      expect(await it.status.ask('/ocsp/issuing', { method })).toMatchObject({
        status: 405,
        headers: { allow: 'GET, HEAD, POST' },
      })
  })

  test.each(['/ocsp', '/ocsp/', '/ocsp//', '/ocsp/Issuing/AAAA', '/ocsp/%00'])('404 for %s', async (path) => {
    expect(await it.status.ask(path)).toMatchObject({ status: 404, text: 'ask at /ocsp/{authority}\n' })
  })

  test('404 for a POST with something behind the authority', async () => {
    expect(await it.status.ask('/ocsp/issuing/AAAA', { method: 'POST', body: request(good.serial) })).toMatchObject({
      status: 404,
    })
  })

  test('random octets are malformed, never an error of ours', async () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 1, maxLength: 5 }).map((junk) => mutate(request(good.serial), junk)),
    )
    await fc.assert(
      fc.asyncProperty(octets, async (bytes) => {
        const answer = await post(Buffer.from(bytes))
        expect(answer.status).toBe(200)
        expect(answer.headers['content-type']).toBe('application/ocsp-response')
        expect([1, 6, undefined]).toContain(answer.body.length === 5 ? answer.body[4] : undefined)
      }),
      { numRuns: 150 },
    )
  })

  test('random paths are answered by OCSP or refused in plain words', async () => {
    const path = fc.string({ unit: fc.constantFrom(...'aZ0+/=%2fF-_.~?'), maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(path, async (encoded) => {
        const answer = await get(encoded)
        expect([200, 404]).toContain(answer.status)
      }),
      { numRuns: 150 },
    )
  })
})

/** Sends pieces, each in a segment of its own, and reads so many answers. */
async function exchanged(port: number, pieces: readonly Buffer[], answers: number): Promise<Buffer[]> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  const bodies: Buffer[] = []
  try {
    for (const piece of pieces) {
      await new Promise((resolve) => socket.write(piece, resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
    let got = Buffer.alloc(0)
    for await (const chunk of socket) {
      got = Buffer.concat([got, chunk as Buffer])
      for (let end = got.indexOf('\r\n\r\n'); end !== -1; end = got.indexOf('\r\n\r\n')) {
        const [, length = '0'] = /content-length: (\d+)/i.exec(got.toString('latin1', 0, end)) ?? []
        const whole = end + 4 + Number(length)
        if (got.length < whole) break
        bodies.push(got.subarray(end + 4, whole))
        got = got.subarray(whole)
      }
      if (bodies.length >= answers) break
    }
  } finally {
    socket.destroy()
  }
  return bodies
}

/** Overwrites octets here and there. */
function mutate(der: Buffer, junk: Uint8Array): Buffer {
  const out = Buffer.from(der)
  for (const [n, octet] of junk.entries()) out[(octet * 31 + n * 17) % out.length] = octet
  return out
}

test('the framework gives the same bytes as the fast path', async () => {
  const cases = [
    { path: '/ocsp', method: 'GET' },
    { path: '/ocsp/issuing/AAAA', method: 'GET' },
    { path: '/ocsp/issuing/AAAA', method: 'HEAD' },
    { path: '/ocsp/issuing', method: 'PUT' },
    { path: '/ocsp/issuing', method: 'POST', headers: { 'content-type': 'text/plain' }, body: Buffer.from('x') },
    { path: '/ocsp/issuing', method: 'POST', headers: { 'content-type': TYPE }, body: Buffer.from('x') },
  ]
  for (const { path, ...more } of cases) {
    const fast = await it.status.ask(path, more)
    const routed = await it.status.route(ocsp, path, more)
    expect(routed.status).toBe(fast.status)
    expect(Buffer.from(await routed.arrayBuffer())).toEqual(fast.body)
    for (const [name, value] of routed.headers) expect([name, fast.headers[name]]).toEqual([name, value])
  }
})
