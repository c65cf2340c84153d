import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cliJson } from '../helpers/cliUsers.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const PASSWORD = 'Correct-Horse-Battery-7'

/** The one of the document. */
const BANANA = `-----BEGIN CERTIFICATE REQUEST-----
MIICrjCCAZYCAQAwaTELMAkGA1UEBhMCVFIxDjAMBgNVBAgMBUl6bWlyMRIwEAYD
VQQHDAlOYXJsaWRlcmUxITAfBgNVBAoMGEludGVybmV0IFdpZGdpdHMgUHR5IEx0
ZDETMBEGA1UEAwwKYmFuYW5hLmNvbTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCC
AQoCggEBAK+vJMxO1GTty09/E4M/RbTCPABleCuYc/uzj72KWaIvoDaanuJ4NBWM
2aUiepxWdMNTR6oe31gLq4agLYT309tXwCeBLQnOxvBFWONmBG1qo0fQkvT5kSoq
AO29D7hkQ0gVwg7EF3qOd0JgbDm/yvexKpYLVvWMQAngHwZRnd5vHGk6M3P7G4oG
mIj/CL2bF6va7GWODYHb+a7jI1nkcsrk+vapc+doVszcoJ+2ryoK6JndOSGjt9SD
uxulWZHQO32XC0btyub63pom4QxRtRXmb1mjM37XEwXJSsQO1HOnmc6ycqUK53p0
jF8Qbs0m8y/p2NHFGTUfiyNYA3EdkjUCAwEAAaAAMA0GCSqGSIb3DQEBCwUAA4IB
AQA+hq8kS2Y1Y6D8qH97Mnnc6Ojm61Q5YJ4MghaTD+XXbueTCx4DfK7ujYzK3IEF
pH1AnSeJCsQeBdjT7p6nv5GcwqWXWztNKn9zibXiASK/yYKwqvQpjSjSeqGEh+Sa
9C9SHeaPhZrJRj0i3NkqmN8moWasF9onW6MNKBX0B+pvBB+igGPcjCIFIFGUUaky
upMXY9IG3LlWvlt+HTfuMZV+zSOZgD9oyqkh5K9XRKNq/mnNz/1llUCBZRmfeRBY
+sJ4M6MJRztiyX4/Fjb8UHQviH931rkiEGtG826IvWIyiRSnAeE8B/VzL0GlT9Zq
ge6lFRxB1FlDuU4Blef8FnOI
-----END CERTIFICATE REQUEST-----`

describe('each operation of Notary’s document, by curl against the server', () => {
  let server: ServerProcess
  let admin: string
  let requestor: string
  let issuing: { id: number; certificate: string }

  interface Answer {
    status: number
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers
    json: any
  }

  async function curl(token: string | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
    const bearer = token === undefined ? [] : ['-H', `Authorization: Bearer ${token}`]
    const data = body === undefined ? [] : ['-H', 'Content-Type: application/json', '-d', JSON.stringify(body)]
    const how = ['--silent', '--show-error', '--cacert', server.rootPem, '-w', '\n%{http_code}']
    const url = `${server.baseUrl}/notary${path}`
    const out = await succeed('curl', [...how, '-X', method, ...bearer, ...data, url])
    const at = out.lastIndexOf('\n')
    return { status: Number(out.slice(at + 1)), json: JSON.parse(out.slice(0, at)) }
  }

  const requests = '/api/v1/certificate_requests'
  const file = (name: string, content: string) => {
    const path = join(server.workFolder, name)
    writeFileSync(path, content)
    return path
  }
  const login = async (email: string) =>
    (await curl(undefined, 'POST', '/login', { email, password: PASSWORD })).json.result.token

  async function csr(name: string): Promise<string> {
    const out = join(server.workFolder, `${name}.csr`)
    await succeed('openssl', [
      ...['req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`, '-out', out],
      ...['-addext', `subjectAltName=DNS:${name}`, '-keyout', join(server.workFolder, `${name}.key`)],
    ])
    return readFileSync(out, 'utf8')
  }
  const request = async (name: string): Promise<number> =>
    (await curl(requestor, 'POST', requests, { csr: await csr(name) })).json.result.id
  const sign = (id: number) =>
    curl(admin, 'POST', `${requests}/${id}/sign`, { certificate_authority_id: String(issuing.id) })
  const show = async (id: number) => (await curl(requestor, 'GET', `${requests}/${id}`)).json.result

  beforeAll(async () => {
    server = await startServer()
    const setPassword = ['user', 'set-password', '--setup-link', server.setupSecret]
    await cliJson(server, setPassword, { input: `${PASSWORD}\n` })
    admin = await login('admin')
    const account = { email: 'requestor@example.com', password: PASSWORD, role_id: 2 }
    expect((await curl(admin, 'POST', '/api/v1/accounts', account)).status).toBe(201)
    requestor = await login(account.email)
    const authorities = await curl(admin, 'GET', '/api/v1/certificate_authorities')
    issuing = authorities.json.result.find(({ name }: { name: string }) => name === 'issuing')
  })
  afterAll(() => server.stop())

  it('Create, List and Get: the request of the document is Outstanding', async () => {
    const created = await curl(requestor, 'POST', requests, { csr: BANANA })
    const { id } = created.json.result
    expect(created).toMatchObject({ status: 201, json: { result: { message: 'success', id } } })
    const shown = { id, csr: BANANA, certificate_chain: '', status: 'Outstanding' }
    const listed = await curl(requestor, 'GET', requests)
    expect(listed).toMatchObject({ status: 200, json: { result: [shown] } })
    const got = await curl(requestor, 'GET', `${requests}/${id}`)
    expect(got).toMatchObject({ status: 200, json: { result: shown } })
  })

  it('Sign: openssl verifies the chain and finds the key of the request; Revoke: the CRL names it', async () => {
    const id = await request('curl.example.com')
    const signed = await sign(id)
    expect(signed).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    const { status, certificate_chain: chain, csr: text } = await show(id)
    expect(status).toBe('Active')
    const cert = file('curl.pem', chain)
    const trust = ['-CAfile', server.rootPem, '-untrusted', cert]
    const strict = ['verify', '-x509_strict', '-purpose', 'sslserver', '-verify_hostname', 'curl.example.com']
    expect(await succeed('openssl', [...strict, ...trust, cert])).toContain('OK')
    const keyOfRequest = await succeed('openssl', ['req', '-in', file('curl.csr', text), '-noout', '-pubkey'])
    expect(await succeed('openssl', ['x509', '-in', cert, '-noout', '-pubkey'])).toBe(keyOfRequest)

    const crlPath = `/api/v1/certificate_authorities/${issuing.id}/crl`
    const check = async () => {
      const crl = file('issuing.crl', (await curl(undefined, 'GET', crlPath)).json.result.crl)
      return run('openssl', ['verify', '-crl_check', '-CRLfile', crl, ...trust, cert])
    }
    expect((await check()).stdout).toContain('OK')
    const revoked = await curl(admin, 'POST', `${requests}/${id}/certificate/revoke`)
    expect(revoked).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect((await show(id)).status).toBe('Revoked')
    const after = await check()
    expect(after.code).not.toBe(0)
    expect(after.stderr).toContain('certificate revoked')
  })

  it('Reject: a request that never had a certificate is Rejected', async () => {
    const id = await request('rejected.example.com')
    const rejected = await curl(admin, 'POST', `${requests}/${id}/reject`)
    expect(rejected).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect((await show(id)).status).toBe('Rejected')
  })

  it('Delete: the request is there no more', async () => {
    const id = await request('deleted.example.com')
    const deleted = await curl(admin, 'DELETE', `${requests}/${id}`)
    expect(deleted).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect(await curl(requestor, 'GET', `${requests}/${id}`)).toMatchObject({
      status: 404,
      json: { error: 'Not Found' },
    })
  })

  it('Create a Certificate: a chain that openssl has signed; it is not revoked here, and is deleted', async () => {
    const name = 'elsewhere.example.com'
    const id = await request(name)
    const at = (suffix: string) => join(server.workFolder, `${name}.${suffix}`)
    const ca = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=Another CA', '-days', '30']
    await succeed('openssl', [...ca, '-keyout', at('ca.key'), '-out', at('ca.pem')])
    const leaf = ['x509', '-req', '-in', at('csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial']
    await succeed('openssl', [...leaf, '-copy_extensions', 'copy', '-days', '7', '-out', at('pem')])
    const certificate = readFileSync(at('pem'), 'utf8') + readFileSync(at('ca.pem'), 'utf8')
    const created = await curl(admin, 'POST', `${requests}/${id}/certificate`, { certificate })
    expect(created).toMatchObject({ status: 201, json: { result: { message: 'success', id } } })
    expect(await show(id)).toMatchObject({ status: 'Active', certificate_chain: certificate })
    expect((await curl(admin, 'POST', `${requests}/${id}/certificate/revoke`)).status).toBe(422)
    const deleted = await curl(admin, 'DELETE', `${requests}/${id}/certificate`)
    expect(deleted).toMatchObject({ status: 200, json: { result: { message: 'success' } } })
    expect(await show(id)).toMatchObject({ status: 'Outstanding', certificate_chain: '' })
  })

  it('Sign with an intermediate of choice: created with a request, signed by another, and openssl verifies', async () => {
    const path = '/api/v1/certificate_authorities'
    const make = async (body: object): Promise<number> => (await curl(admin, 'POST', path, body)).json.result.id
    const root = await make({ self_signed: true, common_name: 'Fruit Root' })
    const id = await make({ self_signed: false, common_name: 'Fruit Issuing' })
    const { csr: asked } = (await curl(admin, 'GET', `${path}/${id}`)).json.result
    expect(await succeed('openssl', ['req', '-in', file('ca.csr', asked), '-noout', '-subject'])).toContain(
      'Fruit Issuing',
    )
    const below = { certificate_authority_id: String(root) }
    expect((await curl(admin, 'POST', `${path}/${id}/sign`, below)).status).toBe(202)
    const order = await request('fruit.example.com')
    const signed = await curl(admin, 'POST', `${requests}/${order}/sign`, { certificate_authority_id: String(id) })
    expect(signed).toMatchObject({ status: 202, json: { message: 'success' } })
    const cert = file('fruit.pem', (await show(order)).certificate_chain)
    const top = file('fruit-root.pem', (await curl(admin, 'GET', `${path}/${root}`)).json.result.certificate)
    expect(await succeed('openssl', ['verify', '-x509_strict', '-CAfile', top, '-untrusted', cert, cert])).toContain(
      'OK',
    )
    expect(await succeed('openssl', ['x509', '-in', cert, '-noout', '-issuer'])).toContain('Fruit Issuing')
  })

  it('a client of the newer generations: the cookie of the login, JSON as text/plain', async () => {
    const jar = join(server.workFolder, 'jar')
    const how = ['--silent', '--show-error', '--cacert', server.rootPem, '-c', jar, '-b', jar]
    const send = (path: string, ...more: string[]) =>
      succeed('curl', [...how, ...more, `${server.baseUrl}/notary${path}`])
    const text = (body: object) => ['-H', 'Content-Type: text/plain', '-d', JSON.stringify(body)]
    await send('/login', ...text({ email: 'requestor@example.com', password: PASSWORD }))
    const me = JSON.parse(await send('/api/v1/accounts/me'))
    expect(me.data).toMatchObject({ email: 'requestor@example.com', role_id: 2 })
    const made = JSON.parse(await send(requests, ...text({ csr: await csr('cookie.example.com') })))
    expect(made).toMatchObject({ data: { id: expect.any(Number) }, message: 'success' })
    await send('/logout', '-X', 'POST')
    expect(JSON.parse(await send('/api/v1/accounts/me'))).toMatchObject({ error: 'Unauthorized' })
  })

  it('more than 100 KiB is 413 over the wire too', async () => {
    const big = file('big.json', JSON.stringify({ csr: 'x'.repeat(200_000) }))
    const how = ['--silent', '--cacert', server.rootPem, '-o', '/dev/null', '-w', '%{http_code}']
    const bearer = ['-H', `Authorization: Bearer ${requestor}`, '--data-binary', `@${big}`]
    expect(await succeed('curl', [...how, ...bearer, `${server.baseUrl}/notary${requests}`])).toBe('413')
  })

  it('is served over TLS only', async () => {
    expect((await fetch(`${server.httpUrl}/notary/status`)).status).toBe(404)
  })
})
