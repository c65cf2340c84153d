import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { changeUser } from '../../src/core/identity/identity.ts'
import { removeRoleMember } from '../../src/core/identity/role.ts'
import { createToken, findToken } from '../../src/core/login/token.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { Requester, RequesterKind } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { account, createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

describe.each(databases)('votes on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let count = 0
  const people = (n: number) => Promise.all(Array.from({ length: n }, () => world.user(`person${++count}`)))
  const names = (users: { name: string }[]) => users.map(({ name }) => name)

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
  })
  beforeEach(() => {
    world.clock.now = start
    world.followed.length = 0
  })
  afterAll(() => database.close())

  const status = async (asked: { id: number }) => world.status('sign', asked.id)

  test('two of three: the first vote waits, the second signs', async () => {
    const [a, b, c] = await people(3)
    if (!a || !b || !c) throw new Error('three people')
    const asked = await world.ask({
      rule: { require: [{ users: names([a, b, c]), roles: [], owner: false, quorum: 2, expires: '2d' }] },
    })
    expect(asked.decision).toMatchObject({
      outcome: 'waiting',
      findings: [],
      expiresAt: new Date(start.getTime() + 2 * 86_400_000),
    })
    expect(await world.vote(a, asked)).toEqual({ status: 'requested' })
    expect(world.followed).toEqual([])
    expect(await world.vote(b, asked)).toEqual({ status: 'signing' })
    expect(world.followed).toEqual([`approved sign ${asked.id}`])
    await expect(world.vote(c, asked)).rejects.toMatchObject({
      code: 'conflict',
      detail: /too late: the request is signing/,
    })
    const rows = (await world.audited('vote.approve')).filter((row) => row.subject_id === asked.id)
    expect(rows.map((row) => JSON.parse(row.actor).name)).toEqual(names([a, b]))
    expect(JSON.parse(rows[0]?.details ?? '')).toMatchObject({ user: a.name, hash: asked.hash, step: 0 })
  })

  test('nobody votes twice, nor in two steps', async () => {
    const [a, b] = await people(2)
    if (!a || !b) throw new Error('two people')
    const step = { users: names([a, b]), roles: [], owner: false, quorum: 1, expires: '1d' }
    const asked = await world.ask({ rule: { require: [step, { ...step, expires: '3d' }] } })
    expect(await world.vote(a, asked)).toEqual({ status: 'requested' })
    await expect(world.vote(a, asked)).rejects.toMatchObject({
      code: 'conflict',
      detail: /voted on this request already/,
    })
    const request = await readSignRequest(world.db, asked.id)
    expect(request.expiresAt).toEqual(new Date(start.getTime() + 3 * 86_400_000))
    expect(await world.as(b).review('sign', asked.id)).toMatchObject({ step: 1, mayApprove: [b.name] })
    expect(await world.vote(b, asked)).toEqual({ status: 'signing' })
  })

  test('votes of an earlier step do not count in a later one', async () => {
    const [a, b, c] = await people(3)
    if (!a || !b || !c) throw new Error('three people')
    const step = { users: names([a, b, c]), roles: [], owner: false, quorum: 1, expires: '1d' }
    const asked = await world.ask({ rule: { require: [step, { ...step, quorum: 2 }] } })
    expect(await world.vote(a, asked)).toEqual({ status: 'requested' })
    expect(await world.vote(b, asked)).toEqual({ status: 'requested' })
    expect(await world.vote(c, asked)).toEqual({ status: 'signing' })
  })

  test('a denial ends it, with a reason that names nobody', async () => {
    const [a, b] = await people(2)
    if (!a || !b) throw new Error('two people')
    const asked = await world.ask({
      rule: { require: [{ users: names([a, b]), roles: [], owner: false, quorum: 2, expires: '1d' }] },
    })
    await world.vote(b, asked)
    for (const reason of [undefined, '', '  ']) {
      const input = { verdict: 'deny' as const, ...(reason === undefined ? {} : { reason }) }
      await expect(world.vote(a, asked, input)).rejects.toMatchObject({ code: 'malformed', detail: /needs a reason/ })
    }
    expect(await world.vote(a, asked, { verdict: 'deny', reason: ' not our domain ' })).toEqual({ status: 'denied' })
    expect(await readSignRequest(world.db, asked.id)).toMatchObject({ reason: 'not our domain', endedAt: start })
    expect(await world.as(a).review('sign', asked.id)).toMatchObject({ outcome: 'denied', mayApprove: [] })
    expect(world.followed).toEqual([])
  })

  test('a vote names what it saw', async () => {
    const [a] = await people(1)
    if (!a) throw new Error('a person')
    const asked = await world.ask({
      rule: { require: [{ users: [a.name], roles: [], owner: false, quorum: 1, expires: '1d' }] },
    })
    const stale = { ...asked, hash: asked.hash.replace(/^./, (c) => (c === '0' ? '1' : '0')) }
    await expect(world.vote(a, stale)).rejects.toMatchObject({ code: 'conflict', detail: /has changed since/ })
    expect(await status(asked)).toBe('requested')
  })

  test('the steps name users, roles and the owner, of this organization', async () => {
    const [named, member, other] = await people(3)
    if (!named || !member || !other) throw new Error('three people')
    const stranger = await world.user(`stranger${++count}`, { elsewhere: true })
    const above = await world.user(`above${++count}`, { elsewhere: true, superuser: true })
    await world.role('officers', [member])
    const unnamed = await world.user(`unnamed${++count}`, { elsewhere: true, superuser: true })
    await world.role('officers', [stranger, unnamed], world.elsewhere.id)
    const step = {
      users: [named.name.toUpperCase(), stranger.name, above.name],
      roles: ['officers'],
      owner: true,
      quorum: 5,
      expires: '1d',
    }
    const asked = await world.ask({ rule: { require: [step] } })
    expect((await world.as(named).review('sign', asked.id)).mayApprove).toEqual(
      names([named, member, above, world.owner]).sort(),
    )
    await expect(world.vote(other, asked)).rejects.toMatchObject({
      code: 'forbidden',
      detail: /not among those whom step 1 of 1/,
    })
    await expect(world.vote(stranger, asked)).rejects.toMatchObject({ code: 'notFound' })
    await expect(world.vote(unnamed, asked)).rejects.toMatchObject({ code: 'forbidden' })
    for (const voter of [named, member, above, world.owner])
      expect(await world.vote(voter, asked)).toEqual({ status: 'requested' })
    expect(asked.decision.findings).toMatchObject([{ check: 'nobodyMayApprove', detail: /5 of .*only 4 may approve/ }])
  })

  test('a token votes for its user', async () => {
    const [a] = await people(1)
    if (!a) throw new Error('a person')
    const { text } = await transaction(world.db, (db) => createToken(db, world.change(), { userId: a.id, name: 'cli' }))
    const token = await findToken(world.db, text, start)
    if (!token) throw new Error('no token')
    const asked = await world.ask({
      rule: { require: [{ users: [a.name], roles: [], owner: false, quorum: 1, expires: '1d' }] },
    })
    expect(await world.vote(token, asked)).toEqual({ status: 'signing' })
  })

  test.each<RequesterKind>(['system', 'acme-account', 'client-certificate', 'challenge', 'credential', 'key-holder'])(
    'a %s is nobody who votes, whoever stands behind it',
    async (kind) => {
      const asked = await world.ask({ rule: {} })
      const machine: Requester = { kind, ref: 'x', name: 'x', people: [world.owner.id] }
      await expect(world.vote(machine, asked)).rejects.toMatchObject({
        code: 'forbidden',
        detail: /only a person votes/,
      })
    },
  )

  test('a disabled user does not vote', async () => {
    const [a] = await people(1)
    if (!a) throw new Error('a person')
    const asked = await world.ask({
      rule: { require: [{ users: [a.name], roles: [], owner: true, quorum: 1, expires: '1d' }] },
    })
    await transaction(world.db, (db) => changeUser(db, world.change(), a.id, { enabled: false }))
    await expect(world.vote(a, asked)).rejects.toMatchObject({ code: 'forbidden' })
  })

  test('rights are looked at again when the quorum is reached', async () => {
    const [a, b, c, d] = await people(4)
    if (!a || !b || !c || !d) throw new Error('four people')
    const role = await world.role(`quorum${++count}`, [a, b, c, d])
    const asked = await world.ask({
      rule: { require: [{ users: [], roles: [role.name], owner: false, quorum: 2, expires: '1d' }] },
    })
    await world.vote(a, asked)
    await transaction(world.db, (db) => removeRoleMember(db, world.change(), { role, userId: a.id }))
    expect(await world.vote(b, asked)).toEqual({ status: 'requested' })
    await transaction(world.db, (db) => changeUser(db, world.change(), b.id, { enabled: false }))
    expect(await world.vote(c, asked)).toEqual({ status: 'requested' })
    expect(await world.vote(d, asked)).toEqual({ status: 'signing' })
  })

  describe('separation of duties', () => {
    test.each<RequesterKind>([
      'acme-account',
      'client-certificate',
      'challenge',
      'credential',
      'token',
      'user',
      'key-holder',
    ])('whoever is behind a %s neither approves, denies nor overrides', async (kind) => {
      const boss = await world.user(`boss${++count}`, { superuser: true })
      const requester: Requester = { kind, ref: `r${count}`, name: 'r', people: [world.owner.id, boss.id] }
      const asked = await world.ask({
        rule: { require: [{ users: [boss.name], roles: [], owner: true, quorum: 1, expires: '1d' }] },
        requester,
      })
      expect(asked.decision.findings).toMatchObject([
        { by: 'rule', check: 'nobodyMayApprove', detail: /nobody is left/ },
      ])
      for (const voter of [world.owner, boss]) {
        for (const input of [{}, { verdict: 'deny' as const, reason: 'no' }, { override: true, reason: 'urgent' }]) {
          await expect(world.vote(voter, asked, input)).rejects.toMatchObject({
            code: 'forbidden',
            detail: /separation of duties/,
          })
        }
      }
      expect((await world.as(boss).review('sign', asked.id)).mayApprove).toEqual([])
      expect(await status(asked)).toBe('requested')
    })

    test('a token of the same user is the same person', async () => {
      const { text } = await transaction(world.db, (db) =>
        createToken(db, world.change(), { userId: world.owner.id, name: 'cli' }),
      )
      const token = await findToken(world.db, text, start)
      if (!token) throw new Error('no token')
      const asked = await world.ask({ rule: {}, requester: token })
      await expect(world.vote(world.owner, asked)).rejects.toMatchObject({ code: 'forbidden', detail: /separation/ })
    })

    test('a revocation that a user asked for is not approved by him', async () => {
      const asker = await world.user(`asker${++count}`)
      const step = { users: [asker.name], roles: [], owner: true, quorum: 1, expires: '1d' }
      const requester: Requester = { kind: 'user', ref: asker.uuid, name: asker.name, people: [asker.id] }
      const asked = await world.askRevoke({ rule: { require: [step] }, requester }, ++count)
      await expect(world.vote(asker, asked)).rejects.toMatchObject({ code: 'forbidden', detail: /separation/ })
      expect(await world.vote(world.owner, asked)).toEqual({ status: 'revoking' })
      expect(world.followed).toEqual([`approved revoke ${asked.id}`])
    })
  })

  describe('override', () => {
    test.each([
      ['a superuser of anywhere', { superuser: true, elsewhere: true }, undefined],
      ['an administrator of this organization', { admin: true }, undefined],
      ['an administrator of another', { admin: true, elsewhere: true }, 'notFound'],
      ['anybody else', {}, 'forbidden'],
    ])('%s', async (_name, flags, refusal) => {
      const voter = await world.user(`override${++count}`, flags)
      const asked = await world.ask({
        rule: { require: [{ users: [], roles: [], owner: true, quorum: 1, expires: '1d' }] },
      })
      const input = { override: true, reason: 'the site is down' }
      if (refusal) return expect(world.vote(voter, asked, input)).rejects.toMatchObject({ code: refusal })
      await expect(world.vote(voter, asked, { override: true })).rejects.toMatchObject({ code: 'malformed' })
      await expect(world.vote(voter, { ...asked, hash: 'other' }, input)).rejects.toMatchObject({ code: 'conflict' })
      expect(await world.vote(voter, asked, input)).toEqual({ status: 'signing' })
      const [row] = (await world.audited('vote.override')).filter(({ subject_id }) => subject_id === asked.id)
      expect(JSON.parse(row?.details ?? '')).toMatchObject({
        user: voter.name,
        reason: 'the site is down',
        verdict: 'approve',
      })
      expect(await world.as(voter).review('sign', asked.id)).toMatchObject({
        outcome: 'approved',
        votes: [{ override: true, reason: 'the site is down' }],
      })
    })

    test('takes the place of a vote of the same administrator', async () => {
      const admin = await world.user(`admin${++count}`, { admin: true })
      const asked = await world.ask({
        rule: { require: [{ users: [admin.name], roles: [], owner: true, quorum: 2, expires: '1d' }] },
      })
      await world.vote(admin, asked)
      expect(await world.vote(admin, asked, { override: true, reason: 'the owner is away' })).toEqual({
        status: 'signing',
      })
      expect((await world.as(admin).review('sign', asked.id)).votes).toHaveLength(1)
      expect((await world.audited('vote.approve')).filter(({ subject_id }) => subject_id === asked.id)).toHaveLength(1)
    })

    test('denies as well', async () => {
      const admin = await world.user(`admin${++count}`, { admin: true })
      const asked = await world.ask({ rule: {} })
      expect(await world.vote(admin, asked, { verdict: 'deny', override: true, reason: 'incident' })).toEqual({
        status: 'denied',
      })
    })
  })

  test('a vote after the time is over is too late even before the request is swept', async () => {
    const asked = await world.ask({ rule: {}, requester: account() })
    world.clock.now = new Date(start.getTime() + 7 * 86_400_000)
    await expect(world.vote(world.owner, asked)).rejects.toMatchObject({ code: 'conflict', detail: /expired/ })
  })
})
