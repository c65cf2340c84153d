import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { system } from '../../src/core/requester.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { createPeople } from '../helpers/people.ts'
import { ocspRequest, useStatusServer } from '../helpers/statusServer.ts'

const it = useStatusServer()

/** What is answered for an authority that signs elsewhere: what was uploaded for it, and nothing else. */
describe('an authority that signs elsewhere', () => {
  let manual: ManualAuthority
  let folder: string
  beforeAll(async () => {
    manual = await manualAuthority(it.status.world)
    folder = mkdtempSync(join(tmpdir(), 'countersign-manual-'))
    writeFileSync(join(folder, 'ca.pem'), manual.ca.certificate)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  const admin = () => it.status.world.core.as(system('test')).admin
  const openssl = (args: string[], input?: Buffer) =>
    execFileSync('openssl', args, { cwd: folder, input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })

  async function ask(serial: string): Promise<Buffer> {
    const { issuer } = await loadAuthority(it.status.world.it, manual.name)
    if (!issuer) throw new Error('no issuer')
    const headers = { 'content-type': 'application/ocsp-request' }
    const body = ocspRequest(issuer, [serial])
    const answer = await it.status.ask(`/ocsp/${manual.name}`, { method: 'POST', headers, body })
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/ocsp-response' } })
    return answer.body
  }

  async function told(certificate: { der: Buffer; serial: string }): Promise<string> {
    writeFileSync(join(folder, 'answer.der'), await ask(certificate.serial))
    writeFileSync(join(folder, 'leaf.pem'), pemEncode('CERTIFICATE', certificate.der))
    return openssl([
      'ocsp',
      '-issuer',
      'ca.pem',
      '-cert',
      'leaf.pem',
      '-CAfile',
      'ca.pem',
      '-respin',
      'answer.der',
      '-no_nonce',
    ])
  }

  test('has no CRL and no OCSP before anything was uploaded', async () => {
    expect(await it.status.ask(`/crl/${manual.name}.crl`)).toMatchObject({ status: 404 })
    // unauthorized: RFC 6960 section 2.3.
    expect((await ask('01')).toString('hex')).toBe('30030a0106')
  })

  test('its CRL is served at the URLs of others, and openssl takes it', async () => {
    const { issuer } = await loadAuthority(it.status.world.it, manual.name)
    const crl = await manual.ca.crl({ number: 2n ** 150n })
    await admin().uploadCrl(manual.name, crl)
    for (const path of [`/crl/${manual.name}.crl`, `/crl/${manual.name}/${issuer?.id}/0.crl`]) {
      const answer = await it.status.ask(path)
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/pkix-crl' } })
      expect(answer.body).toEqual(crl)
    }
    writeFileSync(join(folder, 'ca.crl'), crl)
    const checked = openssl(['crl', '-in', 'ca.crl', '-inform', 'DER', '-CAfile', 'ca.pem', '-noout', '-crlnumber'])
    expect(checked).toContain('crlNumber=')
    const next = await manual.ca.crl({ number: 2n ** 150n + 1n })
    const before = await it.status.ask(`/crl/${manual.name}.crl`)
    await admin().uploadCrl(manual.name, next)
    const after = await it.status.ask(`/crl/${manual.name}.crl`, {
      headers: { 'if-none-match': String(before.headers.etag) },
    })
    expect(after.body).toEqual(next)
  })

  test('its responder says good, and revoked from the upload of the CRL on', async () => {
    const certificate = await manual.issue('www.example.org')
    await admin().uploadResponder(manual.name, { pem: (await manual.ca.responder()).pem })
    expect(await told(certificate)).toMatch(/leaf.pem: good/)
    await manual.revoke(certificate, 'superseded')
    expect(await told(certificate)).toMatch(/leaf.pem: good/)
    const entries = [
      { serial: certificate.serial, revokedAt: it.status.world.time.now, reason: reasonCodes.superseded },
    ]
    await admin().uploadCrl(manual.name, await manual.ca.crl({ number: 2n ** 151n, entries }))
    expect(await told(certificate)).toMatch(/leaf.pem: revoked\n[\s\S]*Reason: superseded/)
  })

  test('its responder says on hold until the hold is lifted there, not when that is asked for here', async () => {
    const { world } = it.status
    const people = await createPeople(world)
    const certificate = await manual.issue('held.example.org')
    const entry = { serial: certificate.serial, revokedAt: world.time.now, reason: reasonCodes.certificateHold }
    const upload = async (number: bigint, entries: (typeof entry)[]) =>
      admin().uploadCrl(manual.name, await manual.ca.crl({ number, entries }))
    await upload(2n ** 151n + 1n, [entry])
    await people.as(people.root).unhold({ protocol: 'cli', certificate: certificate.id })
    expect(await told(certificate)).toMatch(/leaf.pem: revoked\n[\s\S]*Reason: certificateHold/)
    await upload(2n ** 151n + 2n, [])
    expect(await told(certificate)).toMatch(/leaf.pem: good/)
  })

  test('a responder that its CRL lists speaks no more', async () => {
    const certificate = await manual.issue('speaks.example.org')
    const { pem } = await manual.ca.responder({ serial: '66bb44' })
    await admin().uploadResponder(manual.name, { pem })
    const signedByIt = async () => (await ask(certificate.serial)).includes(Buffer.from('66bb44', 'hex'))
    expect(await signedByIt()).toBe(true)
    const entries = [{ serial: '66bb44', revokedAt: it.status.world.time.now }]
    await admin().uploadCrl(manual.name, await manual.ca.crl({ number: 2n ** 152n, entries }))
    expect(await signedByIt()).toBe(false)
    expect(await told(certificate)).toMatch(/leaf.pem: good/)
  })

  test('a later responder takes its place', async () => {
    const certificate = await manual.issue('later.example.org')
    await admin().uploadResponder(manual.name, { pem: (await manual.ca.responder({ serial: '77aa55' })).pem })
    expect(await told(certificate)).toMatch(/leaf.pem: good/)
    expect((await ask(certificate.serial)).includes(Buffer.from('77aa55', 'hex'))).toBe(true)
  })
})
