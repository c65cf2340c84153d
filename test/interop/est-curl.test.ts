import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authoritiesOf, certificatesIn, curlEst, enrolByCurl } from '../helpers/estCurl.ts'
import { auto, type EstServer, newCsr, newKey, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { serialOf } from '../helpers/openssl.ts'
import { run, succeed } from '../helpers/program.ts'

const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }

const OSU = `[req]
prompt = no
distinguished_name = d
req_extensions = e
[d]
CN = cert-user-4711
[e]
basicConstraints = CA:FALSE
keyUsage = nonRepudiation, digitalSignature, keyEncipherment
extendedKeyUsage = 1.3.6.1.4.1.40808.1.1.2
`

describe('EST with curl and openssl', () => {
  let server: EstServer

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: 'open', rules: { issue: [waits, ...auto] } })
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  const enroll = (body: string, more: object) =>
    curlEst(server, { label: 'open', operation: 'simpleenroll', body, ...more })
  const enrolled = (name: string) => enrolByCurl(server, { label: 'open', name, bearer: server.admin.token })

  it('13, EC3: simpleenroll takes DER in base64, on one line, in lines with CRLF, and in chunks', async () => {
    const key = await newKey(server, 'forms')
    const csr = await newCsr(server, { key, name: 'forms.localhost' })
    const base64 = csr.replace(/-----.*?-----|\n/g, '')
    const lines = base64.replace(/.{76}/g, '$&\r\n')
    const answers = []
    for (const body of [csr, base64, lines])
      for (const headers of [[], ['Transfer-Encoding: chunked'], ['Content-Transfer-Encoding: base64']])
        answers.push(await enroll(body, { bearer: server.admin.token, headers }))
    expect(answers.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual(answers.map(() => 200))
    // The same order each time: one certificate.
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
  })

  it('11: HTTP/1.0, without ALPN, gets its certificate too, and its length', async () => {
    const name = 'old.localhost'
    const body = await newCsr(server, { key: await newKey(server, name), name })
    const answer = await enroll(body, { bearer: server.admin.token, more: ['--http1.0', '--no-alpn'] })
    expect(answer.status, answer.text).toBe(200)
    expect(Number(/\r\nContent-Length: (\d+)(?:\r\n|$)/.exec(answer.head)?.[1])).toBe(answer.text.length)
  })

  it('a request as OSU clients make it (Passpoint): a common name alone, and a purpose that nobody here issues', async () => {
    await server.save({
      name: 'passpoint',
      certificate: { type: 'client', extraExtensions: 'ignore', subject: { CN: '{csr.CN}' } },
    })
    const csr = async (key: string) => {
      const config = server.file('osu.cnf', OSU)
      const text = await succeed('openssl', ['req', '-new', '-key', key, '-config', config])
      return text.replace(/-----.*?-----\n/g, '')
    }
    const key = await newKey(server, 'osu', 'RSA')
    const headers = ['Content-Transfer-Encoding: base64']
    const asked = { label: 'passpoint', headers }
    const basic = `admin:${server.admin.token}`
    const first = await curlEst(server, { ...asked, operation: 'simpleenroll', body: await csr(key), basic })
    expect(first.status, first.text).toBe(200)
    const cert = server.file('osu.pem', (await certificatesIn(first.text))[0])
    const text = await succeed('openssl', ['x509', '-in', cert, '-noout', '-text'])
    expect(text).toContain('Subject: CN = cert-user-4711\n')
    expect(text).toMatch(/Extended Key Usage: \n +TLS Web Client Authentication\n/)
    const body = await csr(await newKey(server, 'osu-next', 'RSA'))
    const next = await curlEst(server, { ...asked, operation: 'simplereenroll', body, client: { cert, key } })
    expect(next.status, next.text).toBe(200)
  })

  it('a denial is 403 with the reason on one line', async () => {
    const name = 'waits-denied.localhost'
    const body = await newCsr(server, { key: await newKey(server, name), name })
    expect((await enroll(body, { bearer: server.admin.token })).status).toBe(202)
    await server.deny((await server.waiting(name)).id, 'not one of ours')
    const { status, head, text } = await enroll(body, { bearer: server.admin.token })
    expect({ status, text }).toEqual({ status: 403, text: 'not one of ours\n' })
    expect(head).toContain('\r\nContent-Type: text/plain; charset=utf-8\r\n')
  })

  it('a certificate that was revoked opens nothing any more', async () => {
    const name = 'revoked.localhost'
    const client = await enrolled(name)
    const body = await newCsr(server, { key: client.key, name })
    const words = ['certificate', 'revoke', await serialOf(client.cert), '--reason', 'cessationOfOperation']
    const revoked = await server.process.cli(words, { token: server.admin.token })
    expect(revoked.code, `${revoked.stdout}${revoked.stderr}`).toBe(0)
    for (const operation of ['simpleenroll', 'simplereenroll']) {
      const answer = await curlEst(server, { label: 'open', operation, body, client, bearer: server.admin.token })
      expect(answer).toMatchObject({ status: 403, text: 'the client certificate is revoked\n' })
    }
  })

  it('the root’s fingerprint is the one that the server shows', async () => {
    const { root } = await authoritiesOf(server, 'default')
    expect(readFileSync(root, 'utf8').trim()).toBe(readFileSync(server.process.rootPem, 'utf8').trim())
    const { stdout } = await run('openssl', ['x509', '-in', root, '-noout', '-fingerprint', '-sha256'])
    expect(server.process.output().stdout).toContain(stdout.trim().split('=')[1])
  })
})
