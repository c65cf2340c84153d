import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Issuer, loadAuthority } from '../../src/core/authority/authority.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { askOcsp, readOcsp, statusOf } from '../helpers/ocspAnswer.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { ocspRequest } from '../helpers/statusServer.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('an authority elsewhere that was renewed with the key it had, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let manual: ManualAuthority
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  beforeEach(async () => {
    manual = await manualAuthority(world)
    const { pem } = await manual.ca.responder()
    await admin().uploadResponder(manual.name, { pem })
  })
  afterAll(() => close())

  const admin = () => people.as(people.chief).admin
  const said = async (serial: string) => (await statusOf(world, await active(), serial)).split(' ')[0]

  async function active(): Promise<Issuer> {
    const { issuer } = await loadAuthority(world.it, manual.name)
    if (!issuer) throw new Error('it has no certificate')
    return issuer
  }

  /** A new certificate for the old key, in use here. */
  async function renew(): Promise<void> {
    const { fields, signer } = manual.ca
    const none = { identifiers: [], crlUrls: [], ocspUrls: [], issuerUrls: [], extendedKeyUsage: [] }
    const der = await issueCertificate(
      {
        ...none,
        serial: '7777',
        issuer: fields.subjectDer,
        subject: fields.subject,
        notBefore: world.time.now,
        notAfter: new Date(fields.notAfter.getTime() + 1_000),
        publicKey: signer.publicKey,
        type: 'ca',
        keyUsage: ['keyCertSign', 'cRLSign'],
      },
      signer,
    )
    const before = await active()
    await admin().prepareRollover(manual.name, { pem: pemEncode('CERTIFICATE', der) })
    await admin().activateRollover(manual.name)
    expect((await active()).id).not.toBe(before.id)
  }

  async function publish(number: number, listed: { serial: string; reason?: number }[] = []) {
    const now = world.time.now
    const entries = listed.map(({ serial, reason = reasonCodes.superseded }) => ({ serial, reason, revokedAt: now }))
    return admin().uploadCrl(manual.name, await manual.ca.crl({ number, entries, thisUpdate: now }))
  }

  test('what its CRL lists of before is revoked here', async () => {
    const certificate = await manual.issue('before.example.org')
    const request = await manual.revoke(certificate, 'superseded')
    expect(await said(certificate.serial)).toBe('good')
    await renew()
    expect((await publish(1)).warnings).toEqual([expect.stringMatching(/still to be revoked/)])
    const answer = await publish(2, [certificate])
    expect(answer).toMatchObject({ confirmed: [request.id], revoked: [certificate.serial], warnings: [] })
    expect((await findCertificate(world.it.db, { id: certificate.id }))?.status).toBe('revoked')
    expect(await said(certificate.serial)).toBe('revoked')
    expect((await publish(3)).warnings).toEqual([expect.stringMatching(/missing in this CRL/)])
  })

  test('a hold of before is lifted by it', async () => {
    const certificate = await manual.issue('held.example.org')
    await manual.revoke(certificate, 'certificateHold')
    await publish(1, [{ ...certificate, reason: reasonCodes.certificateHold }])
    await renew()
    world.time.pass(60_000)
    await people.as(people.chief).unhold({ protocol: 'cli', certificate: certificate.id })
    expect(await publish(2)).toMatchObject({ released: [certificate.serial] })
    expect(await said(certificate.serial)).toBe('good')
  })

  test('what is not stored here is as the newest of its CRLs says', async () => {
    await publish(1, [{ serial: 'abcdef' }])
    await renew()
    expect(await said('abcdef')).toBe('revoked')
    await publish(2)
    expect(await said('abcdef')).toBe('unknown')
  })

  test('numbers go on, and the CRL is served where either certificate has it', async () => {
    const { id: before } = await active()
    await publish(5)
    await renew()
    await expect(publish(5)).rejects.toMatchObject(failure('conflict', /not newer/))
    await publish(6)
    for (const issuer of [before, (await active()).id])
      expect((await people.operator.crl({ authority: manual.name, issuer })).number).toBe(6n)
  })

  test('a responder of before that it lists answers no more', async () => {
    const { serial } = await manual.issue('answered.example.org')
    const { pem, der } = await manual.ca.responder()
    await admin().uploadResponder(manual.name, { pem })
    const answering = async () =>
      readOcsp((await askOcsp(world, ocspRequest(await active(), [serial]))).der).certificate?.serial
    await renew()
    const responder = readCertificate(der)
    expect(await answering()).toBe(responder.serial)
    await publish(1, [responder])
    expect(await answering()).toMatch(/./)
    expect(await answering()).not.toBe(responder.serial)
  })
})
