import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { requireSuccess } from '../helpers/acmeClients.ts'
import { type AlpaconCurl, alpaconCurl } from '../helpers/alpaconCurl.ts'
import { administrator, cliJson } from '../helpers/cliUsers.ts'
import { ocspStatus } from '../helpers/openssl.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

const CERT = '/api/cert'
const PASSWORD = 'a password of some length'

/** The calls of the Alpacon command line, against the server as it is after its first start. */
describe('what the Alpacon command line calls', () => {
  let server: ServerProcess
  let alice: AlpaconCurl
  let admin: AlpaconCurl

  beforeAll(async () => {
    server = await startServer()
    admin = alpaconCurl(server)
    await admin.token((await administrator(server)).token)
    await cliJson(server, ['user', 'create', 'alice'])
    const { secret } = await cliJson<{ secret: string }>(server, ['user', 'setup-link', 'alice'])
    await cliJson(server, ['user', 'set-password', '--setup-link', secret], { input: `${PASSWORD}\n` })
    for (const capability of ['create_cert', 'read'])
      requireSuccess(await server.cli(['user', 'grant', capability, 'alice']))
    alice = alpaconCurl(server)
    await alice.login('alice', PASSWORD)
  })
  afterAll(() => server.stop())

  const file = (name: string, text: string) => {
    const path = join(server.workFolder, name)
    writeFileSync(path, text)
    return path
  }

  /** `csr create`, `csr approve` by somebody else, `csr download-crt`. */
  async function signed(name: string) {
    const { id, key } = await alice.createCsr([name, `www.${name}`])
    const own = await alice.post(`${CERT}/sign-requests/${id}/approve/`)
    expect([own.status, own.json.detail]).toEqual([403, expect.stringContaining('behind this request')])
    const approved = await admin.post(`${CERT}/sign-requests/${id}/approve/`)
    expect([approved.status, approved.json.status]).toEqual([200, 'signed'])
    const { json } = await alice.get(`${CERT}/sign-requests/${id}/`)
    expect(json.status).toBe('signed')
    return { id, key, cert: file(`${id}.crt`, json.crt_text) }
  }

  /** `authority download-crt`. */
  async function authority(): Promise<{ id: string; chain: string }> {
    const { json } = await alice.get(`${CERT}/authorities/?page=1&page_size=100`)
    const [issuing] = json.results.filter(({ name }: { name: string }) => name === 'issuing')
    const shown = await alice.get(`${CERT}/authorities/${issuing.id}/`)
    return { id: issuing.id, chain: file('authority.crt', shown.json.crt_text) }
  }

  it('csr create, ls, approve by another, download-crt: openssl verifies what comes', async () => {
    const { id, key, cert } = await signed('shop.test')
    const { json } = await alice.get(`${CERT}/sign-requests/?page=1&page_size=100&status=signed`)
    expect(json.results[0]).toMatchObject({ id, common_name: 'shop.test', requested_by: { name: 'alice' } })
    // What the first start has made is there too: the lists hold whatever their reader may see.
    expect(json.results.at(-1)).toMatchObject({ common_name: 'countersign Issuing CA', status: 'signed' })
    const { chain } = await authority()
    const host = ['-purpose', 'sslserver', '-verify_hostname', 'www.shop.test']
    expect(await succeed('openssl', ['verify', '-x509_strict', ...host, '-CAfile', chain, cert])).toContain('OK')
    expect(
      await succeed('openssl', ['verify', ...host, '-CAfile', server.rootPem, '-untrusted', cert, cert]),
    ).toContain('OK')
    const ofKey = await succeed('openssl', ['pkey', '-in', key, '-pubout'])
    expect(await succeed('openssl', ['x509', '-in', cert, '-noout', '-pubkey'])).toBe(ofKey)
  })

  it('csr create, deny, delete: neither is issued', async () => {
    const denied = await alice.createCsr(['denied.test'])
    expect((await admin.post(`${CERT}/sign-requests/${denied.id}/deny/`)).json.status).toBe('denied')
    const canceled = await alice.createCsr(['canceled.test'])
    expect((await alice.delete(`${CERT}/sign-requests/${canceled.id}/`)).status).toBe(204)
    for (const [{ id }, status] of [[denied, 'denied'] as const, [canceled, 'canceled'] as const])
      expect((await alice.get(`${CERT}/sign-requests/${id}/`)).json).toMatchObject({ status, crt_text: '' })
  })

  it('revoke create, approve by another: openssl ocsp and the CRL say revoked', async () => {
    const { id: certificate, cert } = await signed('old.test')
    const { id, chain } = await authority()
    expect(await ocspStatus(server, { cert, chain })).toMatchObject({
      status: 'good',
      verified: true,
    })
    const body = { certificate, reason: 1, requested_reason: 'lost' }
    const asked = await alice.post(`${CERT}/revoke-requests/`, body)
    expect([asked.status, asked.json]).toEqual([
      201,
      expect.objectContaining({ certificate, status: 'requested', reason: 1, requested_reason: 'lost' }),
    ])
    expect(await ocspStatus(server, { cert, chain })).toMatchObject({ status: 'good' })
    const approved = await admin.post(`${CERT}/revoke-requests/${asked.json.id}/approve/`)
    expect(approved.json).toMatchObject({ status: 'revoked', approved_by: { name: 'admin' } })
    expect(await ocspStatus(server, { cert, chain })).toMatchObject({
      status: 'revoked',
      verified: true,
    })
    const { crl_text } = (await alice.get(`${CERT}/authorities/${id}/crl/`)).json
    const crl = file('authority.crl', crl_text)
    const shown = await succeed('openssl', ['crl', '-in', crl, '-noout', '-text'])
    expect(shown.toLowerCase()).toContain(approved.json.serial_number)
    expect(shown).toContain('Key Compromise')
  })

  it('an expired secret, a path that is none and an id of nobody are refused in JSON', async () => {
    const nobody = alpaconCurl(server)
    expect(await nobody.get(`${CERT}/sign-requests/`)).toMatchObject({ status: 401, type: 'application/json' })
    expect(await alice.get('/api/none/')).toMatchObject({ status: 404, json: { detail: 'Not found.' } })
    const nowhere = `${CERT}/sign-requests/01890000-0000-7000-8000-000000000000/`
    expect(await alice.get(nowhere)).toMatchObject({ status: 404, type: 'application/json' })
  })
})
