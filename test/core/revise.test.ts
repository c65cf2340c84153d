import { type RawBuilder, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findDecision } from '../../src/core/approval/decision.ts'
import { votesOf } from '../../src/core/approval/votes.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { User } from '../../src/core/identity/identity.ts'
import type { Revision } from '../../src/core/issuance/revise.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { onCopy } from '../helpers/databaseCopy.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000
const rules = {
  issue: [
    { name: 'never', when: 'identifiers.exists(i, i.value.endsWith(".bank.test"))', deny: 'not the bank' },
    { name: 'own', when: 'identifiers.all(i, i.value.endsWith(".auto.test"))', auto: true },
    { name: 'bound', when: 'entitled', auto: true },
    { name: 'two', require: [{ users: ['bob', 'carol', 'mallory'], quorum: 2 }] },
  ],
}
const settings = { certificate: { names: { dns: ['.test'] }, overrides: ['validity', 'subject'] } }
const dns = (...names: string[]): Identifier[] => names.map((value) => ({ type: 'dns', value }))

describe.each(databases)('editing an order on $name', ({ open, name }) => {
  let world: World
  let people: People
  let bob: User
  let carol: User
  let manager: User
  let close: () => Promise<void>
  let url: string

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    url = opened.url
    world = await createWorld(opened.db)
    people = await createPeople(world)
    for (const name of ['bob', 'carol', 'mallory']) await people.as(people.chief).admin.createUser({ name })
    bob = await people.named('bob')
    carol = await people.named('carol')
    manager = await people.named('mallory')
    await people.give(people.alice, 'create_cert')
    await people.give(manager, 'manage')
    await world.save('guarded', { rules, settings })
  })
  afterAll(async () => {
    await seal()
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    await close()
    expect(problems).toEqual([])
  })
  const seal = async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
  }

  const alice = () => people.as(people.alice)
  async function order(more: Partial<SignDraft> = {}) {
    const profile = await world.profile('guarded')
    const csr = await newCsr(['a.test', 'b.test'])
    const draft = { profile, protocol: 'ra', action: 'issue', refusal: 'store', editable: true, csr } as const
    return (await alice().sign({ ...draft, ...more })).request
  }
  const hashOf = async (id: number) => (await people.as(bob).approvals.review('sign', id)).hash
  const vote = async (user: User, id: number, hash?: string) =>
    people.as(user).approvals.vote('sign', id, { verdict: 'approve', hash: hash ?? (await hashOf(id)) })
  const later = (days: number) => new Date(world.time.now.getTime() + days * day)
  const status = async (id: number) => (await readSignRequest(world.it.db, id)).status

  it('makes a new revision: earlier votes are void and stay on record, and the old hash votes no more', async () => {
    const { id } = await order()
    const before = await hashOf(id)
    await vote(bob, id)
    const { request } = await alice().revise(id, { notAfter: later(30), identifiers: dns('b.test') })
    expect(request).toMatchObject({ status: 'requested', revision: 2, wanted: { identifiers: dns('b.test') } })
    const first = await findDecision(world.it.db, 'sign', { id, revision: 1 })
    expect(first?.outcome).toBe('void')
    expect(await votesOf(world.it.db, first?.id ?? 0)).toHaveLength(1)
    expect((await people.as(bob).approvals.review('sign', id)).votes).toEqual([])
    await expect(vote(carol, id, before)).rejects.toMatchObject(failure('conflict', /changed/))
    await vote(bob, id)
    expect(await status(id)).toBe('requested')
    await vote(carol, id)
    expect((await alice().findCertificate({ id }))?.identifiers).toEqual(dns('b.test'))
    const [told] = (await audited(world, 'sign_request.revised')).filter((row) => row.subject_id === id)
    expect(told).toMatchObject({
      actor: { name: 'alice' },
      status: 'requested',
      details: {
        revision: 2,
        rule: 'two',
        changes: {
          identifiers: [['dns:a.test', 'dns:b.test'], ['dns:b.test']],
          notAfter: [null, later(30).toISOString()],
        },
      },
    })
  })

  it('asks the rules anew: what they grant is signed at once, what they deny is denied', async () => {
    const granted = await order()
    expect((await alice().revise(granted.id, { identifiers: dns('x.auto.test') })).request.status).toBe('signed')
    const denied = await order()
    expect((await alice().revise(denied.id, { identifiers: dns('x.bank.test') })).request).toMatchObject({
      status: 'denied',
      reason: 'not the bank',
    })
  })

  it('is refused by policy as a whole: the order waits on as it was, and votes for it count', async () => {
    const { id } = await order()
    const before = await hashOf(id)
    await vote(bob, id)
    const refused = alice().revise(id, { identifiers: dns('elsewhere.example') })
    await expect(refused).rejects.toMatchObject(failure('rejectedIdentifier', /elsewhere.example/))
    expect(await hashOf(id)).toBe(before)
    await vote(carol, id, before)
    expect(await status(id)).toBe('signed')
  })

  it('somebody with manage who narrows it may still vote; who asks for more is behind it', async () => {
    const narrowed = await order()
    await people.as(manager).revise(narrowed.id, { identifiers: dns('a.test') })
    await vote(manager, narrowed.id)
    const widened = await order()
    const { request } = await people.as(manager).revise(widened.id, { identifiers: dns('a.test', 'b.test', 'c.test') })
    expect(request.requester).toMatchObject({ name: 'alice', people: [people.alice.id, manager.id] })
    await expect(vote(manager, widened.id)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
  })

  it('keeps a proof for the names it was made for only while no more is asked', async () => {
    const csr = await newCsr(['n.test'])
    const parked = (
      await alice().park({
        profile: await world.profile('guarded'),
        protocol: 'ra',
        action: 'issue',
        refusal: 'store',
        entitled: true,
        csr,
      })
    ).request
    await alice().revise(parked.id, { identifiers: dns('n.test', 'more.test') })
    expect((await alice().submit(parked.id)).request.status).toBe('requested')
  })

  it('leaves the names of a contract alone, and says why; its validity may change', async () => {
    const csr = await newCsr(['device.test'])
    const { editable: _, ...bound } = { editable: true }
    const made = await world.core.as(acmeAccount()).sign({
      ...bound,
      profile: await world.profile('guarded'),
      protocol: 'acme',
      action: 'issue',
      refusal: 'throw',
      csr,
    })
    const client = world.core.as(acmeAccount())
    const changes: Revision[] = [{ identifiers: dns('other.test') }, { subject: [] }, { variant: 'other' }]
    for (const change of changes)
      await expect(client.revise(made.request.id, change)).rejects.toMatchObject(
        failure('conflict', /own message over acme/),
      )
    await expect(people.as(manager).revise(made.request.id, { identifiers: [] })).rejects.toMatchObject(
      failure('conflict'),
    )
    expect((await client.revise(made.request.id, { notAfter: later(10) })).request.revision).toBe(2)
  })

  it('is refused to strangers, to readers, after the end, for another revision, and for nothing', async () => {
    const { id } = await order()
    const change = { notAfter: later(20) }
    await expect(people.as(people.stranger).revise(id, change)).rejects.toMatchObject(failure('notFound'))
    await expect(world.core.as(acmeAccount()).revise(id, change)).rejects.toMatchObject(failure('notFound'))
    await expect(people.as(bob).revise(id, change)).rejects.toMatchObject(failure('forbidden', /manage/))
    await expect(alice().revise(id, { ...change, revision: 7 })).rejects.toMatchObject(failure('conflict', /changed/))
    await expect(alice().revise(id, {})).rejects.toMatchObject(failure('malformed', /nothing/))
    await expect(alice().revise(id, { identifiers: dns('a.test', 'b.test') })).rejects.toMatchObject(
      failure('malformed'),
    )
    await expect(alice().revise(id, { variant: 'none' })).rejects.toMatchObject(failure('notFound', /variant/))
    await alice().approvals.cancel('sign', id)
    await expect(alice().revise(id, change)).rejects.toMatchObject(failure('conflict', /canceled/))
  })

  it('edits a parked order without asking anybody; a registered one no more once it is submitted', async () => {
    const profile = await world.profile('guarded')
    const draft = { profile, protocol: 'ra', action: 'issue', refusal: 'store' } as const
    const { request } = await alice().park({ ...draft, identifiers: dns('r.test'), registration: {} })
    const revised = await alice().revise(request.id, { identifiers: dns('s.test') })
    expect(revised.request).toMatchObject({ status: 'draft', revision: 2, wanted: { identifiers: dns('s.test') } })
    await expect(alice().submit(request.id, { csr: await newCsr(['r.test']) })).rejects.toMatchObject(failure('badCsr'))
    await people.as(manager).revise(request.id, { notAfter: later(40) })
    const submitted = await alice().submit(request.id, { csr: await newCsr(['s.test']) })
    expect(submitted.request).toMatchObject({ status: 'requested', revision: 3, requester: { name: 'alice' } })
    await expect(vote(manager, request.id)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
    const again = alice().revise(request.id, { identifiers: dns('t.test') })
    await expect(again).rejects.toMatchObject(failure('conflict', /registered/))
    await vote(bob, request.id)
    await vote(carol, request.id)
    expect(await status(request.id)).toBe('signed')
  })

  /** What audit verify says of the database after somebody wrote this into it; it is undone. */
  async function problemsAfter(statement: RawBuilder<unknown>): Promise<string[]> {
    const { auditSecret, db } = world.it
    if (name === 'sqlite') return (await onCopy(url, [statement], (copy) => verifyAudit(copy, auditSecret))).problems
    let problems: string[] = []
    const undo = new Error('undo')
    await transaction(db, async (db) => {
      const tables = withTables<CoreTables>(db)
      await sql`set local session_replication_role = replica`.execute(tables)
      await statement.execute(tables)
      problems = (await verifyAudit(db, auditSecret)).problems
      throw undo
    }).catch((error: unknown) => {
      if (error !== undo) throw error
    })
    return problems
  }

  it('shows to audit verify when somebody brings an earlier revision back, or takes one out', async () => {
    const { id } = await order()
    await vote(bob, id)
    await alice().revise(id, { identifiers: dns('a.test') })
    await seal()
    const forged: [RawBuilder<unknown>, RegExp][] = [
      [sql`update sign_requests set revision = 1 where id = ${id}`, /at revision 1, its events say 2/],
      [
        sql`update decisions set outcome = 'waiting' where sign_request_id = ${id} and revision = 1`,
        /edited after its decision \d+, which is waiting/,
      ],
      [sql`update decisions set outcome = 'void' where sign_request_id = ${id}`, /never edited after its decision/],
      [
        sql`delete from decisions where sign_request_id = ${id} and revision = 2`,
        /decision on sign_request \d+ is gone \(revision 2\)/,
      ],
      [sql`update decisions set revision = 3 where sign_request_id = ${id} and revision = 2`, /that no event tells of/],
    ]
    for (const [statement, problem] of forged) {
      expect(await problemsAfter(statement)).toContainEqual(expect.stringMatching(problem))
    }
  })
})
