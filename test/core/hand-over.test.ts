import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import { system } from '../../src/core/requester.ts'
import { withdraw } from '../../src/core/revocation/withdraw.ts'
import { transaction } from '../../src/db/transaction.ts'
import { day } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { attributed, type HandOverWorld, handOverWorld, pointsOf } from '../helpers/handOver.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { audited, failure } from '../helpers/people.ts'

describe.each(databases)('handing over a CRL, on $name', ({ open }) => {
  let opened: HandOverWorld
  beforeAll(async () => {
    opened = await handOverWorld(open)
  })
  afterAll(() => opened.close())

  const change: HandOverWorld['change'] = (...given) => opened.change(...given)

  test('what is revoked before somebody asks stands on what he gets, once, while many revoke', async () => {
    const { crls, world, list } = opened
    for (const name of ['issuing', 'second']) await change(name, { crlIssuer: 'lists' })
    const profiles = [await world.profile(), await world.profile('second')]
    const certificates = []
    for (let n = 0; n < 16; n++) {
      const profile = profiles[n % 2]
      if (profile) certificates.push(await crls.issue(`race-${n}.example.org`, { profile }))
    }
    const revoked: string[] = []
    const asked = certificates.map(async (certificate) => {
      await crls.revoke(certificate)
      revoked.push(certificate.serial)
      const known = [...revoked]
      const serials = (await list()).entries.map(({ serial }) => serial)
      return known.every((serial) => serials.filter((one) => one === serial).length === 1)
    })
    expect(await Promise.all(asked)).toEqual(certificates.map(() => true))
    expect([...attributed(await list()).keys()].sort()).toEqual([...revoked].sort())
  })

  test('when the other gets another key, the earlier list goes on under the earlier one', async () => {
    const { crls, people, world, list } = opened
    const before = await crls.issue('before.example.org')
    const old = await crls.issuerId('lists')
    const { admin } = people.as(people.root)
    await admin.prepareRollover('lists', { startsAt: world.time.now })
    await admin.activateRollover('lists')
    const now = await crls.issuerId('lists')
    expect(now).not.toBe(old)
    const after = await crls.issue('after.example.org')
    expect(pointsOf(before.der).crlUrls).toEqual([`http://ca.test/crl/lists/${old}/indirect.crl`])
    expect(pointsOf(after.der).crlUrls).toEqual([`http://ca.test/crl/lists/${now}/indirect.crl`])
    await crls.revoke(before)
    await crls.revoke(after)
    // Each checked by the key of its own (crlWorld), and of one line of numbers.
    const [first, second] = [await list({ issuer: old }), await list({ issuer: now })]
    expect(attributed(first).has(before.serial)).toBe(true)
    expect([...attributed(second).keys()]).toEqual([after.serial])
    world.time.pass(30 * day)
    await renewCrls(world.it)
    for (const issuer of [old, now])
      expect((await list({ issuer })).nextUpdate?.getTime()).toBeGreaterThan(world.time.now.getTime())
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
