import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { addRole, addRoleMember } from '../../src/core/identity/role.ts'
import type { Listing } from '../../src/core/listing/listing.ts'
import { createListing } from '../../src/core/listing/lists.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000
const rules = {
  issue: [{ name: 'security', require: [{ roles: ['security'] }] }],
  revoke: [{ name: 'security', require: [{ roles: ['security'] }] }],
}

describe.each(databases)('lists, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let waiting: number
  let issued: number
  let revocation: { id: number; uuid: string }

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('reviewed', { rules })
    waiting = await order('reviewed', 'waits.example.org')
    issued = await order('default', 'www.example.org', acmeAccount('two'))
    for (let n = 0; n < 5; n++) await order('default', `n${n}.example.org`)
    await world.save('default', { rules: { ...(await world.profile()).rules, revoke: rules.revoke } })
    const asking = { protocol: 'acme', certificate: issued, grounds: 'account', reason: 'superseded' } as const
    revocation = await world.core.as(acmeAccount('two')).revoke(asking)
  })
  afterAll(() => close())

  async function order(profileName: string, name: string, requester = acmeAccount()): Promise<number> {
    const profile = await world.profile(profileName)
    const csr = await newCsr([name])
    const validated = [{ type: 'dns', value: name }] as const
    const draft = { profile, protocol: 'acme', action: 'issue', csr, validated, refusal: 'throw' } as const
    return (await world.core.as(requester).sign(draft)).request.id
  }

  const listed = async (list: Listing, filter: Partial<Parameters<Listing['requests']>[0]> = {}) =>
    (await list.requests({ kind: 'sign', ...filter })).rows.map(({ id }) => id)

  test('requests come newest first, with names, profile, requester and source', async () => {
    const { rows } = await people.operator.list.requests({ kind: 'sign' })
    expect(rows.map(({ id }) => id)).toEqual(rows.map(({ id }) => id).toSorted((a, b) => b - a))
    expect(rows.find(({ id }) => id === waiting)).toMatchObject({
      status: 'requested',
      names: ['waits.example.org'],
      profile: 'reviewed',
      protocol: 'acme',
      requester: 'ACME account account-1',
      source: '192.0.2.1',
    })
  })
  test('a request without names shows its subject', async () => {
    const { rows } = await people.operator.list.requests({ kind: 'sign', profile: '@root/ca' })
    expect(rows.map(({ names }) => names)).toEqual([['CN=countersign Issuing CA']])
  })
  test('filters by status and profile', async () => {
    expect(await listed(people.operator.list, { status: 'requested' })).toEqual([waiting])
    expect(await listed(people.operator.list, { profile: 'reviewed' })).toEqual([waiting])
    expect(await listed(people.operator.list, { status: 'denied' })).toEqual([])
    expect(await listed(people.operator.list, { status: 'requested', profile: 'default' })).toEqual([])
  })
  test('revocations show the certificate’s names', async () => {
    const { rows } = await people.operator.list.requests({ kind: 'revoke' })
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      kind: 'revoke',
      status: 'requested',
      names: ['www.example.org'],
      profile: 'default',
    })
  })

  test.each([1, 2, 3, 200])('pages of %i hold every row once', async (limit) => {
    const all = await listed(people.operator.list, { limit: 200 })
    const seen: number[] = []
    let after: number | undefined
    do {
      const page = await people.operator.list.requests({
        kind: 'sign',
        limit,
        ...(after === undefined ? {} : { after }),
      })
      expect(page.rows.length).toBeLessThanOrEqual(limit)
      seen.push(...page.rows.map(({ id }) => id))
      after = page.next
    } while (after !== undefined)
    expect(seen).toEqual(all)
  })
  test.each([0, -5, 1.5, 100_000, Number.NaN])('a limit of %d is brought between 1 and 200', async (limit) => {
    const { rows } = await people.operator.list.requests({ kind: 'sign', limit })
    expect(rows.length).toBeGreaterThan(0)
    expect(rows.length).toBeLessThanOrEqual(200)
  })
  test('a call that looks through too much stops, and the next one goes on', async () => {
    const slow = createListing(world.it, system('cli'), { batch: 2, span: 3, steps: 1 })
    const seen: number[] = []
    let calls = 0
    let after: number | undefined
    do {
      const page = await slow.requests({
        kind: 'sign',
        status: 'signed',
        profile: 'default',
        ...(after === undefined ? {} : { after }),
      })
      seen.push(...page.rows.map(({ id }) => id))
      after = page.next
      calls++
    } while (after !== undefined)
    expect(calls).toBeGreaterThan(2)
    expect(seen).toEqual(await listed(people.operator.list, { status: 'signed', profile: 'default' }))
  })

  describe('show to', () => {
    const sees = (door: Door, filter = {}) => listed(door.list, filter)
    test('an administrator what is in his organization, another one nothing', async () => {
      expect(await sees(people.as(people.chief))).toEqual(await sees(people.operator))
      expect(await sees(people.as(people.stranger))).toEqual([])
      expect((await people.as(people.stranger).list.certificates({})).rows).toEqual([])
    })
    test('a user without any right nothing', async () => {
      expect(await sees(people.as(people.alice))).toEqual([])
      await expect(people.as(people.alice).list.request(waiting)).rejects.toMatchObject(failure('notFound'))
    })
    test('a user whom a rule names what it asks him for', async () => {
      const bob = await people.as(people.chief).admin.createUser({ name: 'bob' })
      const user = await people.named(bob.name)
      await transaction(world.it.db, async (db) => {
        const change = { actor: system('test'), at: world.it.clock() }
        const role = await addRole(db, change, user.organizationId, 'security')
        await addRoleMember(db, change, { role, userId: user.id })
      })
      expect(await sees(people.as(user))).toEqual([waiting])
      expect(await sees(people.as(user), { kind: 'revoke' })).toEqual([revocation.id])
      expect((await people.as(user).approvals.review('sign', waiting)).mayApprove).toEqual(['bob'])
    })
    test('a user with a capability on a profile what came over it', async () => {
      await people.as(people.chief).admin.createUser({ name: 'reader' })
      const reader = await people.named('reader')
      await people.give(reader, 'read', { profileId: (await world.profile('reviewed')).id })
      expect(await sees(people.as(reader))).toEqual([waiting])
      expect(await sees(people.as(reader), { kind: 'revoke' })).toEqual([])
    })
    test('the owner of the authority what its rules leave to him', async () => {
      await people.as(people.root).admin.changeAuthority('issuing', { owner: 'alice' })
      await world.save('strict', { rules: {} })
      const id = await order('strict', 'owned.example.org')
      expect(await sees(people.as(people.alice))).toEqual([id])
      await people.as(people.root).admin.changeAuthority('issuing', { owner: 'admin' })
    })
    test('a client what it asked for itself', async () => {
      expect(await sees(world.core.as(acmeAccount('two')))).toEqual([issued])
      const { rows } = await world.core.as(acmeAccount('two')).list.certificates({})
      expect(rows.map(({ id }) => id)).toEqual([issued])
    })
    test('a user who is disabled nothing more', async () => {
      await people.as(people.chief).admin.createUser({ name: 'gone' })
      const gone = await people.named('gone')
      await people.as(people.chief).admin.changeUser('gone', { enabled: false })
      await expect(people.as(gone).list.requests({ kind: 'sign' })).rejects.toMatchObject(failure('forbidden'))
    })
  })

  describe('one request', () => {
    test('to sign, in full, by number and by uuid', async () => {
      const shown = await people.operator.list.request(waiting)
      expect(shown).toMatchObject({
        kind: 'sign',
        action: 'issue',
        authority: 'issuing',
        requesterKind: 'acme-account',
        wanted: {
          type: 'server',
          subject: 'CN=waits.example.org',
          validity: 90 * day,
          notAfter: null,
          mustStaple: false,
        },
        key: { algorithm: 'EC', size: 256, curve: 'P-256', spkiHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
        certificate: null,
      })
      expect((await people.operator.list.request(shown.uuid)).id).toBe(waiting)
    })
    test('to revoke, by number with its kind and by uuid without', async () => {
      const shown = await people.operator.list.request(revocation.id, 'revoke')
      expect(shown).toMatchObject({
        kind: 'revoke',
        action: 'revoke',
        code: 'superseded',
        certificate: { id: issued, status: 'issued' },
        wanted: null,
      })
      expect(await people.operator.list.request(revocation.uuid)).toEqual(shown)
    })
    test.each([[999_999], ['018f0000-0000-7000-8000-000000000000']])(
      'that is not there is not found: %s',
      async (ref) => {
        await expect(people.operator.list.request(ref)).rejects.toMatchObject(failure('notFound'))
      },
    )
    test('of another organization is not there either', async () => {
      await expect(people.as(people.stranger).list.request(waiting)).rejects.toMatchObject(failure('notFound'))
    })
    test('of another client is not there either', async () => {
      await expect(world.core.as(acmeAccount('two')).list.request(waiting)).rejects.toMatchObject(failure('notFound'))
      expect((await world.core.as(acmeAccount()).list.request(waiting)).id).toBe(waiting)
    })
  })

  describe('certificates', () => {
    const ids = async (filter: Parameters<Listing['certificates']>[0]) =>
      (await people.operator.list.certificates(filter)).rows.map(({ id }) => id)
    test('are found by part of a name or subject, whatever its case', async () => {
      expect(await ids({ search: 'WWW.Example' })).toEqual([issued])
      expect(await ids({ search: 'issuing ca' })).toHaveLength(1)
      expect(await ids({ search: 'nowhere' })).toEqual([])
    })
    test.each(['%', '_', '!', '"', '\\', 'dns', "' or 1=1 --", 'é'])('%s in a search means itself', async (search) => {
      expect(await ids({ search })).toEqual([])
    })
    test('are filtered by profile and authority', async () => {
      expect(await ids({ profile: 'default' })).toContain(issued)
      expect(await ids({ authority: 'root' })).not.toContain(issued)
    })
    test('expire by the clock, without anybody writing it', async () => {
      const requester = asRequester(people.root)
      const later = { ...world.it, clock: () => new Date(world.it.clock().getTime() + 91 * day) }
      const { certificates } = createListing(later, requester)
      expect((await certificates({ status: 'expired' })).rows.map(({ id }) => id)).toContain(issued)
      expect((await certificates({ status: 'issued' })).rows.map(({ id }) => id)).not.toContain(issued)
      expect(await ids({ status: 'issued' })).toContain(issued)
      expect(await ids({ status: 'expired' })).toEqual([])
    })
    test('of a status that there is not is malformed', async () => {
      await expect(ids({ status: 'lost' })).rejects.toMatchObject(failure('malformed'))
    })
    test('show a revocation once it is carried out', async () => {
      const { hash } = await people.operator.approvals.review('revoke', revocation.id)
      await people.as(await people.named('bob')).approvals.vote('revoke', revocation.id, { verdict: 'approve', hash })
      expect(await ids({ status: 'revoked' })).toEqual([issued])
      const { rows } = await people.operator.list.certificates({ status: 'revoked' })
      expect(rows[0]).toMatchObject({ revocationReason: 'superseded', revokedAt: expect.any(Date) })
    })
  })
})
