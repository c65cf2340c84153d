import { X509Certificate } from 'node:crypto'
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateApi } from 'swagger-typescript-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../helpers/bundle.ts'
import { administrator, cliJson } from '../helpers/cliUsers.ts'
import { succeed } from '../helpers/program.ts'
import { type ServerProcess, startServer } from '../helpers/serverProcess.ts'

interface Place {
  authority: string
  profile: string
}

describe('REST', () => {
  let server: ServerProcess
  let token: string
  let place: Place
  let csr: string

  /** What a program with the root of this installation in its trust store gets. */
  async function curl(path: string, ...more: string[]): Promise<string> {
    const args = ['--silent', '--show-error', '--fail-with-body', '--cacert', server.rootPem]
    return succeed('curl', [...args, '-H', `Authorization: Bearer ${token}`, ...more, `${server.baseUrl}/api${path}`])
  }

  beforeAll(async () => {
    server = await startServer()
    token = (await administrator(server)).token
    const [authority] = (await cliJson<{ name: string; uuid: string }[]>(server, ['authority', 'ls'])).filter(
      ({ name }) => name === 'issuing',
    )
    const rules = Object.fromEntries(
      ['issue', 'renew', 'rekey', 'revoke', 'export'].map((action) => [action, [{ name: 'portal', auto: true }]]),
    )
    const draft = { name: 'portal', authority: 'issuing', protocols: { ra: {} }, rules }
    await cliJson(server, ['profile', 'set', '-f', '-'], { input: JSON.stringify(draft) })
    const profiles = await cliJson<{ name: string; uuid: string }[]>(server, ['profile', 'ls'])
    place = { authority: authority?.uuid ?? '', profile: profiles.find(({ name }) => name === 'portal')?.uuid ?? '' }
    csr = join(server.workFolder, 'portal.csr')
    await succeed('openssl', [
      ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=portal.test'],
      ...['-addext', 'subjectAltName=DNS:portal.test', '-keyout', join(server.workFolder, 'portal.key'), '-out', csr],
    ])
  })
  afterAll(() => server.stop())

  it('is driven by a client generated from its own document, whose types are checked', async () => {
    const folder = join(server.workFolder, 'portal')
    mkdirSync(folder)
    writeFileSync(join(folder, 'openapi.json'), await curl('/openapi.json'))
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
    copyFileSync(join(root, 'test/interop/rest/portal.ts.txt'), join(folder, 'portal.ts'))
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const bin = join(root, 'node_modules/.bin')
    await generateApi({ input: join(folder, 'openapi.json'), output: folder, fileName: 'client.ts', silent: true })
    const strict = ['--noEmit', '--strict', '--skipLibCheck', '--allowImportingTsExtensions', '--types', 'node']
    const modules = ['--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,dom,dom.iterable']
    await succeed(join(bin, 'tsc'), [...strict, ...modules, 'portal.ts'], { cwd: folder })
    const out = await succeed(join(bin, 'tsx'), ['portal.ts'], {
      cwd: folder,
      env: {
        ...process.env,
        NODE_EXTRA_CA_CERTS: server.rootPem,
        BASE: `${server.baseUrl}/api`,
        TOKEN: token,
        AUTHORITY: place.authority,
        PROFILE: place.profile,
        CSR: csr,
      },
    })
    const { state, after, refused, certificateContent } = JSON.parse(out)
    expect({ state, after, refused }).toEqual({ state: 'issued', after: 'revoked', refused: 404 })
    expect(new X509Certificate(Buffer.from(certificateContent, 'base64')).subject).toBe('CN=portal.test')
  })

  // Ours, after the contract: what cert-manager's issuer for it does. It is no client of others.
  it('serves the loop of a controller: PEM in request, poll the detail, decode certificateContent', async () => {
    const profile = JSON.parse(await curl(`/v1/raProfiles/${place.profile}`))
    const path = `/v2/operations/authorities/${profile.authorityInstanceUuid}/raProfiles/${place.profile}/certificates`
    const body = JSON.stringify({ request: readFileSync(csr, 'utf8'), format: 'pkcs10', attributes: [] })
    const { uuid } = JSON.parse(await curl(path, '-H', 'Content-Type: application/json', '--data-binary', body))
    let detail = JSON.parse(await curl(`/v1/certificates/${uuid}`))
    while (['requested', 'pending_issue', 'pending_approval'].includes(detail.state))
      detail = JSON.parse(await curl(`/v1/certificates/${uuid}`))
    expect(detail.state).toBe('issued')
    const file = join(server.workFolder, 'portal.der')
    writeFileSync(file, Buffer.from(detail.certificateContent, 'base64'))
    expect(await succeed('openssl', ['x509', '-inform', 'DER', '-in', file, '-noout', '-subject'])).toContain(
      'portal.test',
    )
  })
})
