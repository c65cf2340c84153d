import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Issuer, loadAuthority } from '../../src/core/authority/authority.ts'
import { generateKey, loadKey, storeKey } from '../../src/core/key.ts'
import { renewResponders } from '../../src/core/ocsp/responder.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { ocspError } from '../../src/pki/ocspResponse.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { askOcsp, type ReadOcsp, readOcsp } from '../helpers/ocspAnswer.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { ocspRequest } from '../helpers/statusServer.ts'
import { createWorld, type World } from '../helpers/world.ts'

const day = 86_400_000
const unauthorized = ocspError('unauthorized')

describe.each(databases)('OCSP responders on $name', ({ open }) => {
  let world: World
  let to: ReturnType<typeof ocspWorld>
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    to = ocspWorld(world)
  })
  afterAll(() => close())

  const ask = async (by: Issuer, serial: string) => (await askOcsp(world, ocspRequest(by, [serial]))).der
  const responders = () =>
    withTables<CoreTables>(world.it.db).selectFrom('responders').selectAll().orderBy('id').execute()

  /** Signed by a delegated responder that this issuer certified. */
  function expectDelegated(answer: ReadOcsp, issuer: Issuer): void {
    const { certificate } = answer
    if (!certificate) throw new Error('there is no certificate in the answer')
    expect(answer.signedBy(certificate)).toBe(true)
    expect(verifyIssuedBy(certificate, issuer.certificate)).toBe(true)
  }

  it('is short-lived, P-256, for OCSPSigning, with nocheck and no place to check it (RFC 9919 section 3.2.2)', async () => {
    const issuer = await to.newRoot('delegating')
    const { serial } = await to.issue('a.example.org', 'delegating')
    const answer = readOcsp(await ask(issuer, serial))
    expectDelegated(answer, issuer)
    const { certificate } = answer
    expect(certificate?.publicKey.curve).toBe('P-256')
    expect(certificate?.extendedKeyUsage).toEqual([OID.OCSPSigning])
    expect(certificate?.extensions.map(({ oid }) => oid)).toContain(OID.ocspNoCheck)
    expect(certificate?.extensions.map(({ oid }) => oid)).not.toContain(OID.cRLDistributionPoints)
    expect(certificate?.extensions.map(({ oid }) => oid)).not.toContain(OID.authorityInfoAccess)
    const life = Number(certificate?.notAfter) - Number(certificate?.notBefore)
    expect(life).toBeLessThanOrEqual(31 * day)
  })

  it('answers for an earlier key with a responder of that key, and renews it', async () => {
    const first = await to.newRoot('rekeyed')
    const { serial } = await to.issue('old.example.org', 'rekeyed')
    const second = await to.rekey('rekeyed')
    const { serial: later } = await to.issue('new.example.org', 'rekeyed')
    const start = world.time.now
    for (const days of [0, 25, 50]) {
      world.time.now = new Date(start.getTime() + days * day)
      const old = readOcsp(await ask(first, serial))
      expect(old.statuses).toEqual(['good'])
      expectDelegated(old, first)
      const now = readOcsp(await ask(second, later))
      expectDelegated(now, second)
      expect(await ask(first, later)).not.toEqual(unauthorized)
      expect(readOcsp(await ask(first, later)).statuses).toEqual(['unknown'])
    }
    world.time.now = start
  })

  it('upkeep renews those of earlier keys before they lapse', async () => {
    const first = await to.newRoot('kept-up')
    const { serial } = await to.issue('old.kept-up.example.org', 'kept-up')
    expectDelegated(readOcsp(await ask(first, serial)), first)
    await to.rekey('kept-up')
    const before = (await responders()).length
    const start = world.time.now
    const renew = async () => renewResponders(world.it, await loadAuthority(world.it, 'kept-up'))
    await renew()
    expect(await responders()).toHaveLength(before + 1)
    await renew()
    expect(await responders()).toHaveLength(before + 1)
    world.time.pass(21 * day)
    await renew()
    expect(await responders()).toHaveLength(before + 3)
    world.time.now = start
  })

  it('a certificate renewed under the same key and name answers for what was issued before', async () => {
    const first = await to.newRoot('renewed', { validity: 10 * day })
    const { serial } = await to.issue('a.renewed.example.org', 'renewed')
    expectDelegated(readOcsp(await ask(first, serial)), first)
    const { id } = await loadAuthority(world.it, 'renewed')
    const row = await withTables<CoreTables>(world.it.db)
      .selectFrom('authority_certificates')
      .selectAll()
      .where('authority_id', '=', id)
      .executeTakeFirstOrThrow()
    const renewed = await selfSigned('CN=renewed', await loadKey(world.it.db, world.it.vault, row.key_id ?? 0))
    await to.change(async (tables) => {
      const { id: _, ...columns } = row
      await tables.updateTable('authority_certificates').set({ active: 0 }).where('id', '=', row.id).execute()
      const next = { certificate: renewed, not_after: readCertificate(renewed).notAfter.getTime() }
      await tables
        .insertInto('authority_certificates')
        .values({ ...columns, ...next })
        .execute()
      await tables
        .updateTable('authorities')
        .set((eb) => ({ version: eb('version', '+', 1) }))
        .where('id', '=', id)
        .execute()
    })
    const start = world.time.now
    world.time.pass(40 * day)
    const second = await to.issuerOf('renewed')
    const answer = readOcsp(await ask(first, serial))
    expect(answer.statuses).toEqual(['good'])
    expectDelegated(answer, second)
    world.time.now = start
  })

  async function selfSigned(subject: string, key: ReturnType<typeof generateKey>, notBefore = world.time.now) {
    const signer = signerFor(key)
    const { certificate } = await to.issuerOf(subject.slice(3))
    return issueCertificate(
      {
        serial: '77',
        issuer: certificate.subjectDer,
        subject: certificate.subject,
        notBefore,
        notAfter: new Date(notBefore.getTime() + 400 * day),
        publicKey: signer.publicKey,
        type: 'ca',
        identifiers: [],
        keyUsage: ['keyCertSign', 'cRLSign'],
        extendedKeyUsage: [],
        crlUrls: [],
        ocspUrls: [],
        issuerUrls: [],
        ...(certificate.ski ? { authorityKeyIdentifier: certificate.ski } : {}),
      },
      signer,
    )
  }

  it('the authority’s own key by setting, by key and by name, without a certificate', async () => {
    const issuer = await to.newRoot('itself')
    const { serial } = await to.issue('a.itself.example.org', 'itself')
    await to.settings('itself', { ocspSigner: 'authority' })
    const answer = readOcsp(await ask(issuer, serial))
    expect(answer).toMatchObject({ responderId: { byKey: issuer.hashes.sha1.key }, certificate: undefined })
    expect(answer.signedBy(issuer.certificate)).toBe(true)
    await to.settings('itself', { ocspSigner: 'authority', ocspResponderId: 'name' })
    expect(readOcsp(await ask(issuer, serial)).responderId).toEqual({ byName: issuer.certificate.subjectDer })
    const next = await to.rekey('itself')
    expect(readOcsp(await ask(issuer, serial)).signedBy(issuer.certificate)).toBe(true)
    const later = await to.issue('b.itself.example.org', 'itself')
    expect(readOcsp(await ask(next, later.serial)).signedBy(next.certificate)).toBe(true)
  })

  it('an authority that signs elsewhere has OCSP only with a responder that was uploaded', async () => {
    const issuer = await to.newRoot('elsewhere')
    const { serial, authorityId } = await to.issue('a.elsewhere.example.org', 'elsewhere')
    await to.change((tables) =>
      tables.updateTable('authorities').set({ kind: 'manual', version: 9 }).where('id', '=', authorityId).execute(),
    )
    expect(await ask(issuer, serial)).toEqual(unauthorized)
    const key = generateKey('P-256')
    const row = await withTables<CoreTables>(world.it.db)
      .selectFrom('authority_certificates')
      .select('key_id')
      .where('id', '=', issuer.id)
      .executeTakeFirstOrThrow()
    const authority = signerFor(await loadKey(world.it.db, world.it.vault, row.key_id ?? 0))
    const certificate = await responderCertificate(issuer, signerFor(key), authority)
    await transaction(world.it.db, async (db) => {
      const by = { actor: system('test'), at: world.time.now }
      const key_id = await storeKey(db, world.it.vault, { key, purpose: 'ocsp', organizationId: null }, by)
      const { notBefore, notAfter } = readCertificate(certificate)
      const span = { not_before: notBefore.getTime(), not_after: notAfter.getTime() }
      await withTables<CoreTables>(db)
        .insertInto('responders')
        .values({ authority_certificate_id: issuer.id, key_id, certificate, ...span })
        .execute()
    })
    const answer = readOcsp(await ask(issuer, serial))
    expect(answer.statuses).toEqual(['good'])
    expect(answer.certificate?.der).toEqual(certificate)
    const start = world.time.now
    world.time.pass(9.9 * day)
    const [until] = readOcsp(await ask(issuer, serial)).nextUpdate
    expect(until).toEqual(readCertificate(certificate).notAfter)
    world.time.now = new Date(start.getTime() + 11 * day)
    expect(await ask(issuer, serial)).toEqual(unauthorized)
    world.time.now = start
  })

  async function responderCertificate(issuer: Issuer, own: ReturnType<typeof signerFor>, by: typeof own) {
    return issueCertificate(
      {
        serial: '5151',
        issuer: issuer.certificate.subjectDer,
        subject: issuer.certificate.subject,
        notBefore: world.time.now,
        notAfter: new Date(world.time.now.getTime() + 10 * day),
        publicKey: own.publicKey,
        type: 'ocsp',
        identifiers: [],
        keyUsage: ['digitalSignature'],
        extendedKeyUsage: [OID.OCSPSigning],
        ocspNoCheck: true,
        crlUrls: [],
        ocspUrls: [],
        issuerUrls: [],
      },
      by,
    )
  }

  it('clock at the edges: before the authority begins, near its end, after it', async () => {
    const issuer = await to.newRoot('edges', { validity: 2 * day })
    const { serial } = await to.issue('a.edges.example.org', 'edges')
    const start = world.time.now
    const { notBefore, notAfter } = issuer.certificate
    world.time.now = new Date(notBefore.getTime() - 1_000)
    expect(await ask(issuer, serial)).toEqual(ocspError('tryLater'))
    world.time.now = start
    expect(readOcsp(await ask(issuer, serial)).statuses).toEqual(['good'])
    for (const left of [day, 3_600_000, 60_000, 2_000, 1]) {
      world.time.now = new Date(notAfter.getTime() - left)
      const answer = readOcsp(await ask(issuer, serial))
      expect(answer.statuses).toEqual(['good'])
      for (const end of answer.nextUpdate) expect(end.getTime()).toBeLessThanOrEqual(notAfter.getTime())
      expectDelegated(answer, issuer)
    }
    // One that already lasts as long as its authority is not made again and again.
    const made = (await responders()).filter(({ authority_certificate_id: id }) => id === issuer.id)
    expect(made.length).toBeLessThanOrEqual(2)
    world.time.now = notAfter
    expect(await ask(issuer, serial)).toEqual(unauthorized)
    world.time.now = start
  })

  it('an authority whose own certificate was revoked still tells the status of what it issued', async () => {
    const issuer = await to.newRoot('withdrawn')
    const { serial } = await to.issue('a.withdrawn.example.org', 'withdrawn')
    const { id } = await to.issue('stand-in.example.org')
    const { id: authority } = await loadAuthority(world.it, 'withdrawn')
    const { der, publicKey } = issuer.certificate
    const withdrawn = { spki_hash: publicKey.spkiHash, fingerprint: fingerprint(der), status: 'revoked', revoked_at: 1 }
    await to.change(async (tables) => {
      await tables.updateTable('certificates').set(withdrawn).where('id', '=', id).execute()
      const raised = { version: 5, revocations: 5 }
      await tables.updateTable('authorities').set(raised).where('id', '=', authority).execute()
    })
    expect((await loadAuthority(world.it, 'withdrawn')).withdrawn).toBe(true)
    await expect(to.issue('b.withdrawn.example.org', 'withdrawn')).rejects.toMatchObject({ code: 'unavailable' })
    expect(readOcsp(await ask(issuer, serial)).statuses).toEqual(['good'])
  })
})
