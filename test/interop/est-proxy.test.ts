import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listRequests } from '../helpers/cliUsers.ts'
import { certificatesIn, curlEst, enrolByCurl } from '../helpers/estCurl.ts'
import { type EstServer, newCsr, newKey, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { freePorts } from '../helpers/ports.ts'
import { type RunningProgram, run, start, succeed } from '../helpers/program.ts'
import { until } from '../helpers/until.ts'

const HEADER = 'X-Client-Certificate'
/** What the proxy's own connections come from: another address of this machine than the clients'. */
const PROXY = '127.0.0.2'

describe('EST behind nginx', () => {
  let server: EstServer
  let nginx: RunningProgram
  let url: string
  let client: { cert: string; key: string }
  const name = 'behind.localhost'

  beforeAll(async () => {
    server = await startEstServer({ COUNTERSIGN_TRUSTED_PROXIES: PROXY, COUNTERSIGN_CLIENT_CERTIFICATE_HEADER: HEADER })
    await server.save({ name: 'open' })
    client = await enrolByCurl(server, { label: 'open', name, bearer: server.admin.token })
    const front = await enrolByCurl(server, { label: 'open', name: 'localhost', bearer: server.admin.token })
    const issuing = server.file('open-issuing.pem')
    writeFileSync(front.cert, `${readFileSync(front.cert, 'utf8')}${readFileSync(issuing, 'utf8')}`)
    const [port = 0] = await freePorts(1)
    url = `https://localhost:${port}`
    const config = server.file('nginx.conf', nginxConfig(port, front))
    nginx = start('nginx', ['-c', config, '-e', server.file('nginx.log'), '-p', server.file('.')])
    await until('nginx', async () => (await run('curl', ['-sk', `${url}/healthz`])).code === 0 || undefined)
  }, SETUP_WITHIN)
  afterAll(async () => {
    nginx?.child.kill('SIGTERM')
    await nginx?.ended
    await server?.stop()
  })

  const nginxConfig = (port: number, front: { cert: string; key: string }) => `
    daemon off; master_process off; pid ${server.file('nginx.pid')}; error_log ${server.file('nginx.log')} info;
    events {}
    http {
      access_log off; client_body_temp_path ${server.file('t1')}; proxy_temp_path ${server.file('t2')};
      fastcgi_temp_path ${server.file('t3')}; uwsgi_temp_path ${server.file('t4')}; scgi_temp_path ${server.file('t5')};
      server {
        listen 127.0.0.1:${port} ssl; server_name localhost;
        ssl_certificate ${front.cert}; ssl_certificate_key ${front.key};
        ssl_verify_client optional_no_ca;
        location / {
          proxy_pass ${server.url}; proxy_bind ${PROXY}; proxy_http_version 1.1;
          proxy_ssl_trusted_certificate ${server.process.rootPem}; proxy_ssl_verify on; proxy_ssl_verify_depth 3;
          proxy_set_header ${HEADER} $ssl_client_escaped_cert;
          proxy_set_header X-Forwarded-For $remote_addr;
        }
      }
    }`

  const csr = async (challengePassword?: string) =>
    newCsr(server, { key: client.key, name, ...(challengePassword === undefined ? {} : { challengePassword }) })
  /** As nginx writes it. */
  const escaped = () => encodeURIComponent(readFileSync(client.cert, 'utf8'))

  it('enrols by password, and re-enrols by the certificate of the TLS connection that ends at nginx', async () => {
    const byPassword = await enrolByCurl(server, {
      label: 'open',
      name: 'by-password.localhost',
      url,
      bearer: server.admin.token,
    })
    expect(readFileSync(byPassword.cert, 'utf8')).toContain('BEGIN CERTIFICATE')
    const answer = await curlEst(server, { label: 'open', operation: 'simplereenroll', body: await csr(), client, url })
    expect(answer.status, answer.text).toBe(200)
    const [pem] = await certificatesIn(answer.text)
    expect(await succeed('openssl', ['x509', '-noout', '-subject'], { input: pem ?? '' })).toContain(name)
  })

  it('the source address is the client’s', async () => {
    const order = (await listRequests(server.process)).find(({ names }) => names.includes('by-password.localhost'))
    const { stdout } = await server.process.cli(['request', 'show', String(order?.id)])
    expect(stdout).toMatch(/From +127\.0\.0\.1\n/)
  })

  it('without a client certificate there is none: what a client writes into the header, nginx replaces', async () => {
    const asked = { label: 'open', operation: 'simplereenroll', body: await csr(), url }
    const nothing = { status: 401, text: 'no client certificate was shown, and no password\n' }
    expect(await curlEst(server, asked)).toMatchObject(nothing)
    expect(await curlEst(server, { ...asked, headers: [`${HEADER}: ${escaped()}`] })).toMatchObject(nothing)
  })

  it('the same header sent past nginx means nothing, nor does it beside an own certificate', async () => {
    const spoofed = [`${HEADER}: ${escaped()}`]
    const asked = { label: 'open', operation: 'simplereenroll', body: await csr(), headers: spoofed }
    expect(await curlEst(server, asked)).toMatchObject({ status: 401 })
    const other = await enrolByCurl(server, { label: 'open', name: 'other.localhost', bearer: server.admin.token })
    expect(await curlEst(server, { ...asked, client: other })).toMatchObject({
      status: 403,
      text: expect.stringContaining('the subject and the names'),
    })
    const key = await newKey(server, 'spoofed')
    const body = await newCsr(server, { key, name: 'spoofed.localhost' })
    const forwarded = [...spoofed, 'X-Forwarded-For: 127.0.0.2', 'Forwarded: for=127.0.0.2']
    expect((await curlEst(server, { ...asked, body, headers: forwarded })).status).toBe(401)
  })

  it('a header of the proxy that cannot be read is 400, and names the proxy', async () => {
    const more = ['--interface', PROXY]
    const asked = { label: 'open', operation: 'simplereenroll', body: await csr(), more }
    expect(await curlEst(server, { ...asked, headers: [`${HEADER}: rubbish`] })).toMatchObject({
      status: 400,
      text: expect.stringContaining('look at the proxy'),
    })
    // From that address it is believed: the test's own proof that it is the address which counts.
    expect((await curlEst(server, { ...asked, headers: [`${HEADER}: ${escaped()}`] })).status).toBe(200)
  })

  it('a challengePassword cannot be compared behind a proxy, and is refused', async () => {
    const body = await csr(createHash('sha256').update('any').digest('base64'))
    expect(await curlEst(server, { label: 'open', operation: 'simplereenroll', body, client, url })).toMatchObject({
      status: 403,
      text: expect.stringContaining('ends at a proxy'),
    })
  })
})
