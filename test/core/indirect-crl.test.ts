import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import { everyCrl } from '../../src/core/crl/everyCrl.ts'
import { describeLifetime, revocationLifetimes } from '../../src/core/ocsp/lifetime.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { decodeCrlIssuers } from '../../src/pki/distribution.ts'
import { OID } from '../../src/pki/oid.ts'
import { day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { attributed, type HandOverWorld, handOverWorld, pointsOf } from '../helpers/handOver.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { failure } from '../helpers/people.ts'

describe.each(databases)('an authority that hands its CRL over, on $name', ({ open }) => {
  let opened: HandOverWorld
  beforeAll(async () => {
    opened = await handOverWorld(open)
  })
  afterAll(() => opened.close())

  const change: HandOverWorld['change'] = (...given) => opened.change(...given)
  const list: HandOverWorld['list'] = (more) => opened.list(more)
  const nameOf = (authority: string) => opened.nameOf(authority)

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

  test('the audit trail agrees', async () => {
    expect((await opened.people.as(opened.people.root).admin.verifyAudit()).problems).toEqual([])
  })
})
