import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findDecision } from '../../src/core/approval/decision.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { User } from '../../src/core/identity/identity.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = { issue: [{ name: 'two', require: [{ users: ['bob', 'carol'], quorum: 2 }] }] }
const narrowed = [{ type: 'dns', value: 'a.test' }] as const

describe.each(databases)('editing an order at the same moment on $name', ({ open }) => {
  let world: World
  let people: People
  let bob: User
  let carol: User
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    for (const name of ['bob', 'carol']) await people.as(people.chief).admin.createUser({ name })
    bob = await people.named('bob')
    carol = await people.named('carol')
    await people.give(people.alice, 'create_cert')
    await world.save('guarded', { rules })
  })
  afterAll(async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    await close()
    expect(problems).toEqual([])
  })

  const alice = () => people.as(people.alice)
  async function order() {
    const profile = await world.profile('guarded')
    const csr = await newCsr(['a.test', 'b.test'])
    const draft = { profile, protocol: 'ra', action: 'issue', refusal: 'store', editable: true, csr } as const
    return (await alice().sign(draft)).request
  }
  const hashOf = async (id: number) => (await people.as(bob).approvals.review('sign', id)).hash
  const vote = (user: User, id: number, hash: string) =>
    people.as(user).approvals.vote('sign', id, { verdict: 'approve', hash })
  const later = (days: number) => new Date(world.time.now.getTime() + days * 86_400_000)

  const settle = (calls: Promise<unknown>[]) => Promise.allSettled(calls)
  const inTurns = (round: number, ...pair: (() => Promise<unknown>)[]) =>
    settle((round % 2 ? pair : pair.reverse()).map((call) => call()))

  /** Whatever was first: what is signed is what its last voters saw. */
  async function agrees(id: number) {
    const request = await readSignRequest(world.it.db, id)
    const decision = await findDecision(world.it.db, 'sign', request)
    const attempts = await withTables<CoreTables>(world.it.db)
      .selectFrom('sign_attempts')
      .select('decision_id')
      .where('sign_request_id', '=', id)
      .execute()
    for (const attempt of attempts) expect(attempt.decision_id).toBe(decision?.id)
    return { request, decision }
  }

  it('as the deciding vote: one of them', async () => {
    for (let round = 0; round < 4; round++) {
      const { id } = await order()
      const hash = await hashOf(id)
      await vote(bob, id, hash)
      const edit = () => alice().revise(id, { identifiers: narrowed })
      const done = await inTurns(round, () => vote(carol, id, hash), edit)
      expect(done.filter((one) => one.status === 'rejected').map((one) => one.reason)).toMatchObject([
        failure('conflict'),
      ])
      const { request, decision } = await agrees(id)
      const expected = request.revision === 1 ? ['signed', 'approved'] : ['requested', 'waiting']
      expect([request.status, decision?.outcome]).toEqual(expected)
    }
  })

  it('as a withdrawal: withdrawn in the end, with no decision that waits', async () => {
    for (let round = 0; round < 4; round++) {
      const { id } = await order()
      const edit = () => alice().revise(id, { notAfter: later(9) })
      await inTurns(round, () => alice().approvals.cancel('sign', id), edit)
      const { request, decision } = await agrees(id)
      if (request.status === 'canceled') expect(decision?.outcome).toBe('canceled')
      else expect([request.status, request.revision, decision?.outcome]).toEqual(['requested', 2, 'waiting'])
    }
  })

  it('as its expiry: one of them', async () => {
    for (let round = 0; round < 4; round++) {
      const { id, expiresAt } = await order()
      const end = expiresAt ?? world.time.now
      const edit = () => alice().revise(id, { notAfter: later(9) })
      await inTurns(round, () => expireWaiting(world.it.db, end), edit)
      const { request, decision } = await agrees(id)
      // Edited first, it waits anew until another end, which in a world without time is the same: the sweep may come after it.
      if (request.status === 'expired') expect(decision?.outcome).toBe('expired')
      else expect([request.status, request.revision, decision?.outcome]).toEqual(['requested', 2, 'waiting'])
    }
  })

  it('as other edits: one of them, and each revision once', async () => {
    const { id } = await order()
    const edits = [5, 6, 7, 8].map((days) => alice().revise(id, { notAfter: later(days), revision: 1 }))
    const done = await settle(edits)
    expect(done.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
    expect((await agrees(id)).request.revision).toBe(2)
  })
})
