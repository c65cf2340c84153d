import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readCrl } from '../../src/pki/crlReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { type CliInstallation, startInstallation } from '../helpers/installation.ts'

/** What an administrator brings from where an authority signs, or signed before. */
describe('CRLs and responders from elsewhere, by the command line', () => {
  let at: CliInstallation
  let ca: ForeignCa
  beforeAll(async () => {
    at = await startInstallation()
    ca = await foreignCa(new Date())
  })
  afterAll(() => at.server.stop())

  const put = (name: string, bytes: Buffer) => writeFileSync(join(at.server.workFolder, name), bytes)
  const soon = () => new Date(Math.floor(Date.now() / 1000) * 1000)

  test('an imported authority goes on from its last CRL', async () => {
    at.file('old.pem', ca.withKey)
    put('old.crl', await ca.crl({ number: 2n ** 80n, entries: [{ serial: '0badc0de', revokedAt: soon() }] }))
    const made = await at.cli('authority import old --pem old.pem --crl old.crl --owner admin')
    expect(made).toMatchObject({ code: 0, stderr: '' })
    const { pem } = await at.json<{ pem: string }>('authority crl old')
    const [block] = pemDecode(pem)
    const crl = readCrl(block?.der ?? Buffer.alloc(0))
    expect(crl.number).toBe(2n ** 80n + 1n)
    expect(crl.entries.map(({ serial }) => serial)).toEqual(['0badc0de'])
    expect(await at.cli('authority import-crl old old.crl')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/has published number/),
    })
  })

  test('what it signed before is made known, many at once, and revoked by a person', async () => {
    const pem = async () => (await ca.issue()).pem.replace(/-----BEGIN PRIVATE[\s\S]*/, '')
    const stranger = await foreignCa(new Date(), { name: 'Stranger' })
    const foreign = (await stranger.issue()).pem
    at.file('certificates.pem', (await pem()) + (await pem()) + foreign)
    const mixed = await at.cli('certificate import certificates.pem --authority old')
    expect(mixed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^number 3 of certificates.pem: .*not signed/),
    })
    expect(mixed.stdout.match(/CN=somebody/g)).toHaveLength(2)
    at.file('known.pem', readFileSync(join(at.server.workFolder, 'certificates.pem'), 'utf8').replace(foreign, ''))
    const again = await at.cli('certificate import known.pem --authority old')
    expect(again).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/number 1 .*known here already[\s\S]*number 2 /),
    })
    put('one.der', (await ca.issue()).der)
    const { imported } = await at.json<{ imported: { id: number }[] }>('certificate import one.der --authority old')
    const id = imported[0]?.id
    const token = await at.token('admin')
    expect(await at.cli(`certificate revoke ${id} --reason superseded`, { token })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(`certificate ${id} is revoked`),
    })
    expect((await at.cli(`certificate show ${id}`)).stdout).toMatch(/Profile +@old\/imported/)
    expect(await at.cli('certificate import one.der --authority old')).toMatchObject({ code: 5 })
    expect(await at.cli('certificate import one.der --authority nobody')).toMatchObject({ code: 3 })
    expect(await at.cli('certificate import old.crl --authority old')).toMatchObject({ code: 2 })
    at.file('none.pem', 'nothing')
    expect(await at.cli('certificate import none.pem --authority old')).toMatchObject({ code: 2 })
  })

  test('without a CRL it is warned of, and can follow', async () => {
    const other = await foreignCa(new Date(), { name: 'Other CA' })
    at.file('other.pem', other.withKey)
    const made = await at.cli('authority import other --pem other.pem --owner admin')
    expect(made).toMatchObject({ code: 0, stderr: expect.stringMatching(/warning: .*--crl-number/) })
    const told = await at.cli('authority import-crl other --crl-number 41')
    expect(told).toMatchObject({ code: 0, stdout: expect.stringMatching(/number above 41/) })
    expect(await at.cli('authority import-crl other --crl-number x')).toMatchObject({ code: 2 })
    expect(await at.cli('authority import-crl other nothere.crl')).toMatchObject({ code: 2 })
    expect(await at.cli('authority import-crl other')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/give the CRL/),
    })
  })

  test('an authority that signs elsewhere uploads its CRL and its responder', async () => {
    const offline = await foreignCa(new Date(), { name: 'Offline CA' })
    at.file('offline.pem', offline.certificate)
    await at.cli('authority add-manual offline --pem offline.pem --owner admin')
    put('offline.crl', await offline.crl({ number: 7 }))
    expect(await at.cli('authority upload-crl offline offline.crl')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^CRL 7 of offline, 0 entries, good until /),
    })
    expect(await at.cli('authority upload-crl offline offline.crl')).toMatchObject({ code: 5 })
    expect((await at.cli('authority crl offline --out served.pem')).code).toBe(0)
    const [served] = pemDecode(readFileSync(join(at.server.workFolder, 'served.pem'), 'utf8'))
    expect(served?.der).toEqual(
      await offline.crl({ number: 7 }).then(() => readFileSync(join(at.server.workFolder, 'offline.crl'))),
    )
    at.file('responder.pem', (await offline.responder()).pem)
    expect(await at.cli('authority upload-responder offline --pem responder.pem')).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(await at.cli('authority upload-responder offline')).toMatchObject({ code: 2 })
    const { stdout } = await at.cli('doctor')
    expect(stdout).toMatch(/^ok {4}CRLs and responders of offline: 2, of which the first ends on /m)
  })

  test('an authority hands its CRL over to another, and the list of that is shown', async () => {
    await at.cli('authority create lists --subject CN=Lists --parent root --validity 30y --owner admin')
    expect(await at.cli('authority crl lists --indirect')).toMatchObject({ code: 3 })
    at.file('handover.yaml', 'crlIssuer: lists\n')
    expect(await at.cli('authority enable issuing --settings handover.yaml')).toMatchObject({ code: 0, stderr: '' })
    const { pem, url } = await at.json<{ pem: string; url: string }>('authority crl lists --indirect')
    const [block] = pemDecode(pem)
    expect(readCrl(block?.der ?? Buffer.alloc(0)).idp).toEqual({ urls: [url], indirect: true })
    expect((await at.cli('doctor')).stdout).toMatch(/^ok {4}CRLs and responders of lists: /m)
    at.file('circle.yaml', 'crlIssuer: issuing\n')
    expect(await at.cli('authority enable lists --settings circle.yaml')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('issuing hands over to lists'),
    })
    at.file('own.yaml', '{}\n')
    await at.cli('authority enable issuing --settings own.yaml')
  })

  test('doctor asks about a certificate where OCSP says nothing of what was never issued', async () => {
    at.file('silent.yaml', 'ocspNeverIssued: unauthorized\n')
    for (const name of ['root', 'issuing'])
      expect(await at.cli(`authority enable ${name} --settings silent.yaml`)).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await at.cli('doctor')
    expect(stdout).toMatch(/^ok {4}OCSP of issuing: signed/m)
    expect(stdout).toMatch(/^ok {4}OCSP of root: signed/m)
    expect(stdout).toMatch(/^ok {4}http:\/\/localhost:\d+\/ocsp\/issuing: signed/m)
    expect(stdout).not.toMatch(/^fail/m)
  })

  test('only a person confirms a revocation', async () => {
    expect(await at.cli('request confirm-revoked r1')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/only a person/),
    })
    const admin = await at.token('admin')
    for (const name of ['confirm', 'confirm-revoked'])
      expect(await at.cli(`request ${name} r99`, { token: admin })).toMatchObject({ code: 3 })
    expect(await at.cli('request confirm-revoked 1', { token: admin })).toMatchObject({ code: 2 })
  })

  test('the ends of CRLs and responders are metrics', async () => {
    const text = await (await fetch(`${at.server.httpUrl}/metrics`)).text()
    expect(text).toMatch(
      /^crl_next_update_timestamp_seconds\{authority="offline",certificate="\d+",shard="0",delta="false"\} \d{10}/m,
    )
    expect(text).toMatch(/^ocsp_responder_not_after_timestamp_seconds\{authority="offline",certificate="\d+"\} \d{10}/m)
    expect(text).toMatch(/^revocation_answers_late\{authority="offline"\} 0$/m)
  })
})
