import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, type User } from '../../src/core/identity/identity.ts'
import { readRevokeRequest, readSignRequest } from '../../src/core/request/records.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { account, createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

describe.each(databases)('moves by hand on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let manager: User
  let reader: User
  let plain: User
  let stranger: User
  let certificates = 0

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
    manager = await world.user('manager')
    reader = await world.user('reader')
    plain = await world.user('plain')
    stranger = await world.user('stranger', { elsewhere: true, admin: true })
    for (const [user, capability] of [
      [manager, 'manage'],
      [reader, 'read'],
    ] as const) {
      const grant = {
        capability,
        to: { userId: user.id },
        organizationId: world.here.id,
        authorityId: world.authorityId,
      }
      await transaction(world.db, (db) => grantCapability(db, world.change(), grant))
    }
  })
  beforeEach(() => {
    world.clock.now = start
    world.followed.length = 0
  })
  afterAll(() => database.close())

  const installation = system('test')
  const asked = (requester: Requester = account()) => world.ask({ rule: {}, requester })
  const update = (id: number, set: Record<string, number | string>) =>
    transaction(world.db, async (db) => {
      await withTables<CoreTables>(db).updateTable('sign_requests').set(set).where('id', '=', id).execute()
    })

  async function signing(requester?: Requester): Promise<{ id: number; hash: string; decision: { id: number } }> {
    const request = await asked(requester)
    await world.vote(world.owner, request)
    world.followed.length = 0
    return request
  }

  async function leased(requestId: number, decisionId: number, until: Date): Promise<void> {
    await update(requestId, { attempt: 1 })
    await transaction(world.db, async (db) => {
      await withTables<CoreTables>(db)
        .insertInto('sign_attempts')
        .values({
          sign_request_id: requestId,
          number: 1,
          decision_id: decisionId,
          authority_certificate_id: null,
          serial: `0${requestId}`,
          shard: 0,
          lease_owner: 'node',
          lease_until: until.getTime(),
          created_at: start.getTime(),
        })
        .execute()
    })
  }

  describe('cancel', () => {
    test('by the requester himself, by a person behind him, by who manages, by the installation', async () => {
      const account2 = account([plain], 'account-2')
      for (const actor of [account2, asRequester(plain), asRequester(manager), installation]) {
        const { id } = await asked(account2)
        await world.as(actor).cancel('sign', id, 'not needed any more')
        expect(await readSignRequest(world.db, id)).toMatchObject({ status: 'canceled', reason: 'not needed any more' })
        expect(await world.as(manager).review('sign', id)).toMatchObject({ outcome: 'canceled', mayApprove: [] })
      }
    })

    test('not by others', async () => {
      const { id } = await asked()
      await expect(world.as(plain).cancel('sign', id)).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(reader).cancel('sign', id)).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(stranger).cancel('sign', id)).rejects.toMatchObject({ code: 'notFound' })
      await expect(world.as(account([], 'another')).cancel('sign', id)).rejects.toMatchObject({ code: 'notFound' })
      await expect(world.as(manager).cancel('sign', 99_999)).rejects.toMatchObject({ code: 'notFound' })
      expect(await world.status('sign', id)).toBe('requested')
    })

    test('while it is signed: only when no attempt holds a lease', async () => {
      const request = await signing()
      await leased(request.id, request.decision.id, new Date(start.getTime() + 30_000))
      await expect(world.as(manager).cancel('sign', request.id)).rejects.toMatchObject({
        code: 'conflict',
        retryAfter: 30,
      })
      await expect(world.as(manager).markFailed('sign', request.id, 'x')).rejects.toMatchObject({ code: 'conflict' })
      world.clock.now = new Date(start.getTime() + 30_000)
      await world.as(manager).cancel('sign', request.id)
      expect(await world.status('sign', request.id)).toBe('canceled')
    })

    test.each(['signed', 'denied', 'expired', 'canceled', 'failed'])('not when it is %s', async (status) => {
      const { id } = await asked()
      await update(id, { status })
      await expect(world.as(manager).cancel('sign', id)).rejects.toMatchObject({ code: 'conflict' })
    })

    test('of a revocation', async () => {
      const { id } = await world.askRevoke({ rule: {} }, ++certificates)
      await world.as(account()).cancel('revoke', id)
      expect(await readRevokeRequest(world.db, id)).toMatchObject({ status: 'canceled', reason: 'withdrawn' })
    })
  })

  describe('retry and mark failed', () => {
    test('a failed request goes back to signing, and its next attempt is asked for', async () => {
      const { id } = await signing()
      await world.as(manager).markFailed('sign', id, 'the authority is gone')
      expect(await readSignRequest(world.db, id)).toMatchObject({ status: 'failed', reason: 'the authority is gone' })
      expect(await world.as(manager).retry('sign', id)).toEqual({ status: 'signing' })
      expect(world.followed).toEqual([`retry sign ${id}`])
      const request = await readSignRequest(world.db, id)
      expect([request.reason, request.endedAt]).toEqual([undefined, undefined])
    })

    test('in signing the next attempt runs now, and that is no move', async () => {
      const { id } = await signing()
      expect(await world.as(account()).retry('sign', id)).toEqual({ status: 'signing' })
      expect(world.followed).toEqual([`retry sign ${id}`])
      expect((await world.audited('sign_request.retry')).map((row) => row.subject_id)).toContain(id)
    })

    test('not when the client knows that it failed', async () => {
      const { id } = await signing()
      await world.as(manager).markFailed('sign', id, 'gone')
      await update(id, { answered: 1 })
      const again = world.as(manager).retry('sign', id)
      await expect(again).rejects.toMatchObject({ code: 'conflict', detail: /client has been told.*next order/ })
      expect(await world.status('sign', id)).toBe('failed')
    })

    test('not when nobody ever approved it', async () => {
      const { id } = await asked()
      await world.as(manager).markFailed('sign', id, 'gone')
      await expect(world.as(manager).retry('sign', id)).rejects.toMatchObject({
        code: 'conflict',
        detail: /never approved/,
      })
    })

    test.each(['requested', 'signed', 'denied', 'expired', 'canceled'])('retry not when it is %s', async (status) => {
      const { id } = await asked()
      await update(id, { status })
      await expect(world.as(manager).retry('sign', id)).rejects.toMatchObject({ code: 'conflict' })
    })

    test('mark failed is not for the requester, and needs a reason', async () => {
      const { id } = await asked(account([plain]))
      await expect(world.as(plain).markFailed('sign', id, 'x')).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(account()).markFailed('sign', id, 'x')).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(manager).markFailed('sign', id, ' ')).rejects.toMatchObject({ code: 'malformed' })
    })

    test('a revocation fails and is tried again', async () => {
      const request = await world.askRevoke({ rule: {} }, ++certificates)
      const admin = await world.user('revoker', { admin: true })
      await world.vote(world.owner, request)
      await world.as(admin).markFailed('revoke', request.id, 'no answer')
      expect(await world.as(admin).retry('revoke', request.id)).toEqual({ status: 'revoking' })
    })
  })

  describe('expiry', () => {
    test('ends what nobody decided, of both kinds, and nothing else', async () => {
      const due = await asked()
      const revoke = await world.askRevoke({ rule: {} }, ++certificates)
      const done = await signing()
      world.clock.now = new Date(start.getTime() + 86_400_000)
      const later = await asked()
      const week = new Date(start.getTime() + 7 * 86_400_000)
      await expireWaiting(world.db, new Date(week.getTime() - 1))
      expect(await world.status('sign', due.id)).toBe('requested')
      expect(await expireWaiting(world.db, week)).toBeGreaterThanOrEqual(2)
      expect(await readSignRequest(world.db, due.id)).toMatchObject({
        status: 'expired',
        reason: expect.stringMatching(/nobody decided/),
        endedAt: week,
      })
      expect(await world.status('revoke', revoke.id)).toBe('expired')
      expect(await world.status('sign', done.id)).toBe('signing')
      expect(await world.status('sign', later.id)).toBe('requested')
      expect(await world.as(reader).review('sign', due.id)).toMatchObject({ outcome: 'expired' })
      const rows = (await world.audited('sign_request.expired')).filter((row) => row.subject_id === due.id)
      expect(rows.map((row) => JSON.parse(row.actor).kind)).toEqual(['system'])
    })
  })

  describe('review and comments', () => {
    test('who may look', async () => {
      const { id } = await asked(account([], 'mine'))
      for (const actor of [world.owner, reader, manager, installation, account([], 'mine')]) {
        expect(await world.as(actor).review('sign', id)).toMatchObject({ outcome: 'waiting', mayApprove: ['owner'] })
      }
      await expect(world.as(plain).review('sign', id)).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(stranger).review('sign', id)).rejects.toMatchObject({ code: 'notFound' })
      await expect(world.as(account([], 'other')).review('sign', id)).rejects.toMatchObject({ code: 'notFound' })
    })

    test('by uuid as well', async () => {
      const { id } = await asked()
      const { uuid } = await readSignRequest(world.db, id)
      expect(await world.as(reader).review('sign', uuid)).toMatchObject({ outcome: 'waiting' })
    })

    test('people comment, machines do not', async () => {
      const { id } = await asked()
      await world.as(world.owner).comment('sign', id, 'who owns this name?')
      await world.as(reader).comment('sign', id, 'the web team')
      await expect(world.as(account()).comment('sign', id, 'hello')).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(plain).comment('sign', id, 'hello')).rejects.toMatchObject({ code: 'forbidden' })
      await expect(world.as(reader).comment('sign', id, ' ')).rejects.toMatchObject({ code: 'malformed' })
      expect((await world.as(reader).review('sign', id)).comments).toEqual([
        { user: 'owner', text: 'who owns this name?', at: start },
        { user: 'reader', text: 'the web team', at: start },
      ])
    })

    test.each([
      ['200', 199, 'a short one'],
      ['256 KiB together', 32, 'ä'.repeat(4000)],
    ])('a request keeps %s, and refuses one more', async (_, count, text) => {
      const [{ id }, other] = [await asked(), await asked()]
      const row = { sign_request_id: id, revoke_request_id: null, user_id: reader.id, text, created_at: 0 }
      await transaction(world.db, (db) =>
        withTables<CoreTables>(db).insertInto('comments').values(new Array(count).fill(row)).execute(),
      )
      const both = await Promise.allSettled([1, 2, 3].map(() => world.as(reader).comment('sign', id, 'the last one')))
      const [refused] = both.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      if (count === 199) {
        expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected'])
        expect(refused).toMatchObject({ code: 'conflict', detail: expect.stringContaining('200 comments') })
      }
      const more = world.as(reader).comment('sign', id, text)
      await expect(more).rejects.toMatchObject({ code: 'conflict', detail: expect.stringContaining('256 KiB') })
      await world.as(reader).comment('sign', other.id, text)
    })
  })
})
