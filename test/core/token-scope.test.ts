import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { capabilities, hasCapability } from '../../src/core/identity/capability.ts'
import { type ActingUser, asRequester } from '../../src/core/identity/identity.ts'
import { type ScopeName, scopeNames, type TokenScope } from '../../src/core/identity/tokenScope.ts'
import { createToken } from '../../src/core/login/token.ts'
import type { ScopeDraft } from '../../src/core/login/tokenView.ts'
import type { Requester } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('what a token is limited to, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let organizationId: number
  let authorityId: number
  let profileId: number
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    const profile = await world.profile()
    organizationId = profile.organizationId
    authorityId = profile.authorityId
    profileId = profile.id
  })
  afterAll(() => close())

  let count = 0
  async function limited(who: 'root' | 'chief' | 'alice', scope?: ScopeDraft): Promise<Requester> {
    const { admin } = people.as(people[who])
    const name = `t${++count}`
    const { text } = await admin.createToken({ user: people[who].name, name, ...(scope ? { scope } : {}) })
    const known = await world.core.authentication.token(text)
    if (!known) throw new Error('no such token')
    return known
  }
  const door = async (...given: Parameters<typeof limited>): Promise<Door> => world.core.as(await limited(...given))
  async function order(door: Door) {
    const csr = await newCsr([`scope${++count}.example.org`])
    const draft = { protocol: 'ra', action: 'issue', csr, identifiers: csr.identifiers, refusal: 'store' } as const
    return (await door.sign({ ...draft, profile: await world.profile() })).request
  }

  test.each(capabilities)('%s is the superuser’s only where the scope names it', async (capability) => {
    const on = { organizationId, authorityId, profileId }
    const may = (scope: TokenScope) => hasCapability(world.it.db, { id: people.root.id, scope }, capability, on)
    const others = scopeNames.filter((name) => name !== capability)
    expect(await may({ capabilities: [capability] })).toBe(true)
    expect(await may({ capabilities: others })).toBe(false)
    expect(await may({ capabilities: [capability], authorityId, profileId })).toBe(true)
    expect(await may({ capabilities: [capability], authorityId: authorityId + 1 })).toBe(false)
    expect(await may({ capabilities: [capability], profileId: profileId + 1 })).toBe(false)
    expect(await may({ capabilities: [capability], readOnly: true })).toBe(capability === 'read')
  })
  test('a scope gives nobody what he does not have', async () => {
    const acting: Pick<ActingUser, 'id' | 'scope'> = { id: people.alice.id, scope: { capabilities: [...scopeNames] } }
    for (const capability of capabilities)
      expect(await hasCapability(world.it.db, acting, capability, { organizationId })).toBe(false)
  })

  test('without a scope a token does all that its user may, as those of before', async () => {
    const all = await door('root')
    expect((await order(all)).status).toBe('requested')
    expect(await all.admin.users()).toContainEqual(expect.objectContaining({ name: 'stranger' }))
  })
  test('an order needs create_cert, and a token that only reads makes none', async () => {
    await expect(order(await door('chief', { capabilities: ['read', 'approve'] }))).rejects.toMatchObject(
      failure('forbidden', /create_cert/),
    )
    await expect(order(await door('chief', { capabilities: ['create_cert'], readOnly: true }))).rejects.toMatchObject(
      failure('forbidden'),
    )
    expect((await order(await door('chief', { capabilities: ['create_cert'], profile: 'default' }))).status).toBe(
      'requested',
    )
    await world.save('another', {})
    const elsewhere = await door('chief', { capabilities: ['create_cert'], profile: 'another' })
    await expect(order(elsewhere)).rejects.toMatchObject(failure('forbidden'))
  })
  test('a vote needs approve, for that profile, also with a token of a superuser', async () => {
    const { id } = await order(await door('chief'))
    const vote = async (scope?: ScopeDraft) => {
      const { approvals } = await door('root', scope)
      const { hash } = await people.as(people.root).approvals.review('sign', id)
      return approvals.vote('sign', id, { verdict: 'approve', hash })
    }
    await expect(vote({ capabilities: ['read', 'manage', 'admin'] })).rejects.toMatchObject(
      failure('forbidden', /approve/),
    )
    await expect(vote({ capabilities: ['approve'], profile: 'another' })).rejects.toMatchObject(failure('notFound'))
    await expect(vote({ capabilities: ['approve'], readOnly: true })).rejects.toMatchObject(failure('forbidden'))
    expect((await vote({ capabilities: ['approve'] })).status).toBe('signed')
  })
  test('to ask for a revocation needs revoke_cert', async () => {
    const { id } = await order(await door('chief'))
    const root = people.as(people.root)
    const { hash } = await root.approvals.review('sign', id)
    await root.approvals.vote('sign', id, { verdict: 'approve', hash })
    const revoke = async (scope: ScopeDraft) =>
      (await door('chief', scope)).revoke({ protocol: 'ra', certificate: id, grounds: 'user', reason: 'superseded' })
    await expect(revoke({ capabilities: ['read', 'create_cert', 'manage'] })).rejects.toMatchObject(
      failure('forbidden', /revoke_cert/),
    )
    await expect(revoke({ capabilities: ['revoke_cert'], profile: 'another' })).rejects.toMatchObject(
      failure('notFound'),
    )
    expect((await revoke({ capabilities: ['revoke_cert'] })).status).toBe('revoked')
  })
  test('what administrators do needs admin, whoever has the token', async () => {
    for (const who of ['root', 'chief'] as const) {
      const { admin, identities } = await door(who, { capabilities: [...capabilities] })
      await expect(admin.createUser({ name: 'eve' })).rejects.toMatchObject(failure('forbidden'))
      await expect(identities.createRole({ name: 'r' })).rejects.toMatchObject(failure('forbidden'))
      await expect(admin.alerts()).rejects.toMatchObject(failure('forbidden'))
      await expect(admin.grant({ user: 'alice', capability: 'approve' })).rejects.toMatchObject(failure('forbidden'))
      await expect(admin.changeUser('alice', { admin: true })).rejects.toMatchObject(failure('forbidden'))
      expect((await admin.users()).map(({ name }) => name)).toEqual([people[who].name])
    }
    const { admin } = await door('chief', { capabilities: ['admin'] })
    expect(await admin.createUser({ name: `made${++count}` })).toMatchObject({ enabled: true })
    await expect(order(await door('chief', { capabilities: ['admin'] }))).rejects.toMatchObject(failure('forbidden'))
  })
  test('manage and create_ca are needed by name', async () => {
    const draft = { name: 'x', key: 'P-256', subject: 'CN=x', validity: 86_400_000 } as const
    await expect(
      (await door('root', { capabilities: ['admin', 'manage'] })).admin.createAuthority(draft),
    ).rejects.toMatchObject(failure('forbidden', /create_ca/))
    const credential = { kind: 'eab', profile: 'default' } as const
    await expect(
      (await door('root', { capabilities: ['admin', 'create_ca'] })).admin.createCredential(credential),
    ).rejects.toMatchObject(failure('forbidden', /manage/))
  })
  test('one that only reads changes nothing, not even what is its user’s own', async () => {
    const { admin, identities, approvals } = await door('root', { capabilities: [...scopeNames], readOnly: true })
    const { id } = await order(await door('chief'))
    const changes: Promise<unknown>[] = [
      admin.createUser({ name: 'eve' }),
      admin.changeUser('alice', { enabled: false }),
      admin.createToken({ user: 'admin', name: 'x', scope: { capabilities: ['read'], readOnly: true } }),
      admin.createOrganization('third'),
      identities.createRole({ name: 'readers' }),
      approvals.cancel('sign', id),
      approvals.comment('sign', id, 'hello'),
    ]
    for (const result of await Promise.allSettled(changes))
      expect(result).toMatchObject({ status: 'rejected', reason: failure('forbidden') })
    expect(await admin.users()).toContainEqual(expect.objectContaining({ name: 'alice', enabled: true }))
  })
  test('lists show what the scope reaches, and what the token asked for itself', async () => {
    const maker = await limited('chief', { capabilities: ['create_cert'] })
    const { id } = await order(world.core.as(maker))
    const ids = async (list: Door) => (await list.list.requests({ kind: 'sign' })).rows.map((row) => row.id)
    expect(await ids(world.core.as(maker))).toEqual([id])
    expect(await ids(await door('root', { capabilities: ['read'] }))).toContain(id)
    expect(await ids(await door('root', { capabilities: ['read'], profile: 'another' }))).toEqual([])
    expect(await ids(await door('root', { capabilities: ['create_ca'] }))).toEqual([])
    expect(await ids(await door('alice', { capabilities: ['read'] }))).toEqual([])
    const another = await door('root', { capabilities: ['read'], profile: 'another' })
    await expect(another.approvals.review('sign', id)).rejects.toMatchObject(failure('notFound'))
  })

  test('one that is made with a token may no more than that one', async () => {
    const narrow = world.core.as(await limited('alice', { capabilities: ['read', 'approve'] }))
    const make = (scope?: ScopeDraft) =>
      narrow.admin.createToken({ user: 'alice', name: `n${++count}`, ...(scope ? { scope } : {}) })
    await expect(make({ capabilities: ['read', 'manage'] })).rejects.toMatchObject(failure('forbidden', /no more/))
    expect((await make({ capabilities: ['read'] })).view.scope?.capabilities).toEqual(['read'])
    expect((await make()).view.scope?.capabilities).toEqual(['read', 'approve'])
  })
  test('it sees and ends itself alone, unless it may administer', async () => {
    await limited('alice')
    const { ref, ...rest } = await limited('alice', { capabilities: ['read'] })
    const { admin, identities } = world.core.as({ ref, ...rest })
    expect((await admin.tokens()).map(({ uuid }) => uuid)).toEqual([ref])
    expect(await identities.sessions()).toEqual([])
    await admin.revokeToken(ref)
    expect((await people.as(people.alice).admin.tokens()).find(({ uuid }) => uuid === ref)?.revokedAt).toBeInstanceOf(
      Date,
    )
  })

  test.each([
    [{ capabilities: [] }, 'malformed'],
    [{ capabilities: ['everything' as ScopeName] }, 'malformed'],
    [{ capabilities: ['admin'], profile: 'default' }, 'malformed'],
    [{ capabilities: ['read'], profile: 'none-of-that-name' }, 'notFound'],
    [{ capabilities: ['read'], authority: 'none-of-that-name' }, 'notFound'],
  ] satisfies [ScopeDraft, 'malformed' | 'notFound'][])('%j is refused', async (scope, code) => {
    const made = people.as(people.alice).admin.createToken({ user: 'alice', name: 'x', scope })
    await expect(made).rejects.toMatchObject(failure(code))
  })
  test('a scope may name nothing of another organization', async () => {
    const made = people.as(people.stranger).admin.createToken({
      user: 'stranger',
      name: 'x',
      scope: { capabilities: ['read'], profile: 'default' },
    })
    await expect(made).rejects.toMatchObject(failure('notFound'))
  })

  test('when it was used last is written once a minute', async () => {
    const { text, view } = await people.as(people.alice).admin.createToken({ user: 'alice', name: `u${++count}` })
    const lastUsed = async () =>
      (await people.as(people.alice).admin.tokens()).find(({ uuid }) => uuid === view.uuid)?.lastUsedAt
    const begin = world.time.now
    expect(await lastUsed()).toBeNull()
    await world.core.authentication.token(text)
    world.time.pass(59_999)
    await world.core.authentication.token(text)
    expect(await lastUsed()).toEqual(begin)
    world.time.pass(1)
    await world.core.authentication.token(text)
    expect(await lastUsed()).toEqual(world.time.now)
  })
  test('where tokens have a longest life, none is made without an end or beyond', async () => {
    world.it.identity = { sessionIdle: 1, sessionLength: 1, loginAuthorities: [], longestToken: 86_400_000 }
    const { admin } = people.as(people.alice)
    const last = new Date(world.time.now.getTime() + 86_400_000)
    expect((await admin.createToken({ user: 'alice', name: 'a' })).view.expiresAt).toEqual(last)
    const beyond = admin.createToken({ user: 'alice', name: 'b', expiresAt: new Date(last.getTime() + 1) })
    await expect(beyond).rejects.toMatchObject(failure('malformed', /at most 1 days/))
    delete world.it.identity
  })
  test('an identity keeps no scope that it had not got', async () => {
    const made = await transaction(world.it.db, (db) =>
      createToken(
        db,
        { actor: asRequester(people.alice), at: world.time.now },
        {
          userId: people.alice.id,
          name: 'direct',
          scope: { capabilities: ['read'], profileId },
        },
      ),
    )
    expect(await world.core.authentication.token(made.text)).toMatchObject({
      scope: { capabilities: ['read'], profileId },
    })
  })

  test('a profile beyond it is not there: not shown, listed, served or changed', async () => {
    const { authority, name: other } = await people
      .as(people.chief)
      .admin.profile((await world.save(`p${++count}`, {})).name)
    const { uuid } = await world.profile(other)
    const beyond = await door('chief', { capabilities: ['read', 'manage', 'create_cert'], profile: 'default' })
    expect((await beyond.admin.profiles()).map(({ name }) => name)).toEqual(['default'])
    expect((await beyond.raProfiles.list()).map(({ name }) => name)).toEqual(['default'])
    for (const tried of [
      () => beyond.admin.profile(other),
      () => beyond.raProfiles.find(uuid),
      () => beyond.raProfiles.change(uuid, () => ({ enabled: false })),
      () => beyond.raProfiles.remove(uuid),
      () => beyond.serving({ uuid }),
    ])
      await expect(tried()).rejects.toMatchObject(failure('notFound'))
    const below = await door('chief', { capabilities: ['read'], authority })
    expect((await below.serving({ uuid })).profile.name).toBe(other)
    expect((await below.admin.profiles()).map(({ name }) => name)).toContain(other)
    const root = await door('chief', { capabilities: ['read'], authority: 'root' })
    expect(await root.admin.profiles()).toEqual([])
    await expect(root.serving({ uuid })).rejects.toMatchObject(failure('notFound'))
  })

  test('no token without create_cert submits by a secret, or learns whether that is right', async () => {
    const [profile, { identifiers }, chief] = [
      await world.profile(),
      await newCsr(['kept.test']),
      people.as(people.chief),
    ]
    const draft = { profile, protocol: 'ra', action: 'issue', identifiers, refusal: 'store' } as const
    const { id } = (await chief.park({ ...draft, registration: { secret: 'secret of theirs' } })).request
    for (const readOnly of [true, false])
      for (const secret of ['a wrong secret', 'secret of theirs']) {
        const door = world.core.as(await limited('alice', { capabilities: ['read'], readOnly }))
        await expect(door.submit(id, { secret })).rejects.toMatchObject(failure('forbidden', /create_cert/))
      }
    expect(await chief.registration(id)).toMatchObject({ failedAttempts: 0 })
  })
})
