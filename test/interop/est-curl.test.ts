import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authoritiesOf, curlEst, enrolByCurl } from '../helpers/estCurl.ts'
import { auto, type EstServer, newCsr, newKey, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { serialOf } from '../helpers/openssl.ts'
import { run } from '../helpers/program.ts'

const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }

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
