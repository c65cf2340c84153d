import { type RawBuilder, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { StandingApprovalDraft } from '../../src/core/approval/standingDraft.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { onCopy } from '../helpers/databaseCopy.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('standing approvals on $name', ({ open, name: dialect }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let url: string

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    url = opened.url
    world = await createWorld(opened.db)
    people = await createPeople(world)
    for (const name of ['bob', 'carol', 'dave']) await people.as(people.chief).admin.createUser({ name })
    const rules = {
      issue: [
        { name: 'noticed', when: 'identifiers.exists(i, i.value.startsWith("odd."))', warn: 'odd' },
        {
          name: 'two',
          when: 'identifiers.exists(i, glob(i.value, ".two.test"))',
          require: [{ users: ['alice', 'bob', 'carol'], quorum: 2 }],
        },
        {
          name: 'steps',
          when: 'identifiers.exists(i, glob(i.value, ".steps.test"))',
          require: [{ users: ['alice'] }, { users: ['alice', 'bob'] }],
        },
        { name: 'one', require: [{ users: ['alice', 'bob', 'dave'] }] },
      ],
    }
    await world.save('guarded', { rules })
    await world.save('ca', { rules, settings: { certificate: { type: 'ca', subject: { CN: 'x' } } } })
  })
  afterAll(() => close())

  const door = async (name: string) => people.as(await people.named(name)).standingApprovals
  const give = async (name: string, more: Partial<StandingApprovalDraft> = {}) =>
    (await door(name)).create({
      profile: 'guarded',
      action: 'issue',
      rule: 'one',
      names: { dns: ['.one.test'] },
      uses: 3,
      until: new Date(world.time.now.getTime() + 7 * day),
      reason: 'the move to the new data centre',
      ...more,
    })
  interface Ordered {
    requester?: Requester
    subject?: Record<string, string>
    days?: number
  }
  const order = async (name: string, { requester = acmeAccount(), subject = {}, days }: Ordered = {}) => {
    const csr = await newCsr([name], { subject })
    const draft = { profile: await world.profile('guarded'), protocol: 'acme', action: 'issue', csr } as const
    const notAfter = days === undefined ? {} : { notAfter: new Date(world.time.now.getTime() + days * day) }
    return (await world.core.as(requester).sign({ ...draft, ...notAfter, refusal: 'store' })).request
  }
  const status = async (...of: Parameters<typeof order>) => (await order(...of)).status
  /** What is found after somebody wrote this into the database; it is undone. */
  async function problemsAfter(forgery: RawBuilder<unknown>): Promise<string[]> {
    const { db, auditSecret } = world.it
    if (dialect === 'sqlite')
      return onCopy(url, [forgery], async (copy) => (await verifyAudit(copy, auditSecret)).problems)
    let problems: string[] = []
    const undo = new Error('undo')
    await transaction(db, async (db) => {
      await forgery.execute(withTables<CoreTables>(db))
      problems = (await verifyAudit(db, auditSecret)).problems
      throw undo
    }).catch((error: unknown) => {
      if (error !== undo) throw error
    })
    return problems
  }
  const view = async (uuid: string) => (await (await door('alice')).list()).find((one) => one.uuid === uuid)

  it('let orders that match pass at once, as often as was said', async () => {
    const made = await give('alice')
    expect(made).toMatchObject({ state: 'open', rule: 'one', uses: 3, usesLeft: 3, lacking: [0] })
    expect(made.approvers).toEqual([{ user: 'alice', step: 0 }])
    const request = await order('a.one.test')
    expect(request.status).toBe('signed')
    expect(await people.as(people.chief).approvals.review('sign', request.id)).toMatchObject({
      outcome: 'granted',
      granted: { standingApproval: made.uuid, approvers: ['alice'] },
    })
    const [event] = (await audited(world, 'sign_request.signing')).slice(-1)
    expect(event?.details).toMatchObject({ outcome: 'granted', rule: 'one', standingApproval: expect.any(Number) })
    expect([await status('b.one.test'), await status('c.one.test'), await status('d.one.test')]).toEqual([
      'signed',
      'signed',
      'requested',
    ])
    expect(await view(made.uuid)).toMatchObject({ usesLeft: 0, state: 'used' })
  })

  it('cover no other names, no longer life, no other subject, and nothing that was noticed', async () => {
    const { uuid } = await give('alice', { uses: 100, days: 30, names: { dns: ['*.narrow.test', 'odd.narrow.test'] } })
    expect(await status('a.narrow.test', { days: 29 })).toBe('signed')
    const wide: Parameters<typeof order>[] = [
      ['a.b.narrow.test', { days: 29 }],
      ['narrow.test', { days: 29 }],
      ['*.narrow.test', { days: 29 }],
      ['a.narrow.test', { days: 31 }],
      ['a.narrow.test'],
      ['odd.narrow.test', { days: 29 }],
    ]
    for (const asked of wide) expect(await status(...asked), asked[0]).toBe('requested')
    const csr = await newCsr(['a.narrow.test'])
    const draft = { profile: await world.profile('guarded'), protocol: 'acme', action: 'issue', csr } as const
    const notAfter = new Date(world.time.now.getTime() + 20 * day)
    const renamed = [[{ type: 'O', value: 'The Bank' }]]
    const settings = { certificate: { overrides: ['validity', 'subject'] } }
    await world.save('guarded', { settings, rules: (await world.profile('guarded')).rules })
    const profile = await world.profile('guarded')
    const { request } = await world.core
      .as(acmeAccount())
      .sign({ ...draft, profile, notAfter, subject: renamed, refusal: 'store' })
    expect(request.status).toBe('requested')
    expect(await view(uuid)).toMatchObject({ usesLeft: 99 })
  })

  it('of N uses let exactly N of many orders at once pass', async () => {
    await give('alice', { uses: 4, names: { dns: ['.many.test'] } })
    const orders = await Promise.all(Array.from({ length: 9 }, (_, i) => status(`n${i}.many.test`)))
    expect(orders.filter((one) => one === 'signed')).toHaveLength(4)
    expect(orders.filter((one) => one === 'requested')).toHaveLength(5)
  })

  it('stand for as many approvers as the rule asks for: others second them', async () => {
    const names = { dns: ['.two.test'] }
    const made = await give('alice', { rule: 'two', names })
    expect(made).toMatchObject({ state: 'waits', lacking: [1] })
    expect(await status('a.two.test')).toBe('requested')
    const alice = await door('alice')
    await expect(alice.confirm(made.uuid)).rejects.toMatchObject(failure('conflict', /approved this already/))
    await expect((await door('dave')).confirm(made.uuid)).rejects.toMatchObject(failure('forbidden', /not among those/))
    const twice = await Promise.allSettled([1, 2].map(async () => (await door('bob')).confirm(made.uuid)))
    expect(twice.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await view(made.uuid)).toMatchObject({ state: 'open', lacking: [0] })
    await expect((await door('carol')).confirm(made.uuid)).rejects.toMatchObject(failure('conflict', /their approvers/))
    expect(await status('b.two.test')).toBe('signed')
    await (await door('alice')).end(made.uuid)
  })

  it('need different people for different steps', async () => {
    const made = await give('alice', { rule: 'steps', names: { dns: ['.steps.test'] } })
    expect(made.lacking).toEqual([0, 1])
    await (await door('bob')).confirm(made.uuid)
    expect(await status('a.steps.test')).toBe('signed')
  })

  it('look at the rights of their approvers again', async () => {
    await give('dave', { names: { dns: ['.dave.test'] }, uses: 9 })
    expect(await status('a.dave.test')).toBe('signed')
    await people.as(people.chief).admin.changeUser('dave', { enabled: false })
    expect(await status('b.dave.test')).toBe('requested')
    await people.as(people.chief).admin.changeUser('dave', { enabled: true })
    expect(await status('c.dave.test')).toBe('signed')
  })

  it('never let pass what one of their approvers is behind', async () => {
    await give('alice', { names: { dns: ['.own.test'] }, uses: 9 })
    const own = { ...acmeAccount('of alice'), people: [people.alice.id] }
    expect(await status('a.own.test', { requester: own })).toBe('requested')
    expect(await status('b.own.test')).toBe('signed')
    const forbidden = failure('forbidden', /separation of duties/)
    await expect(give('alice', { requesterUser: 'alice' })).rejects.toMatchObject(forbidden)
    await expect(give('alice', { requester: `user:${people.alice.uuid}` })).rejects.toMatchObject(forbidden)
    const bob = await people.named('bob')
    const forBob = await give('alice', { requesterUser: 'bob', rule: 'two' })
    await expect(people.as(bob).standingApprovals.confirm(forBob.uuid)).rejects.toMatchObject(forbidden)
  })

  it('may be for one requester, or for those behind whom a user stands; never for an unknown key unless it is named', async () => {
    await give('alice', { names: { dns: ['.mine.test'] }, requester: 'acme-account:mine', uses: 9 })
    expect(await status('a.mine.test')).toBe('requested')
    expect(await status('a.mine.test', { requester: acmeAccount('mine') })).toBe('signed')
    await give('alice', { names: { dns: ['.bobs.test'] }, requesterUser: 'bob', uses: 9 })
    const bob = await people.named('bob')
    expect(await status('a.bobs.test')).toBe('requested')
    expect(await status('a.bobs.test', { requester: { ...acmeAccount('bobs'), people: [bob.id] } })).toBe('signed')
    await give('alice', { names: { dns: ['.anyone.test'] }, uses: 9 })
    const key: Requester = { kind: 'key-holder', ref: 'ab', name: 'a key', people: [] }
    expect(await status('a.anyone.test', { requester: key })).toBe('requested')
    await give('alice', { names: { dns: ['.anyone.test'] }, requester: 'key-holder:ab' })
    expect(await status('b.anyone.test', { requester: key })).toBe('signed')
  })

  it('end with their time, by hand, or with another text of their rule', async () => {
    const made = await give('alice', {
      names: { dns: ['.over.test'] },
      until: new Date(world.time.now.getTime() + day),
    })
    world.time.pass(day)
    expect(await status('a.over.test')).toBe('requested')
    expect(await view(made.uuid)).toMatchObject({ state: 'over' })
    const ended = await give('alice', { names: { dns: ['.ended.test'] } })
    await expect((await door('bob')).end(ended.uuid)).rejects.toMatchObject(failure('forbidden', /manage/))
    expect(await (await door('chief')).end(ended.uuid)).toMatchObject({ state: 'ended', endedAt: world.time.now })
    expect(await status('a.ended.test')).toBe('requested')
    await expect((await door('alice')).end(ended.uuid)).rejects.toMatchObject(failure('conflict'))
    await expect((await door('bob')).confirm(ended.uuid)).rejects.toMatchObject(failure('conflict', /has ended/))
    const outdated = await give('alice', { names: { dns: ['.old.test'] } })
    const { rules, settings: _ } = await world.profile('guarded')
    const issue = rules.issue.map((rule) => (rule.name === 'one' ? { ...rule, remember: '1d' } : rule))
    await world.save('guarded', { rules: { ...rules, issue } })
    expect(await view(outdated.uuid)).toMatchObject({ state: 'outdated' })
    expect(await status('a.old.test')).toBe('requested')
  })

  it('are given by persons whom the rule names, who know what they give', async () => {
    await expect(give('carol')).rejects.toMatchObject(failure('forbidden', /not among those/))
    // Whom no rule asks learns of none, whatever he names.
    await people.operator.admin.createUser({ name: 'nobody' })
    for (const rule of ['one', 'guessed', 'default'])
      await expect(give('nobody', { rule })).rejects.toMatchObject(
        failure('forbidden', /whom the rules of this profile/),
      )
    const operator = people.operator.standingApprovals
    const until = new Date(world.time.now.getTime() + day)
    const names = { dns: ['x.test'] }
    const draft = { profile: 'guarded', action: 'issue', rule: 'one', names, uses: 1, until, reason: 'x' } as const
    await expect(operator.create(draft)).rejects.toMatchObject(failure('forbidden', /only a person/))
    await expect(give('stranger')).rejects.toMatchObject(failure('notFound', /there is no profile guarded/))
    const past = new Date(world.time.now.getTime() - 1)
    const bad: Partial<StandingApprovalDraft>[] = [
      { uses: 0 },
      { uses: 1.5 },
      { uses: 10_001 },
      { until: past },
      { until: new Date(world.time.now.getTime() + 400 * day) },
      { until: new Date(Number.NaN) },
      { reason: ' ' },
      { days: 0 },
      { names: {} },
      { names: { dns: [] } },
      { names: { dns: [7] } },
      { names: { ip: ['10.0.0.0/99'] } },
      { names: { other: ['x'] } },
      { requester: 'nonsense' },
      { requester: 'acme-account:x', requesterUser: 'bob' },
      { rule: 'none' },
      { action: 'revoke' as never },
      { profile: 'ca' },
    ]
    for (const more of bad)
      await expect(give('alice', more), JSON.stringify(more)).rejects.toMatchObject(failure('malformed'))
    await expect(give('alice', { requesterUser: 'stranger' })).rejects.toMatchObject(failure('notFound'))
  })

  it('are seen where they belong', async () => {
    const all = await (await door('chief')).list()
    expect(all.length).toBeGreaterThan(10)
    expect(await (await door('stranger')).list()).toEqual([])
    const refused = failure('notFound', /^there is no such standing approval$/)
    for (const uuid of [all[0]?.uuid ?? '', '00000000-0000-7000-8000-000000000000'])
      await expect((await door('stranger')).end(uuid)).rejects.toMatchObject(refused)
  })

  it('are as the audit trail tells, and what was forged is found', async () => {
    const { db, auditSecret } = world.it
    expect((await verifyAudit(db, auditSecret)).problems).toEqual([])
    const forgeries: [RawBuilder<unknown>, RegExp][] = [
      [sql`update standing_approvals set uses_left = uses_left + 1`, /let \d+ orders pass, and/],
      [sql`update standing_approvals set names = '{"dns":["**"]}'`, /names is not as it was made/],
      [sql`update standing_approvals set until_at = until_at + 1`, /until_at is not/],
      [
        sql`update standing_approvals set steps = replace(steps, '"quorum":2', '"quorum":1')`,
        /its steps are not those/,
      ],
      [sql`update standing_approvals set ended_at = null`, /has not ended/],
      [sql`update standing_approval_votes set step = 1`, /by no event/],
      [sql`update decisions set outcome = 'granted' where outcome = 'waiting'`, /was decided as granted/],
      [
        sql`update decisions set standing_approval_id = (select max(id) from standing_approvals) where outcome = 'granted'`,
        /passed by another standing approval/,
      ],
    ]
    for (const [forgery, problem] of forgeries) {
      const told = (await problemsAfter(forgery)).join('\n')
      expect(told).toMatch(problem)
    }
  })
})
