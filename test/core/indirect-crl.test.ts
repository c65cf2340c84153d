import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority.ts'
import { renewCrls } from '../../src/core/crlUpkeep.ts'
import { everyCrl } from '../../src/core/everyCrl.ts'
import { describeLifetime, revocationLifetimes } from '../../src/core/lifetime.ts'
import { system } from '../../src/core/requester.ts'
import { withdraw } from '../../src/core/withdraw.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import type { CrlFields } from '../../src/pki/crlReader.ts'
import { decodeCrlIssuers, encodeDirectoryNames } from '../../src/pki/distribution.ts'
import { OID } from '../../src/pki/oid.ts'
import { type CrlWorld, crlWorld, day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

interface Opened {
  world: World
  crls: CrlWorld
  people: People
  close: () => Promise<void>
}

/** `issuing`, `second` and `lists`, all below `root`, and a profile under `second`. */
async function start(open: (typeof databases)[number]['open']): Promise<Opened> {
  const { db, close } = await open()
  const world = await createWorld(db)
  const people = await createPeople(world)
  const { admin } = people.as(people.root)
  const validity = 20 * 365 * day
  await admin.createAuthority({ name: 'lists', subject: 'CN=Lists', key: 'P-256', parent: 'root', validity })
  await admin.createAuthority({
    name: 'second',
    subject: 'CN=Second',
    key: 'P-256',
    parent: 'root',
    validity: day * 365,
  })
  await world.save('second', { authority: (await loadAuthority(world.it, 'second')).id })
  return { world, crls: crlWorld(world), people, close }
}

/** Each entry's serial number with the subject of its issuer, as who reads the list attributes it (RFC 5280 section 5.3.3). */
function attributed({ entries, issuerDer }: CrlFields): Map<string, string> {
  let issuer = encodeDirectoryNames(issuerDer)
  return new Map(
    entries.map(({ serial, certificateIssuer }) => {
      issuer = certificateIssuer ?? issuer
      return [serial, issuer.toString('hex')]
    }),
  )
}

describe.each(databases)('an authority that hands its CRL over, on $name', ({ open }) => {
  let opened: Opened
  beforeAll(async () => {
    opened = await start(open)
  })
  afterAll(() => opened.close())

  const change = (name: string, settings: Record<string, unknown>, user = opened.people.root) =>
    opened.people.as(user).admin.changeAuthority(name, { settings })
  const nameOf = async (authority: string) => {
    const { issuer } = await loadAuthority(opened.world.it, authority)
    return encodeDirectoryNames(issuer?.certificate.subjectDer ?? Buffer.alloc(0)).toString('hex')
  }
  const list = async (more: { delta?: boolean } = {}) => {
    const issuer = await opened.crls.issuerId('lists')
    return opened.crls.crl({ authority: 'lists', issuer, indirect: true, ...more })
  }
  const pointsOf = (der: Buffer) => {
    const { extensions, crlUrls } = readCertificate(der)
    const value = extensions.find(({ oid }) => oid === OID.cRLDistributionPoints)?.value ?? Buffer.alloc(0)
    return { crlUrls, issuers: decodeCrlIssuers(value) }
  }

  test('there is no indirect CRL where nobody hands over', async () => {
    await expect(list()).rejects.toMatchObject(failure('notFound'))
  })

  test('its new certificates name the list of the other; what was issued before stays in its own', async () => {
    const { crls, world } = opened
    const before = await crls.issue('before.example.org')
    expect((await crls.crl()).idp).toBeUndefined()
    await change('issuing', { crlIssuer: 'lists' })
    const after = await crls.issue('after.example.org')
    const lists = await loadAuthority(world.it, 'lists')
    const url = `http://ca.test/crl/lists/${lists.issuer?.id}/indirect.crl`
    expect(pointsOf(after.der)).toEqual({ crlUrls: [url], issuers: [lists.issuer?.certificate.subjectDer] })
    expect(pointsOf(before.der).issuers).toEqual([])

    await crls.revoke(before, { reason: 'superseded' })
    const { issuer } = await loadAuthority(world.it, 'issuing')
    const told = async () => issuer && statusOf(world, issuer, after.serial)
    expect(await told()).toBe('good')
    await crls.revoke(after, { reason: 'keyCompromise' })
    // Who issued it speaks by OCSP, as before.
    expect(await told()).toMatch(/^revoked .* 1$/)
    const own = await crls.crl()
    expect(own.entries.map(({ serial }) => serial)).toEqual([before.serial])
    // Its scope is no longer all that the authority issued.
    expect(own.idp).toEqual({ urls: pointsOf(before.der).crlUrls })
    const indirect = await list()
    expect(indirect.idp).toEqual({ urls: [url], indirect: true })
    expect([...attributed(indirect)]).toEqual([[after.serial, await nameOf('issuing')]])
    expect(indirect.entries[0]).toMatchObject({ reason: reasonCodes.keyCompromise })
  })

  test('certificates of several authorities stand in one list, each under its issuer; holds come and go', async () => {
    const { crls, world, people } = opened
    await change('second', { crlIssuer: 'lists' })
    const issue = async (name: string) => {
      const profile = await world.profile('second')
      return crls.issue(name, { profile })
    }
    const [one, two] = [await issue('one.example.org'), await issue('two.example.org')]
    const third = await crls.issue('three.example.org')
    const numbers = [(await list()).number ?? 0n]
    await crls.revoke(one, { reason: 'certificateHold' })
    await crls.revoke(third)
    await crls.revoke(two)
    const made = await list()
    numbers.push(made.number ?? 0n)
    const [issuing, second] = [await nameOf('issuing'), await nameOf('second')]
    const of = attributed(made)
    expect([of.get(third.serial), of.get(one.serial), of.get(two.serial)]).toEqual([issuing, second, second])
    // Said once for each, where it changes.
    expect(made.entries.filter(({ certificateIssuer }) => certificateIssuer)).toHaveLength(2)
    await people.as(people.root).unhold({ protocol: 'cli', certificate: one.id })
    const lifted = await list()
    numbers.push(lifted.number ?? 0n)
    expect(attributed(lifted).has(one.serial)).toBe(false)
    expect(attributed(lifted).get(two.serial)).toBe(second)
    expect(numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0n))).toBe(true)
    // Neither its own list nor that of its issuer has them.
    expect((await crls.crl({ authority: 'lists' })).entries).toEqual([])
    expect((await crls.crl({ authority: 'second' })).entries).toEqual([])
  })

  test('unchanged it is served as it was, and made anew with the next revocation', async () => {
    const { crls } = opened
    const first = await list()
    await crls.revoke(await crls.issue('other.example.org'))
    const second = await list()
    expect(second.number).not.toBe(first.number)
    expect((await list()).signed.der).toEqual(second.signed.der)
  })

  test('deltas: named by certificates with the CRL issuer, by the list without; they say whose each is', async () => {
    const { crls, world, people } = opened
    await change('lists', { crlDelta: '1h' })
    const late = await crls.issue('late.example.org')
    const held = await crls.issue('held.example.org', { profile: await world.profile('second') })
    await crls.revoke(held, { reason: 'certificateHold' })
    const { extensions } = readCertificate(late.der)
    const value = extensions.find(({ oid }) => oid === OID.freshestCRL)?.value ?? Buffer.alloc(0)
    const lists = await loadAuthority(world.it, 'lists')
    expect(decodeCrlIssuers(value)).toEqual([lists.issuer?.certificate.subjectDer])
    world.time.pass(6 * day)
    const base = await list()
    expect(base.freshest).toEqual([`http://ca.test/crl/lists/${lists.issuer?.id}/indirect-delta.crl`])
    expect(attributed(base).get(held.serial)).toBe(await nameOf('second'))
    world.time.pass(60_000)
    await crls.revoke(late)
    await people.as(people.root).unhold({ protocol: 'cli', certificate: held.id })
    const delta = await list({ delta: true })
    expect(delta.deltaBase).toBeDefined()
    expect(delta.idp).toEqual(base.idp)
    const of = attributed(delta)
    expect([of.get(late.serial), of.get(held.serial)]).toEqual([await nameOf('issuing'), await nameOf('second')])
    const lifted = delta.entries.find(({ serial }) => serial === held.serial)
    expect(lifted?.reason).toBe(reasonCodes.removeFromCRL)
    await change('lists', {})
  })

  test('it is made by upkeep, listed for publication, and missed when it is not there', async () => {
    const { world, crls } = opened
    const issuer = await crls.issuerId('lists')
    world.time.pass(30 * day)
    const late = (await revocationLifetimes(world.it.db, world.time.now)).filter(
      ({ authority }) => authority === 'lists',
    )
    const mine = late.find(({ kind, shard }) => kind === 'crl' && (shard ?? 0) < 0)
    expect(mine).toMatchObject({ state: 'ended', issuer })
    expect(mine && describeLifetime(mine)).toContain(`the CRL of lists (certificate ${issuer}, indirect) ended`)
    await renewCrls(world.it)
    const now = await revocationLifetimes(world.it.db, world.time.now)
    expect(now.find(({ authority, shard }) => authority === 'lists' && (shard ?? 0) < 0)).toMatchObject({ state: 'ok' })
    const every = (await everyCrl(world.it)).filter(({ url }) => url.includes('indirect'))
    expect(every.map(({ url }) => url)).toEqual([
      `http://ca.test/crl/lists/${issuer}/indirect.crl`,
      `http://ca.test/crl/lists/${issuer}/indirect-delta.crl`,
    ])
    expect((await every[0]?.read())?.number).toBe((await list()).number)
  })

  test('taken back, new certificates are in its own lists again, and the indirect list goes on', async () => {
    const { crls } = opened
    const there = await crls.issue('there.example.org')
    await change('issuing', {})
    const here = await crls.issue('here.example.org')
    await crls.revoke(there)
    await crls.revoke(here)
    expect((await crls.crl()).entries.map(({ serial }) => serial)).toContain(here.serial)
    expect(attributed(await list()).has(there.serial)).toBe(true)
    expect(attributed(await list()).has(here.serial)).toBe(false)
    await change('issuing', { crlIssuer: 'lists' })
  })

  test('what has ended leaves it after one list made at its time', async () => {
    const { crls, world } = opened
    const short = await crls.issue('short.example.org', { notAfter: new Date(world.time.now.getTime() + 2 * day) })
    await crls.revoke(short)
    expect(attributed(await list()).has(short.serial)).toBe(true)
    world.time.pass(6 * day)
    expect(attributed(await list()).has(short.serial)).toBe(true)
    world.time.pass(6 * day)
    expect(attributed(await list()).has(short.serial)).toBe(false)
  })

  describe('is refused', () => {
    const refused = async (
      name: string,
      settings: Record<string, unknown>,
      detail: RegExp,
      code = 'malformed' as const,
    ) => expect(change(name, settings)).rejects.toMatchObject(failure(code, detail))

    test('to itself, to one that hands over, in a circle, and beside shards', async () => {
      await refused('lists', { crlIssuer: 'lists' }, /itself/)
      await refused('lists', { crlIssuer: 'issuing' }, /one of the two/)
      await refused('lists', { crlIssuer: 'root' }, /issuing hands over to lists|second hands over to lists/)
      await refused('root', { crlIssuer: 'issuing' }, /hand over to that one/)
      await refused('issuing', { crlIssuer: 'lists', crlShards: 2 }, /beside crlShards/)
    })

    test('to one that signs elsewhere, and by one that does', async () => {
      const { name } = await manualAuthority(opened.world)
      await refused('issuing', { crlIssuer: name }, /signs elsewhere, and so do its CRLs/)
      await refused(name, { crlIssuer: 'lists' }, /what its certificates name is decided there/)
    })

    test('to one that is switched off, ends earlier, or is below another root', async () => {
      const { admin } = opened.people.as(opened.people.root)
      await admin.createAuthority({
        name: 'off',
        subject: 'CN=Off',
        key: 'P-256',
        parent: 'root',
        validity: 20 * 365 * day,
      })
      await admin.changeAuthority('off', { enabled: false })
      await refused('issuing', { crlIssuer: 'off' }, /switched off/)
      await refused('root', { crlIssuer: 'off' }, /switched off|before that of root/)
      await admin.createAuthority({ name: 'brief', subject: 'CN=Brief', key: 'P-256', parent: 'root', validity: day })
      await refused('issuing', { crlIssuer: 'brief' }, /before that of issuing/)
      await admin.createAuthority({ name: 'apart', subject: 'CN=Apart', key: 'P-256', validity: 30 * 365 * day })
      await refused('issuing', { crlIssuer: 'apart' }, /another root/)
    })

    test('to one of another organization as to one that is not there, and without manage on it', async () => {
      const { people, world } = opened
      const draft = { subject: 'CN=Theirs', key: 'P-256', validity: 30 * 365 * day } as const
      await people.as(people.root).admin.createAuthority({ name: 'theirs', organization: 'elsewhere', ...draft })
      await expect(change('issuing', { crlIssuer: 'theirs' })).rejects.toMatchObject(failure('notFound'))
      await expect(change('issuing', { crlIssuer: 'nobody' })).rejects.toMatchObject(failure('notFound'))
      const { id: authorityId } = await loadAuthority(world.it, 'second')
      await people.give(people.alice, 'manage', { authorityId })
      // What stands already needs no more than to be left as it is.
      await change('second', { crlIssuer: 'lists', crlValidity: '6d' }, people.alice)
      await change('second', {})
      await expect(change('second', { crlIssuer: 'lists' }, people.alice)).rejects.toMatchObject(failure('forbidden'))
    })

    test('and leaves the settings as they were', async () => {
      const { settings } = await opened.people.as(opened.people.root).admin.authority('issuing')
      expect(settings).toEqual({ crlIssuer: 'lists' })
      expect((await audited(opened.world, 'authority.changed')).at(-1)?.details).not.toMatchObject({
        settings: { crlShards: 2 },
      })
    })
  })

  test('while the certificate of the other is revoked, new certificates are in its own lists', async () => {
    const { crls, world, people } = opened
    const lists = await loadAuthority(world.it, 'lists')
    const serial = lists.issuer?.certificate.serial ?? ''
    const certificate = await people.operator.findCertificate({ serial, authority: 'root' })
    if (!certificate) throw new Error('the certificate of the authority is not known')
    const withdrawal = { certificate, requester: system('test'), now: world.time.now }
    await transaction(world.it.db, (db) => withdraw(db, withdrawal, 'superseded'))
    const { withdrawn } = await loadAuthority(world.it, 'lists')
    const issued = await crls.issue('withdrawn.example.org')
    expect([withdrawn, pointsOf(issued.der).issuers]).toEqual([true, []])
    const alerts = async () => (await people.operator.admin.alerts()).filter(({ kind }) => kind === 'crl_issuer')
    await renewCrls(world.it)
    await renewCrls(world.it)
    expect((await alerts()).map(({ detail }) => detail)).toEqual([
      expect.stringMatching(/^new certificates of issuing/),
    ])
    await expect(change('second', { crlIssuer: 'lists' })).rejects.toMatchObject(failure('malformed', /was revoked/))
    await change('issuing', {})
    await renewCrls(world.it)
    expect(await alerts()).toEqual([])
  })

  test('the audit trail agrees', async () => {
    expect((await opened.people.as(opened.people.root).admin.verifyAudit()).problems).toEqual([])
  })
})
