import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { certificatesOf, leafOf, useEstApp } from '../helpers/estApp.ts'
import { exchange } from '../helpers/rawHttp.ts'
import { csrOf, device } from '../helpers/scepClient.ts'

const pkcs10 = { 'Content-Type': 'application/pkcs10' }

describe('EST over HTTP', () => {
  const est = useEstApp()
  const by = device('transfer.example.org', 'P-256')
  const csr = csrOf(by, { subject: { CN: 'transfer.example.org' } })
  const post = (body: string | Buffer, headers: Record<string, string> = pkcs10, more = {}) =>
    est.app.ask('/simpleenroll', {
      method: 'POST',
      body,
      headers,
      basic: `maker:correct horse battery staple`,
      ...more,
    })

  it('12: RFC 7030 section 4.1.3: cacerts is the issuing certificate and the root, for everybody', async () => {
    const answer = await est.app.ask('/cacerts')
    expect(answer.headers).toMatchObject({ 'content-type': 'application/pkcs7-mime' })
    const { active } = await est.app.world.core
      .as({ kind: 'key-holder', ref: 'x', name: 'x', people: [] })
      .authorityChain('issuing')
    expect(certificatesOf(answer)).toEqual([active?.certificate.der, ...(active?.chain ?? [])])
  })

  it('RFC 7030 section 4.1.3: while the root rolls over, cacerts links its keys', async () => {
    const { admin } = est.app.world.core.as(asRequester(est.app.maker))
    await admin.prepareRollover('root', {})
    const certificates = certificatesOf(await est.app.ask('/cacerts')).map(readCertificate)
    const [issuing, root, ...links] = certificates
    expect(certificates).toHaveLength(5)
    const next = links.find((link) => !root?.spki.equals(link.spki) && verifyIssuedBy(link, link))
    expect(issuing && root && verifyIssuedBy(issuing, root)).toBe(true)
    // NewWithOld and OldWithNew: each key vouches for the other.
    const byOld = links.filter((link) => root && verifyIssuedBy(link, root))
    const byNew = links.filter((link) => next && verifyIssuedBy(link, next))
    expect(byOld.map(({ spki }) => spki)).toEqual([next?.spki])
    expect(byNew.map(({ spki }) => spki)).toEqual(expect.arrayContaining([next?.spki, root?.spki]))
    await admin.cancelRollover('root')
    expect(certificatesOf(await est.app.ask('/cacerts'))).toHaveLength(2)
  })

  it('EC1: one line for a client without User-Agent, lines of 64 for others', async () => {
    const line = (await est.app.ask('/cacerts', { userAgent: null })).text
    expect(line).toMatch(/^[A-Za-z0-9+/]+=*\n$/)
    const lines = (await est.app.ask('/cacerts', { userAgent: 'libest 3.2.0p' })).text
    expect(lines).toMatch(/^(?:[A-Za-z0-9+/]{64}\n)+(?:[A-Za-z0-9+/]{1,64}={0,2}\n)?$/)
    expect(lines.replaceAll('\n', '')).toBe(line.trim())
  })

  it.each(['/cacerts', '/simpleenroll'])(
    '1, 2, 3, EC2, EC4: the bytes of an answer of %s: header names as libest compares them, a short head, one length',
    async (path) => {
      const { mtlsPort = 0 } = est.app.server.ports
      const method = path === '/cacerts' ? 'GET' : 'POST'
      const head = `${method} /.well-known/est${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
      const raw = await exchange(mtlsPort, head, { tls: true })
      const end = raw.indexOf('\r\n\r\n')
      expect(end).toBeLessThan(1000)
      const names = raw
        .slice(0, end)
        .split('\r\n')
        .slice(1)
        .map((line) => line.split(':')[0])
      expect(names).toContain('Content-Type')
      expect(names).not.toContain('Transfer-Encoding')
      expect(Number(/\r\nContent-Length: (\d+)\r\n/.exec(raw)?.[1])).toBe(raw.length - end - 4)
      expect(raw.startsWith(path === '/cacerts' ? 'HTTP/1.1 200 ' : 'HTTP/1.1 401 ')).toBe(true)
      // 17, EC5: in this spelling.
      if (method === 'POST') expect(raw).toContain('\r\nWWW-Authenticate: Basic realm="countersign"\r\n')
    },
  )

  it('HEAD has the length and no body', async () => {
    const { status, headers, body } = await est.app.ask('/cacerts', { method: 'HEAD' })
    expect({ status, length: body.length }).toEqual({ status: 200, length: 0 })
    expect(Number(headers['content-length'])).toBeGreaterThan(500)
  })

  const base64 = csr.toString('base64')
  it.each([
    ['one line', base64],
    ['one line with its end', `${base64}\n`],
    ['lines of 64', base64.replace(/.{64}/g, '$&\n')],
    ['lines of 76 with CRLF', base64.replace(/.{76}/g, '$&\r\n')],
    ['PEM', pemEncode('CERTIFICATE REQUEST', csr)],
    ['PEM of old programs', pemEncode('NEW CERTIFICATE REQUEST', csr)],
    ['tabs and spaces', `\t ${base64.replace(/.{10}/g, '$& \t')}`],
    ['no padding', base64.replace(/=+$/, '')],
  ])('13, RFC 8951 section 3.1: takes a request as %s', async (_, body) => {
    expect((await post(body)).status).toBe(202)
  })

  it('EC3: libest sends two octets beyond Content-Length', async () => {
    const { mtlsPort = 0 } = est.app.server.ports
    const head = `POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/pkcs10\r\nAuthorization: Basic ${Buffer.from('maker:correct horse battery staple').toString('base64')}\r\nConnection: close\r\nContent-Length: ${base64.length}\r\n\r\n`
    expect(await exchange(mtlsPort, `${head}${base64}\r\n`, { tls: true })).toMatch(/^HTTP\/1\.1 202 /)
  })

  it('14: Content-Transfer-Encoding is not looked at', async () => {
    for (const value of ['base64', 'binary', '8bit', 'rubbish'])
      expect((await post(base64, { ...pkcs10, 'Content-Transfer-Encoding': value })).status).toBe(202)
  })

  it('12: parameters of the media type mean nothing, nor does its case', async () => {
    expect((await post(base64, { 'Content-Type': 'Application/PKCS10; charset=utf-8' })).status).toBe(202)
  })

  it.each([
    ['no media type', {}],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['JSON', { 'Content-Type': 'application/json' }],
  ])('19: %s is 415 with the one that is wanted', async (_, headers) => {
    const answer = await post(base64, headers as Record<string, string>)
    expect(answer).toMatchObject({ status: 415, text: 'send it as Content-Type: application/pkcs10\n' })
    expect(answer.headers['content-type']).toMatch(/^text\/plain/)
  })

  const bad: [string, string | Buffer][] = [
    ['nothing', ''],
    ['white space', ' \r\n'],
    ['DER', csr],
    ['no base64', 'not base64!'],
    ['base64 with rubbish after it', `${base64}\0`],
    ['no DER', Buffer.from('hello').toString('base64')],
    ['DER with something behind it', Buffer.concat([csr, Buffer.of(0)]).toString('base64')],
    ['a certificate', by.certificate.toString('base64')],
    ['a request cut short', csr.subarray(0, -1).toString('base64')],
    [
      'a request whose signature is another',
      Buffer.concat([csr.subarray(0, -1), Buffer.of((csr.at(-1) ?? 0) ^ 1)]).toString('base64'),
    ],
  ]
  it.each(bad)('19: %s is 400 with a line of text', async (_, body) => {
    const before = await est.app.count()
    const { status, headers, text } = await post(body)
    expect({ status, type: headers['content-type'] }).toEqual({ status: 400, type: 'text/plain; charset=utf-8' })
    expect(text).toMatch(/^[^\n]+\n$/)
    expect(await est.app.count()).toBe(before)
  })

  it('random bytes as a request are 400, never 500', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
        const { status } = await post(Buffer.from(bytes).toString('base64'))
        expect(status).toBe(400)
      }),
      { numRuns: 60 },
    )
  })

  it('a key that the profile does not take is denied in words', async () => {
    const weak = { ...by, key: generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey }
    const { status, text } = await est.app.enroll({
      by: weak,
      subject: { CN: 'weak.example.org' },
      basic: 'maker:correct horse battery staple',
    })
    expect({ status, text }).toMatchObject({ status: 403, text: expect.stringContaining('RSA keys of 2048') })
  })

  it('a body over 64 KiB is 413, and the connection ends', async () => {
    const { status, headers } = await post('A'.repeat(65 * 1024))
    expect({ status, connection: headers.connection }).toEqual({ status: 413, connection: 'close' })
  })

  it.each([
    '/.well-known/est',
    '/.well-known/est/',
    '/.well-known/est//cacerts',
    '/.well-known/est/default//cacerts',
    '/.well-known/est/CACERTS',
    '/.well-known/EST/cacerts',
    '/.well-known/est/%63acerts',
    '/.well-known/est/default/cacerts/',
    '/.well-known/est/./cacerts',
    '/.well-known/est/default%2fcacerts',
    '/.well-known/est/default/../default/cacerts',
    '/.well-known/est/cacerts/cacerts',
    '/.well-known/est/unknown/cacerts',
    '/.well-known/est/default/nothing',
    '/.well-known/est/default/constructor',
  ])('pitfall "protocol on/off bypass by URL": %s is 404', async (path) => {
    const { mtlsPort = 0 } = est.app.server.ports
    const raw = await exchange(mtlsPort, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, {
      tls: true,
    })
    expect(raw).toMatch(/^HTTP\/1\.1 404 /)
    expect(raw).toContain('Content-Type: text/plain')
  })

  it('a profile that does not serve EST is as none, whatever the operation', async () => {
    await est.app.world.save('acme-only', { protocols: { acme: {} } })
    for (const path of ['/cacerts', '/csrattrs'])
      expect((await est.app.ask(path, { profile: 'acme-only' })).status).toBe(404)
    const { status } = await est.app.enroll({
      by,
      subject: { CN: 'a.example.org' },
      profile: 'acme-only',
      basic: 'maker:correct horse battery staple',
    })
    expect(status).toBe(404)
  })

  it('another method is 405 and says which', async () => {
    expect(await est.app.ask('/cacerts', { method: 'POST', body: '' })).toMatchObject({
      status: 405,
      headers: { allow: 'GET' },
    })
    expect(await est.app.ask('/simpleenroll')).toMatchObject({ status: 405, headers: { allow: 'POST' } })
    expect(await est.app.ask('/cacerts', { method: 'DELETE' })).toMatchObject({ status: 405 })
  })

  it('EC8: without a label it is the profile default', async () => {
    const { mtlsPort = 0 } = est.app.server.ports
    const raw = await exchange(
      mtlsPort,
      'GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      { tls: true },
    )
    expect(raw).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('it is on the listener that asks for certificates, and on no other', async () => {
    const { httpPort, httpsPort } = est.app.server.ports
    expect(
      await exchange(httpPort, 'GET /.well-known/est/cacerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    ).toMatch(/^HTTP\/1\.1 404 /)
    expect(
      await exchange(httpsPort, 'GET /.well-known/est/cacerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', {
        tls: true,
      }),
    ).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('15: an enrolment is the certificate alone, in a degenerate SignedData with all its empty parts', async () => {
    const challenge = await est.app.challenge({ dns: ['alone.example.org'] })
    const answer = await est.app.enroll({ by, subject: { CN: 'alone.example.org' }, basic: `x:${challenge}` })
    expect(answer.headers['content-type']).toBe('application/pkcs7-mime; smime-type=certs-only')
    expect(leafOf(answer).identifiers).toEqual([{ type: 'dns', value: 'alone.example.org' }])
    const der = Buffer.from(answer.text, 'base64')
    expect(der.subarray(-2)).toEqual(Buffer.of(0x31, 0))
    expect(der.includes(Buffer.from('020101' + '3100' + '300b06092a864886f70d010701', 'hex'))).toBe(true)
  })
})
