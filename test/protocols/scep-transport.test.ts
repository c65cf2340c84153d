import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { exchange } from '../helpers/rawHttp.ts'
import { useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, readReply, scepMessage } from '../helpers/scepClient.ts'

describe('SCEP over HTTP', () => {
  const scep = useScepApp()
  const by = device('transport')
  let message: Buffer

  beforeAll(async () => {
    const [to = Buffer.alloc(0)] = await scep.app.caCertificates()
    message = await scepMessage({ to, by, data: csrOf(by, { subject: { CN: 'transport.example.org' } }) })
  })

  const caps = '?operation=GetCACaps'

  it.each([
    '/scep/default',
    '/scep/default/',
    '/scep/default/pkiclient.exe',
    '/cgi-bin/pkiclient.exe',
    '/certsrv/mscep/mscep.dll',
    '/certsrv/mscep/mscep.dll/pkiclient.exe',
    '/CertSrv/mscep/mscep.dll',
  ])('23: %s is the profile default', async (path) => {
    const { status, text } = await scep.app.ask(path + caps)
    expect([status, text.includes('SCEPStandard')]).toEqual([200, true])
  })

  it.each([
    '/scep/none',
    '/scep/DEFAULT',
    '/scep//default',
    '/scep/%64efault',
    '/scep/default/%2e/pkiclient.exe',
    '/scep/default/..',
    '/scep',
    '/scep/@issuing/message',
    '/cgi-bin/pkiclient.exe/x',
  ])('pitfall "protocol on/off bypass by URL": %s is 404, in text', async (path) => {
    const { status, headers, text } = await scep.app.ask(path + caps)
    expect([status, headers['content-type']]).toEqual([404, 'text/plain; charset=utf-8'])
    expect(text).not.toContain('{"')
  })

  it('a profile that does not serve SCEP is 404', async () => {
    await scep.app.world.save('acme-only', {})
    expect((await scep.app.ask(`/scep/acme-only${caps}`)).status).toBe(404)
  })

  it.each(['GetCACaps', 'getcacaps', 'GETCACAPS'])(
    '23: the operation %s is told apart without case',
    async (operation) => {
      expect((await scep.app.ask(`/scep/default?operation=${operation}&message=0`)).status).toBe(200)
    },
  )

  it('26, SC3: capabilities, one on a line, exact case, no empty line, and SHA-384 among them', async () => {
    const { headers, text } = await scep.app.ask(`/scep/default${caps}`)
    expect(headers['content-type']).toBe('text/plain')
    const lines = text.trimEnd().split('\n')
    expect(lines).toEqual([
      'POSTPKIOperation',
      'Renewal',
      'AES',
      'DES3',
      'SHA-224',
      'SHA-256',
      'SHA-384',
      'SHA-512',
      'SCEPStandard',
    ])
  })

  it('26: only what a profile takes is listed', async () => {
    await scep.app.save('old', { digests: ['sha1'], ciphers: ['des-ede3-cbc', 'des-cbc'] })
    expect((await scep.app.ask(`/scep/old${caps}`)).text).toBe('POSTPKIOperation\nRenewal\nDES3\nSHA-1\n')
  })

  it('27: GetCACert is a chain with the RA first, or one certificate by setting; message= means nothing', async () => {
    const chain = await scep.app.ask('/scep/default?operation=GetCACert&message=CAIdentifier')
    expect(chain.headers['content-type']).toBe('application/x-x509-ca-ra-cert')
    const names = (await scep.app.caCertificates()).map((der) => nameText(readCertificate(der).subject))
    expect(names).toEqual(['CN=RA default', 'CN=countersign Issuing CA', 'CN=countersign Root CA'])
    const [ra = Buffer.alloc(0)] = await scep.app.caCertificates()
    expect(readCertificate(ra).keyUsage?.toSorted()).toEqual(['digitalSignature', 'keyEncipherment'])
    await scep.app.save('apple', { caCertificates: 'single' })
    const single = await scep.app.ask('/scep/apple?operation=GetCACert')
    expect(single.headers['content-type']).toBe('application/x-x509-ca-cert')
    expect(nameText(readCertificate(single.body).subject)).toBe('CN=RA apple')
    await scep.app.save('rootless', { includeRoot: false })
    expect(await scep.app.caCertificates('rootless')).toHaveLength(2)
  })

  it('GetNextCACert is 404 while there is no next certificate, and is not among the capabilities', async () => {
    expect((await scep.app.ask('/scep/default?operation=GetNextCACert')).status).toBe(404)
    expect((await scep.app.ask(`/scep/default${caps}`)).text).not.toContain('GetNextCACert')
  })

  it.each([
    ['with + as it stands', (text: string) => text.replaceAll('=', '%3D')],
    ['percent-encoded', (text: string) => encodeURIComponent(text)],
    ['with spaces for +', (text: string) => text.replaceAll('+', '%20')],
    ['in lines', (text: string) => encodeURIComponent(text.replace(/.{64}/g, '$&\n'))],
    ['without padding', (text: string) => text.replaceAll('=', '')],
    ['for URLs', (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')],
  ])('4, 25, SC5: PKIOperation by GET, base64 %s', async (_, write) => {
    const path = `/scep/default?operation=PKIOperation&message=${write(message.toString('base64'))}`
    const { status, headers, body } = await scep.app.ask(path)
    expect([status, headers['content-type']]).toEqual([200, 'application/x-pki-message'])
    expect((await readReply(body)).pkiStatus).toBe('PENDING')
  })

  it.each([undefined, 'application/x-pki-message', 'application/octet-stream', 'text/plain'])(
    '24: a message is posted as %s, with or without an operation',
    async (type) => {
      for (const query of ['', '?operation=PKIOperation', '?operation=pkioperation&message=']) {
        const headers = type === undefined ? {} : { 'Content-Type': type }
        const { body } = await scep.app.ask(`/scep/default${query}`, { method: 'POST', body: message, headers })
        expect((await readReply(body)).pkiStatus).toBe('PENDING')
      }
    },
  )

  it('11: HTTP/1.0 without Host; 1, 2, 3: names of headers as written, a length, a short head', async () => {
    const { httpPort } = scep.app.server.ports
    const answer = await exchange(httpPort, `GET /cgi-bin/pkiclient.exe${caps} HTTP/1.0\r\n\r\n`)
    const [head = ''] = answer.split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(head).toContain('\r\nContent-Type: text/plain\r\n')
    expect(head).toMatch(/\r\nContent-Length: [0-9]+\r\n/)
    expect(head).not.toContain('chunked')
    expect(head.length).toBeLessThan(1024)
  })

  it('10: 48 KiB of request line pass, more are 414; 256 KiB of body, more are 413', async () => {
    const long = (size: number) => `/scep/default?operation=PKIOperation&message=${'A'.repeat(size)}`
    expect((await scep.app.ask(long(40 * 1024))).status, 'no message, but read').toBe(400)
    expect((await scep.app.ask(long(49 * 1024))).status).toBe(414)
    const post = (size: number) => scep.app.post(Buffer.alloc(size, 0x30))
    expect((await post(255 * 1024)).status).toBe(400)
    expect((await post(257 * 1024)).status).toBe(413)
  })

  it.each([
    ['GET', '?operation=PKIOperation'],
    ['GET', '?operation=PKIOperation&message=%E0%A4%A'],
    ['GET', '?operation=PKIOperation&message=****'],
    ['GET', '?operation=Reboot'],
    ['GET', ''],
    ['POST', '?operation=GetCACert'],
  ])('37: %s %s is 400, in text', async (method, query) => {
    const { status, headers } = await scep.app.ask(`/scep/default${query}`, { method })
    expect([status, headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8'])
  })

  it.each(['PUT', 'DELETE', 'OPTIONS'])('%s is 405', async (method) => {
    const { status, headers } = await scep.app.ask(`/scep/default${caps}`, { method })
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, POST'])
  })

  it('random bytes, and a message cut or changed anywhere, are 400 or a FAILURE: never a 500, never JSON', async () => {
    const samples = Array.from({ length: 60 }, (_, i) => {
      if (i % 3 === 0) return randomBytes(1 + i * 7)
      const copy = Buffer.from(message)
      if (i % 3 === 1) return copy.subarray(0, Math.floor((copy.length * i) / 60))
      copy[Math.floor((copy.length * i) / 60)] = randomBytes(1)[0] ?? 0
      return copy
    })
    for (const sample of samples) {
      const { status, headers, body } = await scep.app.post(sample)
      if (status === 400) expect(headers['content-type']).toBe('text/plain; charset=utf-8')
      else {
        expect([status, headers['content-type']]).toEqual([200, 'application/x-pki-message'])
        const { pkiStatus } = await readReply(body)
        expect(['FAILURE', 'PENDING']).toContain(pkiStatus)
      }
    }
  })
})
