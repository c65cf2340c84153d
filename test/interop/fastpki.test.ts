import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { administrator, cliJson } from '../helpers/cliUsers.ts'
import { run, succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

/**
 * The commands of FastPKI's own page on certificates, letter by letter, in a shell: of each only `http://localhost:8000` has become the
 * base URL, and the id of a certificate the one that the server has given it. The shell has TOKEN, and a curl that trusts the root.
 */
const page = {
  issue: `curl -s -X POST "http://localhost:8000/api/v1/certificates/?ca_id=1" \\
-H "Authorization: Bearer $TOKEN" \\
-H "Content-Type: application/json" \\
-d '{
"common_name": "api.example.com",
"subject_dn": "CN=api.example.com,O=Acme Corp,C=US",
"certificate_type": "server",
"key_size": 2048,
"valid_days": 365,
"include_private_key": true
}' | python -m json.tool`,
  names: `curl -s -X POST "http://localhost:8000/api/v1/certificates/?ca_id=1" \\
-H "Authorization: Bearer $TOKEN" \\
-H "Content-Type: application/json" \\
-d '{
"common_name": "api.example.com",
"subject_dn": "CN=api.example.com,O=Acme Corp,C=US",
"certificate_type": "server",
"san_dns_names": ["api.example.com", "api-v2.example.com"],
"san_ip_addresses": ["10.0.0.42"]
}' | python -m json.tool`,
  client: `curl -s -X POST "http://localhost:8000/api/v1/certificates/?ca_id=1" \\
-H "Authorization: Bearer $TOKEN" \\
-H "Content-Type: application/json" \\
-d '{
"common_name": "alice",
"subject_dn": "CN=alice,O=Acme Corp,C=US",
"certificate_type": "client"
}' | python -m json.tool`,
  csr: `# Generate a key and CSR locally
openssl req -new -newkey rsa:2048 -nodes \\
-keyout api.example.com.key \\
-out api.example.com.csr \\
-subj "/CN=api.example.com/O=Acme Corp/C=US"
# Submit the CSR for signing
curl -s -X POST http://localhost:8000/api/v1/certificates/sign-csr \\
-H "Authorization: Bearer $TOKEN" \\
-H "Content-Type: application/json" \\
-d "$(jq -Rs --arg type server --arg ca "Acme Issuing CA" \\
'{csr: ., certificate_type: $type, ca_name: $ca}' \\
< api.example.com.csr)" | python -m json.tool`,
  list: `# All certificates visible to the current user
curl -s http://localhost:8000/api/v1/certificates/ \\
-H "Authorization: Bearer $TOKEN" | python -m json.tool`,
  listOfCa: `# Filter by issuing CA
curl -s "http://localhost:8000/api/v1/certificates/?ca_id=1" \\
-H "Authorization: Bearer $TOKEN" | python -m json.tool`,
  view: `curl -s http://localhost:8000/api/v1/certificates/1 \\
-H "Authorization: Bearer $TOKEN" | python -m json.tool`,
  privateKey: `curl -s http://localhost:8000/api/v1/certificates/1/private-key \\
-H "Authorization: Bearer $TOKEN" | python -m json.tool`,
  revoke: `curl -s -X POST http://localhost:8000/api/v1/certificates/1/revoke \\
-H "Authorization: Bearer $TOKEN" \\
-H "Content-Type: application/json" \\
-d '{
"reason": "Key compromise"
}' | python -m json.tool`,
}

describe('FastPKI', () => {
  let server: ServerProcess
  let admin: string
  let token: string
  let base: string

  interface Certificate {
    id: number
    certificate: string
    private_key?: string
    [more: string]: unknown
  }

  /** A command of the page; `id`: of the certificate that it calls 1. */
  async function shell(command: keyof typeof page, id = 1): Promise<unknown> {
    const text = page[command]
      .replaceAll('http://localhost:8000', base)
      .replace(/(\/certificates\/)1(?=[/ ])/, (_, path: string) => `${path}${id}`)
    const { CURL_HOME: _, ...env } = process.env
    const shown = { ...env, TOKEN: token, CURL_CA_BUNDLE: server.rootPem, PATH: `${server.workFolder}/bin:${env.PATH}` }
    return JSON.parse(await succeed('bash', ['-ec', text], { cwd: server.workFolder, env: shown }))
  }

  const certificate = async (command: keyof typeof page, id?: number) => (await shell(command, id)) as Certificate

  async function curl(path: string, ...more: string[]): Promise<{ status: number; body: string }> {
    const args = ['-s', '--cacert', server.rootPem, '-w', '\n%{http_code}', ...more]
    const out = await succeed('curl', [...args, path.startsWith('http') ? path : `${base}${path}`])
    const at = out.lastIndexOf('\n')
    return { status: Number(out.slice(at + 1)), body: out.slice(0, at) }
  }

  const asAdmin = ['-H', 'Content-Type: application/json']

  async function post(path: string, body: unknown): Promise<{ status: number; body: string }> {
    return curl(path, ...asAdmin, '-H', `Authorization: Bearer ${admin}`, '-d', JSON.stringify(body))
  }

  const file = (name: string) => join(server.workFolder, name)
  const openssl = (...args: string[]) => succeed('openssl', args, { cwd: server.workFolder })

  beforeAll(async () => {
    server = await startServer()
    base = `${server.baseUrl}/fastpki`
    admin = (await administrator(server)).token
    await succeed('bash', ['-ec', 'mkdir bin; ln -s "$(command -v python3)" bin/python'], { cwd: server.workFolder })
    // The page's CA has the number 1: here that is the root of the first start, which gets an RA profile for it.
    const rule = { name: 'who may order', when: 'protocol == "fastpki"', auto: true }
    const revoke = [{ name: 'users who may revoke', when: 'grounds == "account" || capable', auto: true }]
    const names = { dns: [], ip: [], email: ['**'] }
    const profile = {
      name: 'acme',
      authority: 'root',
      settings: {
        certificate: { validity: { default: '365d', max: '365d' }, overrides: ['validity', 'subject'] },
        variants: { client: { description: 'people', type: 'client', names } },
      },
      protocols: { fastpki: {} },
      rules: { issue: [rule], renew: [], rekey: [], revoke, export: [] },
    }
    await cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify(profile) })
    const made = await post('/api/v1/cas/', {
      name: 'Acme Issuing CA',
      subject_dn: 'CN=Acme Issuing CA,O=Acme Corp,C=US',
      key_size: 2048,
      parent_ca_id: 1,
    })
    expect(made.status, made.body).toBe(201)
    const user = { username: 'acme', email: 'acme@acme.test', password: 'correct horse battery' }
    const flags = { can_create_cert: true, can_revoke_cert: true, can_export_private_key: true }
    expect((await post('/api/v1/users/', { ...user, ...flags })).status).toBe(201)
    const form = ['-d', `username=${user.username}`, '--data-urlencode', `password=${user.password}`]
    const login = await curl('/api/v1/auth/token', ...form)
    expect(login.status, login.body).toBe(200)
    token = JSON.parse(login.body).access_token
  })
  afterAll(() => server.stop())

  const check = async (name: string, { certificate: pem }: Certificate) => {
    writeFileSync(file(name), pem)
    return openssl('x509', '-in', name, '-noout', '-text', '-nameopt', 'RFC2253')
  }

  it('issues a certificate with its key, by the page’s command', async () => {
    const made = await certificate('issue')
    expect(made).toMatchObject({ common_name: 'api.example.com', valid_days: 365, key_size: 2048, status: 'valid' })
    const text = await check('issued.pem', made)
    expect(text).toContain('Subject: CN=api.example.com,O=Acme Corp,C=US')
    expect(text).toMatch(/Subject Alternative Name:.*\n +DNS:api\.example\.com\n/)
    expect(text).toContain('Public-Key: (2048 bit)')
    expect(text).toContain('TLS Web Server Authentication')
    writeFileSync(file('issued.key'), made.private_key ?? '')
    const own = await openssl('pkey', '-in', 'issued.key', '-pubout')
    expect(own).toBe(await openssl('x509', '-in', 'issued.pem', '-noout', '-pubkey'))
    expect(await openssl('verify', '-CAfile', server.rootPem, 'issued.pem')).toContain('OK')
    const { body } = await curl(`/api/v1/export/certificate/${made.id}`, '-H', `Authorization: Bearer ${token}`)
    expect(body).toBe(made.certificate)
  })

  it('issues with the names that the page’s command gives', async () => {
    const text = await check('names.pem', await certificate('names'))
    expect(text).toMatch(/DNS:api\.example\.com, DNS:api-v2\.example\.com, IP Address:10\.0\.0\.42\n/)
  })

  it('issues a client’s certificate, by the page’s command', async () => {
    const made = await certificate('client')
    expect(made).toMatchObject({ certificate_type: 'client', common_name: 'alice', private_key: expect.any(String) })
    const text = await check('client.pem', made)
    expect(text).toContain('TLS Web Client Authentication')
    expect(text).not.toContain('Subject Alternative Name')
  })

  it('signs a request by the name of a CA, by the page’s commands', async () => {
    const made = await certificate('csr')
    expect(made).not.toHaveProperty('private_key')
    const text = await check('signed.pem', made)
    expect(text).toContain('Issuer: CN=Acme Issuing CA,O=Acme Corp,C=US')
    expect(text).toMatch(/DNS:api\.example\.com\n/)
    const own = await openssl('pkey', '-in', 'api.example.com.key', '-pubout')
    expect(own).toBe(await openssl('x509', '-in', 'signed.pem', '-noout', '-pubkey'))
    const { body } = await curl(`/api/v1/export/certificate/${made.id}/chain`, '-H', `Authorization: Bearer ${token}`)
    writeFileSync(file('chain.pem'), body)
    expect(await openssl('verify', '-CAfile', server.rootPem, '-untrusted', 'chain.pem', 'signed.pem')).toContain('OK')
  })

  it('lists all certificates and those of one CA, and shows one, by the page’s commands', async () => {
    const made = await certificate('issue')
    const all = (await shell('list')) as Certificate[]
    const ofOne = (await shell('listOfCa')) as Certificate[]
    expect(all.map(({ id }) => id)).toContain(made.id)
    expect(ofOne.map(({ id }) => id)).toContain(made.id)
    expect(ofOne.every(({ issuer_id }) => issuer_id === 1)).toBe(true)
    expect(all.length).toBeGreaterThan(ofOne.length)
    const { private_key: _, ...shown } = made
    expect(await certificate('view', made.id)).toEqual(shown)
  })

  it('shows a private key to who may have it, by the page’s command, and writes that down', async () => {
    const made = await certificate('issue')
    expect((await certificate('privateKey', made.id)).private_key).toBe(made.private_key)
    const { body } = await curl(
      '/api/v1/audit-logs/?action=server_key.delivered',
      '-H',
      `Authorization: Bearer ${admin}`,
    )
    expect(body).toContain(`"certificate\\":${made.id},`)
  })

  it('revokes by the page’s command: the CRL has it, and a second time is 409', async () => {
    const made = await certificate('issue')
    expect(await certificate('revoke', made.id)).toMatchObject({ id: made.id, status: 'revoked' })
    const again = ['-X', 'POST', '-H', `Authorization: Bearer ${token}`]
    expect((await curl(`/api/v1/certificates/${made.id}/revoke`, ...again)).status).toBe(409)
    for (const url of [`${base}/crl/root-1`, `${server.httpUrl}/fastpki/crl/root-1`]) {
      await succeed('curl', ['-s', '--fail', '--cacert', server.rootPem, '-o', file('root.crl'), url])
      const text = await openssl(
        'crl',
        '-inform',
        'DER',
        '-in',
        'root.crl',
        '-noout',
        '-text',
        '-CAfile',
        server.rootPem,
      )
      expect(text).toContain(`Serial Number: ${String(made.serial_number).toUpperCase()}`)
      expect(text).toContain('Key Compromise')
    }
    const pem = await curl(`${server.httpUrl}/fastpki/crl/root-1.pem`)
    writeFileSync(file('crl.pem'), pem.body)
    await check('revoked.pem', made)
    const verified = await run(
      'openssl',
      ['verify', '-crl_check', '-CAfile', server.rootPem, '-CRLfile', 'crl.pem', 'revoked.pem'],
      { cwd: server.workFolder },
    )
    expect(`${verified.stdout}${verified.stderr}`).toContain('certificate revoked')
  })

  it('refuses names that do not go with a type, with 400', async () => {
    const order = { common_name: 'x', subject_dn: 'CN=x' }
    for (const wrong of [
      { certificate_type: 'server', san_email_addresses: ['a@b.test'] },
      { certificate_type: 'client', san_dns_names: ['a.test'] },
      { certificate_type: 'client', san_ip_addresses: ['10.0.0.1'] },
    ])
      expect((await post('/api/v1/certificates/?ca_id=1', { ...order, ...wrong })).status).toBe(400)
  })

  it('sends who forgets the slash to the right path, where curl follows', async () => {
    const { status, body } = await curl('/api/v1/cas', '-L', '-H', `Authorization: Bearer ${token}`)
    expect({ status, first: JSON.parse(body)[0].name }).toEqual({ status: 200, first: 'root' })
  })

  it('says about itself what its answers say: HSTS over HTTPS, nothing of it over HTTP', async () => {
    const heads = await succeed('curl', ['-s', '-D', '-', '-o', '/dev/null', '--cacert', server.rootPem, `${base}/`])
    expect(heads.toLowerCase()).toContain('strict-transport-security: max-age=31536000')
    const plain = await succeed('curl', ['-s', '-D', '-', '-o', '/dev/null', `${server.httpUrl}/fastpki/ca/root-1.pem`])
    expect(plain.toLowerCase()).not.toContain('strict-transport-security')
    expect((await curl(`${server.httpUrl}/fastpki/api/v1/users/me`)).status).toBe(404)
    expect((await curl('/ca/root-1.pem')).body.trim()).toBe(readFileSync(server.rootPem, 'utf8').trim())
  })
})
