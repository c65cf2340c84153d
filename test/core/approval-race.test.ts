import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { Failure } from '../../src/core/failure.ts'
import type { User } from '../../src/core/identity/identity.ts'
import { createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

/** What became of calls that ran at once: their values, and the codes of their refusals. */
async function outcomes<T>(calls: Promise<T>[]): Promise<{ done: T[]; refused: string[] }> {
  const settled = await Promise.allSettled(calls)
  return {
    done: settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    refused: settled.flatMap((one) => {
      if (one.status === 'fulfilled') return []
      if (one.reason instanceof Failure) return [one.reason.code]
      throw one.reason
    }),
  }
}

describe.each(databases)('races on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let voters: User[]

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
    voters = await Promise.all(Array.from({ length: 20 }, (_, i) => world.user(`voter${i}`)))
    await world.role('voters', voters)
  })
  beforeEach(() => {
    world.clock.now = start
    world.followed.length = 0
  })
  afterAll(() => database.close())

  const ask = (quorum: number) =>
    world.ask({ rule: { require: [{ users: [], roles: ['voters'], owner: false, quorum, expires: '1d' }] } })
  const moves = async (id: number) => {
    const rows = await Promise.all(
      ['sign_request.signing', 'sign_request.canceled', 'sign_request.denied', 'sign_request.expired'].map(
        world.audited,
      ),
    )
    return rows
      .flat()
      .filter((row) => row.subject_id === id)
      .map((row) => row.action)
  }

  test('twenty votes at once on a quorum of seven: seven count, one of them moves', async () => {
    const asked = await ask(7)
    const { done, refused } = await outcomes(voters.map((voter) => world.vote(voter, asked)))
    expect(done).toHaveLength(7)
    expect(refused).toEqual(Array(13).fill('conflict'))
    const { votes, outcome } = await world.as(voters[0] as User).review('sign', asked.id)
    expect([votes.length, outcome]).toEqual([7, 'approved'])
    expect(world.followed).toEqual([`approved sign ${asked.id}`])
    expect(await moves(asked.id)).toEqual(['sign_request.signing'])
  })

  test('one person twenty times at once: one vote', async () => {
    const asked = await ask(2)
    const voter = voters[0] as User
    const { done, refused } = await outcomes(Array.from({ length: 20 }, () => world.vote(voter, asked)))
    expect(done).toEqual([{ status: 'requested' }])
    expect(refused).toEqual(Array(19).fill('conflict'))
    expect((await world.as(voter).review('sign', asked.id)).votes).toHaveLength(1)
  })

  test('approval against denial: one of them', async () => {
    for (let round = 0; round < 5; round++) {
      const asked = await ask(1)
      const [a, b] = voters as [User, User]
      const calls = [world.vote(a, asked), world.vote(b, asked, { verdict: 'deny', reason: 'no' })]
      const { done, refused } = await outcomes(round % 2 ? calls : calls.reverse())
      expect([done.length, refused]).toEqual([1, ['conflict']])
      expect(await world.status('sign', asked.id)).toBe(done[0]?.status)
      expect(await moves(asked.id)).toEqual([`sign_request.${done[0]?.status}`])
    }
  })

  test('vote against withdrawal: one of them', async () => {
    for (let round = 0; round < 5; round++) {
      const asked = await ask(1)
      const requester = { kind: 'acme-account', ref: 'account-1', name: 'web team', people: [] } as const
      const cancel = () => world.as({ ...requester, people: [] }).cancel('sign', asked.id, 'not needed')
      const vote = () => world.vote(voters[round] as User, asked)
      const { done, refused } = await outcomes<unknown>(round % 2 ? [vote(), cancel()] : [cancel(), vote()])
      const status = await world.status('sign', asked.id)
      // An approved request has no attempt yet, so that it can still be withdrawn.
      if (status === 'canceled' && done.length === 2) {
        expect(await moves(asked.id)).toEqual(['sign_request.signing', 'sign_request.canceled'])
      } else {
        expect([done.length, refused]).toEqual([1, ['conflict']])
        expect(await moves(asked.id)).toEqual([`sign_request.${status}`])
      }
    }
  })

  test('vote against expiry: one of them', async () => {
    for (let round = 0; round < 5; round++) {
      world.clock.now = start
      const asked = await ask(1)
      const end = asked.decision.expiresAt ?? start
      world.clock.now = new Date(end.getTime() - 1)
      const vote = () => world.vote(voters[round] as User, asked)
      const expire = () => expireWaiting(world.db, end)
      const both = round % 2 ? [vote(), expire()] : [expire(), vote()]
      const { refused } = await outcomes<unknown>(both)
      const status = await world.status('sign', asked.id)
      expect([status, refused]).toEqual(refused.length === 0 ? ['signing', []] : ['expired', ['conflict']])
      expect(await moves(asked.id)).toEqual([`sign_request.${status}`])
    }
  })

  test('sweeps that run at once expire each request once', async () => {
    const asked = await Promise.all(Array.from({ length: 12 }, () => ask(1)))
    const late = new Date(start.getTime() + 86_400_000)
    const counts = await Promise.all([1, 2, 3, 4].map(() => expireWaiting(world.db, late)))
    // A sweep passes over what another one holds; the next finds the rest.
    const rest = await expireWaiting(world.db, late)
    expect(counts.reduce((a, b) => a + b, rest)).toBeGreaterThanOrEqual(12)
    for (const { id } of asked) expect(await moves(id)).toEqual(['sign_request.expired'])
  })
})
