import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { attendWaiting, dueDecisions } from '../../src/core/approval/attend.ts'
import { expireWaiting } from '../../src/core/approval/expire.ts'
import type { User } from '../../src/core/identity/identity.ts'
import type { ApprovalStep } from '../../src/core/profile/rule.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { account, createWorld, start, type World } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'
import { failure } from '../helpers/people.ts'

const hour = 3_600_000

describe.each(databases)('steps that wait, on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let clerk: User
  let boss: User

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
    clerk = await world.user('clerk')
    await world.user('other')
    boss = await world.user('boss')
  })
  beforeEach(() => {
    world.clock.now = start
  })
  afterAll(() => database.close())

  const step = (more: Partial<ApprovalStep> = {}): ApprovalStep =>
    ({ users: ['clerk', 'other'], roles: [], owner: false, quorum: 1, expires: '3d', ...more }) as ApprovalStep
  const escalate = (quorum?: number) => ({ after: '1d', users: ['boss'], roles: [], owner: false, quorum })
  const afterHours = (hours: number) => {
    world.clock.now = new Date(start.getTime() + hours * hour)
    return world.clock.now
  }
  const attend = (hours: number) => attendWaiting(world.db, afterHours(hours))
  const told = async (action: string, id: number) =>
    (await world.audited(action)).filter((row) => row.subject_id === id)
  const alerts = (id: number) =>
    withTables<CoreTables>(world.db)
      .selectFrom('alerts')
      .select(['kind', 'detail', 'closed_at'])
      .where('subject_id', '=', id)
      .where('kind', '=', 'approval.waiting')
      .orderBy('id')
      .execute()

  test('remind once, by an alert that is closed when the request is decided', async () => {
    const asked = await world.ask({ rule: { require: [step({ remind: '4h' })] } })
    await attend(3)
    expect(await alerts(asked.id)).toEqual([])
    await attend(5)
    await attend(6)
    expect(await alerts(asked.id)).toEqual([
      expect.objectContaining({
        detail: expect.stringMatching(/waits at step 1 of 1 .* for clerk, other$/),
        closed_at: null,
      }),
    ])
    expect(await told('request.reminded', asked.id)).toHaveLength(1)
    await world.vote(clerk, asked)
    expect(await alerts(asked.id)).toEqual([expect.objectContaining({ closed_at: world.clock.now.getTime() })])
  })

  test('are escalated to more people, who may vote from then on; what voters name stays', async () => {
    const asked = await world.ask({ rule: { require: [step({ remind: '4h', escalate: escalate() })] } })
    await expect(world.vote(boss, asked)).rejects.toMatchObject(failure('forbidden'))
    await attend(25)
    const review = await world.as(boss).review('sign', asked.id)
    expect(review).toMatchObject({ hash: asked.hash, escalated: [{ step: 0, at: world.clock.now }] })
    expect(review.mayApprove).toEqual(['boss', 'clerk', 'other'])
    const [event] = await told('request.escalated', asked.id)
    expect(JSON.parse(event?.details ?? '')).toMatchObject({ step: 0, to: 'boss', quorum: 1 })
    expect(await world.vote(boss, asked)).toEqual({ status: 'signing' })
  })

  test('ask for the quorum of the escalation; time alone approves nothing', async () => {
    const asked = await world.ask({ rule: { require: [step({ quorum: 2, escalate: escalate(1) })] } })
    await world.vote(clerk, asked)
    await attend(25)
    expect(await world.status('sign', asked.id)).toBe('requested')
    expect(await world.vote(boss, asked)).toEqual({ status: 'signing' })
    const more = await world.ask({ rule: { require: [step({ escalate: escalate(2) })] } })
    world.clock.now = new Date(world.clock.now.getTime() + 25 * hour)
    await attendWaiting(world.db, world.clock.now)
    expect(await world.vote(clerk, more)).toEqual({ status: 'requested' })
    expect(await world.vote(boss, more)).toEqual({ status: 'signing' })
  })

  test('let nobody decide who is behind the request', async () => {
    const asked = await world.ask({
      rule: { require: [step({ escalate: escalate() })] },
      requester: account([boss], 'of the boss'),
    })
    await attend(25)
    await expect(world.vote(boss, asked)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
    expect((await world.as(clerk).review('sign', asked.id)).mayApprove).toEqual(['clerk', 'other'])
  })

  test('a second step counts from its own beginning', async () => {
    const asked = await world.ask({
      rule: { require: [step({ remind: '4h' }), step({ users: ['other'], escalate: escalate() })] },
    })
    afterHours(3)
    await world.vote(clerk, asked)
    await attend(25)
    expect([...(await alerts(asked.id)), ...(await told('request.escalated', asked.id))]).toEqual([])
    await attend(28)
    expect((await world.as(boss).review('sign', asked.id)).escalated).toMatchObject([{ step: 1 }])
  })

  test('by two nodes at once: once', async () => {
    const asked = await Promise.all(
      Array.from({ length: 6 }, () => world.ask({ rule: { require: [step({ remind: '4h', escalate: escalate() })] } })),
    )
    const at = afterHours(25)
    await Promise.all([1, 2, 3, 4].map(() => attendWaiting(world.db, at)))
    for (const { id } of asked) {
      expect(await told('request.escalated', id)).toHaveLength(1)
      expect(await told('request.reminded', id)).toHaveLength(1)
      expect((await world.as(clerk).review('sign', id)).escalated).toHaveLength(1)
    }
  })

  test('against a vote at once: the request is decided, or escalated and then decided', async () => {
    for (let round = 0; round < 5; round++) {
      world.clock.now = start
      const asked = await world.ask({ rule: { require: [step({ escalate: escalate() })] } })
      const at = afterHours(25)
      const both = [() => world.vote(clerk, asked), () => attendWaiting(world.db, at)]
      await Promise.all((round % 2 ? both : both.reverse()).map((call) => call()))
      expect(await world.status('sign', asked.id)).toBe('signing')
      expect((await alerts(asked.id)).filter(({ closed_at }) => closed_at === null)).toEqual([])
      await attendWaiting(world.db, at)
      expect(await dueDecisions(world.db, at).execute()).toEqual([])
    }
  })

  test('what has expired is neither escalated nor denied: it is expired, with its reason and row', async () => {
    const asked = await world.ask({ rule: { require: [step({ expires: '2d', escalate: escalate() })] } })
    await attend(48)
    expect(await told('request.escalated', asked.id)).toEqual([])
    await expireWaiting(world.db, world.clock.now)
    const [row] = await told('sign_request.expired', asked.id)
    expect(row).toMatchObject({ status: 'expired' })
    expect(await told('sign_request.denied', asked.id)).toEqual([])
    expect((await world.as(clerk).review('sign', asked.id)).outcome).toBe('expired')
    const request = await withTables<CoreTables>(world.db)
      .selectFrom('sign_requests')
      .select(['status', 'reason'])
      .where('id', '=', asked.id)
      .executeTakeFirst()
    expect(request).toEqual({ status: 'expired', reason: expect.stringMatching(/nobody decided .* in time/) })
  })

  test('revocations too', async () => {
    const asked = await world.askRevoke({ rule: { require: [step({ escalate: escalate() })] } }, 1)
    await attend(25)
    expect(await told('request.escalated', asked.id)).toMatchObject([{ subject_kind: 'revoke_request' }])
    expect(await world.vote(boss, asked)).toEqual({ status: 'revoking' })
  })
})
