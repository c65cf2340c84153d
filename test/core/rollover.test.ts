import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { activate, runRollovers } from '../../src/core/authority/rolloverActivate.ts'
import { type Certificate, findCertificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import { system } from '../../src/core/requester.ts'
import { resumeSigning } from '../../src/core/upkeep/resume.ts'
import { renewRevocationAnswers } from '../../src/core/upkeep/upkeep.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { readCrl, verifyCrl } from '../../src/pki/crlReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { audited, failure } from '../helpers/people.ts'
import { type RolloverWorld, rolloverWorld } from '../helpers/rolloverWorld.ts'
import { acmeAccount, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('rollover of an authority on $name', ({ open }) => {
  let at: RolloverWorld
  let world: World
  let other: World
  let to: RolloverWorld['to']
  beforeAll(async () => {
    at = await rolloverWorld(await open())
    ;({ world, other, to } = at)
  })
  afterAll(() => at?.close())
  const admin = () => at.admin()
  const door: RolloverWorld['door'] = (node) => at.door(node)
  const tables = () => at.tables()
  const order: RolloverWorld['order'] = (...given) => at.order(...given)
  const issue: RolloverWorld['issue'] = (...given) => at.issue(...given)
  const status: RolloverWorld['status'] = (...given) => at.status(...given)
  const requireTrue: RolloverWorld['requireTrue'] = (certificate) => at.requireTrue(certificate)
  const fields = ({ der }: { der: Buffer }) => readCertificate(der)

  test('a root: the next certificate and both link certificates, and nothing changes yet', async () => {
    const before = await to.newRoot('r1', { subject: 'CN=Root One,O=Example' })
    const view = await admin().prepareRollover('r1', {})
    expect(view.status).toBe('prepared')
    expect(view.startsAt.getTime()).toBe(world.time.now.getTime() + 30 * day)
    const [next] = view.chain.map(readCertificate)
    if (!next || !view.newWithOld || !view.oldWithNew) throw new Error('something is missing')
    expect(view.chain).toHaveLength(1)
    expect(next.subjectDer.equals(before.certificate.subjectDer)).toBe(true)
    expect(next.publicKey.spkiHash).not.toBe(before.certificate.publicKey.spkiHash)
    expect(next.publicKey.curve).toBe('P-256')
    expect(verifyIssuedBy(next, next)).toBe(true)
    const [newWithOld, oldWithNew] = [readCertificate(view.newWithOld), readCertificate(view.oldWithNew)]
    expect(verifyIssuedBy(newWithOld, before.certificate)).toBe(true)
    expect(newWithOld.publicKey.spkiHash).toBe(next.publicKey.spkiHash)
    expect(newWithOld.ski?.equals(next.ski ?? Buffer.alloc(0))).toBe(true)
    // RFC 9810 section 4.4.1: which times they have.
    expect(newWithOld.notBefore).toEqual(next.notBefore)
    expect(newWithOld.notAfter).toEqual(before.certificate.notAfter)
    expect(verifyIssuedBy(oldWithNew, next)).toBe(true)
    expect(oldWithNew.publicKey.spkiHash).toBe(before.certificate.publicKey.spkiHash)
    expect([oldWithNew.notBefore, oldWithNew.notAfter]).toEqual([
      before.certificate.notBefore,
      before.certificate.notAfter,
    ])
    const serials = [before.certificate, next, newWithOld, oldWithNew].map(({ serial }) => serial)
    expect(new Set(serials).size).toBe(4)
    expect(verifyIssuedBy(fields(await issue(world, 'r1')), before.certificate)).toBe(true)
    const { active, next: offered, earlier } = await door().authorityChain('r1')
    expect(active?.id).toBe(before.id)
    expect(offered?.certificate.der.equals(next.der)).toBe(true)
    expect(earlier).toEqual([])
    await expect(admin().prepareRollover('r1', {})).rejects.toMatchObject(failure('conflict', /open already/))
    const told = await audited(world, 'authority.rollover_prepared')
    expect(told.at(-1)?.details).toMatchObject({ name: 'r1', serial: next.serial })
  })

  test('activation: every node signs with the next key, and what was issued before stays checkable', async () => {
    const before = await to.newRoot('r2')
    const [old, revoked] = [await issue(world, 'r2'), await issue(other, 'r2')]
    await admin().prepareRollover('r2', { key: 'P-384' })
    await loadAuthority(other.it, 'r2')
    const view = await admin().activateRollover('r2')
    expect(view.status).toBe('active')
    const next = readCertificate(view.chain[0] ?? Buffer.alloc(0))
    for (const node of [world, other]) {
      const made = await issue(node, 'r2')
      expect(verifyIssuedBy(fields(made), next)).toBe(true)
      await requireTrue(made)
      expect((await node.core.as(acmeAccount()).chain(made)).map((der) => readCertificate(der).serial)).toEqual([
        next.serial,
      ])
    }
    const asked = door(other)
    expect((await asked.chain(old)).map((der) => readCertificate(der).serial)).toEqual([before.certificate.serial])
    expect((await asked.authorityChain('r2')).earlier.map(({ id }) => id)).toEqual([before.id])
    await to.revoke(revoked)
    const crl = readCrl((await asked.crl({ authority: 'r2', issuer: before.id })).der)
    expect(verifyCrl(crl, before.certificate.publicKey)).toBe(true)
    expect(crl.entries.map(({ serial }) => serial)).toEqual([revoked.serial])
    const own = readCrl((await asked.crl({ authority: 'r2' })).der)
    expect(verifyCrl(own, next.publicKey)).toBe(true)
    expect(own.entries).toEqual([])
    expect(await status(other, before, old.serial)).toBe('good')
    expect(await status(other, before, revoked.serial)).toBe('revoked')
    const links = await asked.linkCertificates(next.der)
    expect(links?.oldWithOld.equals(before.certificate.der)).toBe(true)
    expect(links?.newWithNew.equals(next.der)).toBe(true)
    expect(await asked.linkCertificates(old.der)).toBeUndefined()
    const serials = [links?.newWithOld, links?.oldWithNew].map((der) => readCertificate(der ?? old.der).serial)
    expect(await status(other, before, serials[0] ?? '')).toBe('good')
    expect(await status(other, (await asked.authorityChain('r2')).active ?? before, serials[1] ?? '')).toBe('good')
    expect(await status(other, before, serials[1] ?? '')).toBe('unknown')
    await expect(admin().activateRollover('r2')).rejects.toMatchObject(failure('conflict', /already/))
    await expect(admin().cancelRollover('r2')).rejects.toMatchObject(failure('conflict', /already/))
  })

  test('below a root: the parent signs the next certificate, over the road of every order', async () => {
    const view = await admin().prepareRollover('issuing', { validity: 400 * day })
    const [next, root, ...more] = view.chain.map(readCertificate)
    if (!next || !root) throw new Error('a certificate is missing')
    expect(more).toEqual([])
    expect(nameText(next.subject)).toBe('CN=countersign Issuing CA')
    expect(next.pathLength).toBe(0)
    expect(verifyIssuedBy(next, root)).toBe(true)
    expect(view.newWithOld).toBeNull()
    const record = await findCertificate(world.it.db, { serial: next.serial })
    expect(record?.der.equals(next.der)).toBe(true)
    await admin().activateRollover('issuing')
    expect(verifyIssuedBy(fields(await issue(other, 'default')), next)).toBe(true)
  })

  test('a start: of two nodes whose time has come one moves it, once', async () => {
    await to.newRoot('r3')
    const start = world.time.now
    const startsAt = new Date(start.getTime() + 5 * day)
    const view = await admin().prepareRollover('r3', { startsAt })
    await Promise.all([runRollovers(world.it), runRollovers(other.it)])
    expect((await admin().rollover('r3')).status).toBe('prepared')
    world.time.pass(5 * day)
    await Promise.all([runRollovers(world.it), runRollovers(other.it)])
    expect((await admin().rollover('r3')).status).toBe('active')
    expect((await audited(world, 'authority.rolled_over')).filter(({ details }) => details.name === 'r3')).toHaveLength(
      1,
    )
    expect(verifyIssuedBy(fields(await issue(other, 'r3')), readCertificate(view.chain[0] ?? Buffer.alloc(0)))).toBe(
      true,
    )
    world.time.now = start
  })

  test('two activations at once, or an activation and a cancellation: one wins', async () => {
    await to.newRoot('r4')
    await admin().prepareRollover('r4', {})
    const both = await Promise.allSettled([
      admin().activateRollover('r4'),
      other.core.as(system('cli')).admin.activateRollover('r4'),
    ])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(both.find((one) => one.status === 'rejected')?.reason).toMatchObject({ code: 'conflict' })
    await admin().prepareRollover('r4', {})
    const mixed = await Promise.allSettled([
      admin().activateRollover('r4'),
      other.core.as(system('cli')).admin.cancelRollover('r4'),
    ])
    expect(mixed.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const active = await tables()
      .selectFrom('authority_certificates')
      .select('id')
      .where('authority_id', '=', (await loadAuthority(world.it, 'r4')).id)
      .where('active', '=', 1)
      .execute()
    expect(active).toHaveLength(1)
  })

  test('issuing while it takes over: each certificate is stored under the key that signed it', async () => {
    await to.newRoot('r5')
    await admin().prepareRollover('r5', {})
    const made: Promise<Certificate>[] = []
    for (let at = 0; at < 40; at++) made.push(issue(at % 2 ? world : other, 'r5'))
    const taking = admin().activateRollover('r5')
    for (let at = 0; at < 40; at++) made.push(issue(at % 2 ? world : other, 'r5'))
    await taking
    const all = await Promise.all(made)
    for (const certificate of all) {
      await requireTrue(certificate)
      const attempt = await tables()
        .selectFrom('sign_attempts')
        .select('authority_certificate_id')
        .where('serial', '=', certificate.serial)
        .executeTakeFirstOrThrow()
      expect(attempt.authority_certificate_id).toBe(certificate.authorityCertificateId)
    }
    const { issuer } = await loadAuthority(world.it, 'r5')
    for (let at = 0; at < 4; at++)
      expect((await issue(at % 2 ? world : other, 'r5')).authorityCertificateId).toBe(issuer?.id)
  })

  test('an attempt that was begun under the earlier key is made anew under the next one', async () => {
    const before = await to.newRoot('r6')
    const { local } = world.it.makers
    let signing = 0
    const activating = (issuer: Parameters<typeof local>[0], signer: Parameters<typeof local>[1]) => {
      const made = local(issuer, signer)
      const { sign } = made
      return {
        ...made,
        async sign(order: { tbs: Buffer }) {
          signing += 1
          if (signing === 1) throw new Failure('unavailable', 'the token is out')
          return sign?.(order) ?? Buffer.alloc(0)
        },
      }
    }
    world.it.makers = { ...world.it.makers, local: activating }
    await to.settings('r6', {})
    const request = await order(world, 'r6')
    expect(request).toMatchObject({ status: 'signing', lastError: 'the token is out' })
    await admin().prepareRollover('r6', {})
    await admin().activateRollover('r6')
    world.time.pass(60_000)
    await resumeSigning(other.it)
    world.it.makers = { ...world.it.makers, local }
    const certificate = await findCertificate(world.it.db, { id: request.id })
    if (!certificate) throw new Error('it was not signed')
    expect(certificate.authorityCertificateId).not.toBe(before.id)
    await requireTrue(certificate)
  })

  test('a takeover between an attempt and its signature: nothing is signed by the earlier key any more', async () => {
    const before = await to.newRoot('r7')
    await admin().prepareRollover('r7', {})
    const asked = door()
    const csr = await newCsr(['between.example.org'])
    const profile = await world.profile('r7')
    const { id } = await tables()
      .selectFrom('authority_rollovers')
      .select('id')
      .where('previous_id', '=', before.id)
      .executeTakeFirstOrThrow()
    const draft = {
      profile,
      protocol: 'acme',
      action: 'issue',
      csr,
      validated: csr.identifiers,
      refusal: 'throw',
    } as const
    // The order was looked at under the earlier key, and its attempt names that one.
    const { request } = await asked.sign(draft, (db) =>
      activate(db, id, { requester: system('test'), at: world.it.clock() }),
    )
    const certificate = await findCertificate(world.it.db, { id: request.id })
    if (!certificate) throw new Error(`the request is ${request.status}`)
    expect(request.attempt).toBe(2)
    expect(certificate.authorityCertificateId).not.toBe(before.id)
    await requireTrue(certificate)
  })

  test('a start in the past, or after the end of the certificate, is refused', async () => {
    const { certificate } = await to.newRoot('r10', { validity: 100 * day })
    const past = new Date(world.time.now.getTime() - day)
    await expect(admin().prepareRollover('r10', { startsAt: past })).rejects.toMatchObject(failure('malformed', /past/))
    const late = new Date(certificate.notAfter.getTime() + day)
    await expect(admin().prepareRollover('r10', { startsAt: late })).rejects.toMatchObject(
      failure('malformed', /ends on/),
    )
    await expect(admin().prepareRollover('r10', { pem: 'x' })).rejects.toMatchObject(
      failure('malformed', /key of r10 is here/),
    )
  })

  test('the alert before an authority ends says what to do, is silent while that is done, and closes with it', async () => {
    await to.newRoot('r11', { validity: 60 * day })
    const about = async () => (await admin().alerts()).filter(({ detail }) => detail.includes('authority r11'))
    await renewRevocationAnswers(world.it)
    expect((await about()).map(({ detail }) => detail).join()).toContain('countersign authority rollover prepare r11')
    await admin().prepareRollover('r11', { validity: 365 * day })
    await admin().activateRollover('r11')
    expect(await about()).toEqual([])
    await renewRevocationAnswers(world.it)
    expect(await about()).toEqual([])
  })

  test('leaves an audit chain that proves itself', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
