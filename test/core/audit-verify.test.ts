import { type RawBuilder, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AuditHead, auditHead, chainUnder, sealAudit } from '../../src/core/audit/seal.ts'
import { type AuditReport, verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { createToken } from '../../src/core/login/token.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { onCopy } from '../helpers/databaseCopy.ts'
import { databases } from '../helpers/databases.ts'
import { forgeries } from '../helpers/forgeries.ts'
import { createPeople, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = {
  issue: [
    { name: 'own', when: 'identifiers.exists(i, i.value.endsWith(".auto.test"))', auto: true },
    { name: 'two', require: [{ users: ['alice', 'bob', 'carol'], quorum: 2 }], remember: '30d' },
  ],
  revoke: [{ name: 'all', auto: true }],
}

describe.each(databases)('audit verify on $name', ({ open, name: dialect }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let url: string
  /** Ids: what waits, what was approved, what passed by itself, what was revoked. */
  const ids = { waiting: 0, approved: 0, kept: 0, auto: 0, revoked: 0, revocation: 0 }

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    url = opened.url
    world = await createWorld(opened.db)
    people = await createPeople(world)
    for (const name of ['bob', 'carol']) await people.as(people.chief).admin.createUser({ name })
    await people.as(people.chief).admin.addToRole('alice', 'security')
    const login = { kind: 'oidc', issuer: 'https://id.test', subject: 'bobs subject' } as const
    await people.as(people.root).identities.bind('bob', login)
    await people.as(people.chief).admin.grant({ user: 'alice', capability: 'read' })
    await transaction(opened.db, (db) =>
      createToken(db, { actor: system('test'), at: world.it.clock() }, { userId: people.alice.id, name: 'laptop' }),
    )
    await world.save('guarded', { rules })
    ids.waiting = await order('waits.test')
    ids.approved = await order('approved.test')
    for (const name of ['alice', 'bob']) await approve(name, ids.approved, '30d')
    ids.kept = await order('approved.test')
    ids.auto = await order('a.auto.test')
    ids.revoked = await order('b.auto.test')
    const draft = { protocol: 'acme', certificate: ids.revoked, grounds: 'account', reason: 'superseded' } as const
    ids.revocation = (await world.core.as(acmeAccount()).revoke(draft)).id
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
  })
  afterAll(() => close())

  async function order(name: string): Promise<number> {
    const csr = await newCsr([name])
    const draft = { profile: await world.profile('guarded'), protocol: 'acme', action: 'issue', csr } as const
    const more = { identifiers: csr.identifiers, validated: csr.identifiers, refusal: 'store' } as const
    return (await world.core.as(acmeAccount()).sign({ ...draft, ...more })).request.id
  }

  async function approve(name: string, id: number, remember: string): Promise<void> {
    const { approvals } = people.as(await people.named(name))
    const { hash } = await approvals.review('sign', id)
    await approvals.vote('sign', id, { verdict: 'approve', hash, remember })
  }

  /** The report on the database after somebody wrote this into it; it is undone. */
  async function reportAfter(statements: RawBuilder<unknown>[], earlier?: AuditHead): Promise<AuditReport> {
    const { auditSecret, db } = world.it
    if (dialect === 'sqlite') return onCopy(url, statements, (copy) => verifyAudit(copy, auditSecret, earlier))
    let report: AuditReport | undefined
    const undo = new Error('undo')
    await transaction(db, async (db) => {
      const tables = withTables<CoreTables>(db)
      await sql`set local session_replication_role = replica`.execute(tables)
      for (const statement of statements) await statement.execute(tables)
      report = await verifyAudit(db, auditSecret, earlier)
      throw undo
    }).catch((error: unknown) => {
      if (error !== undo) throw error
    })
    if (!report) throw new Error('no report')
    return report
  }

  const toldAfter = async (...statements: RawBuilder<unknown>[]) => (await reportAfter(statements)).problems.join('\n')

  it('finds nothing wrong where nothing is', async () => {
    const report = await verifyAudit(world.it.db, world.it.auditSecret)
    expect(report.problems).toEqual([])
    expect(report).toMatchObject({ unsealed: 0, head: await auditHead(world.it.db, world.it.auditSecret) })
    expect(report.sealed).toBe(report.head.position)
  })

  it('finds an approval that nobody gave, also when the server has signed upon it', async () => {
    const forge = (status: string) => [
      sql`update decisions set outcome = 'approved', decided_at = 1 where sign_request_id = ${ids.waiting}`,
      sql`update sign_requests set status = ${status}, attempt = 1, expires_at = null where id = ${ids.waiting}`,
    ]
    const unseen = await toldAfter(...forge('signing'))
    expect(unseen).toContain(`sign_request ${ids.waiting} is signing, its last event says requested`)
    expect(unseen).toContain(`sign_request ${ids.waiting} was approved without the votes`)
    const details = JSON.stringify({ from: 'signing', serial: '00' })
    const signed = await toldAfter(
      ...forge('signed'),
      sql`insert into audit_events (at, organization_id, action, subject_kind, subject_id, status, actor, details)
        values (1, 1, 'sign_request.signed', 'sign_request', ${ids.waiting}, 'signed', '{}', ${details})`,
    )
    expect(signed).toMatch(
      new RegExp(`sign_request ${ids.waiting}: event \\d+ takes it from signing, but .* requested`),
    )
  })

  it.each(forgeries(ids))('finds %s', async (_, statement, problem) => {
    expect(await toldAfter(statement())).toMatch(problem)
  })

  it('finds another owner, once an event has told of one', async () => {
    await people.as(people.root).admin.changeAuthority('issuing', { owner: 'alice' })
    expect(await toldAfter(sql`update authorities set owner_id = null where name = 'issuing'`)).toMatch(
      /issuing: ownerId/,
    )
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
    await sealAudit(world.it.db, world.it.auditSecret)
  })

  it('finds an event that was changed, taken out or slipped in', async () => {
    expect(await toldAfter(sql`update audit_events set actor = '{}' where id = 3`)).toContain('event 3 was changed')
    expect(await toldAfter(sql`delete from audit_events where id = 3`)).toContain('event 3 is gone')
    expect(await toldAfter(sql`delete from audit_seals where position = 2`)).toContain('the chain has no link 2')
    if (dialect === 'postgres') return
    const slipped = sql`insert into audit_events (id, at, action, subject_kind, actor, details) values (-1, 1, 'x', 'key', '{}', '{}')`
    expect(await toldAfter(sql`delete from audit_seals where position = 2`)).toMatch(/event \d+ stands between/)
    expect(await toldAfter(slipped)).toMatch(/event -1 stands between/)
  })

  it('says how many wait, never fewer than none', async () => {
    const { unsealed } = await reportAfter([
      sql`delete from audit_events where id = (select max(id) from audit_events)`,
    ])
    expect(unsealed).toBe(0)
  })

  it('is not deceived by a chain that was sealed anew without the key', async () => {
    const tables = withTables<CoreTables>(world.it.db)
    const events = await tables.selectFrom('audit_events').selectAll().orderBy('id').execute()
    const chain = chainUnder(Buffer.alloc(32))
    let hash = chain.origin
    const seals = events.map((event, index) => {
      hash = chain.link(hash, event.id === 3 ? { ...event, actor: '{}' } : event)
      return sql`insert into audit_seals (position, event_id, hash) values (${index + 1}, ${event.id}, ${hash})`
    })
    const changed = sql`update audit_events set actor = '{}' where id = 3`
    expect(await toldAfter(changed, sql`delete from audit_seals`, ...seals)).toContain(
      'link 1: event 1 was changed, or a link',
    )
  })

  it('sees a tail that was cut off by a head that was kept', async () => {
    const { it: installation } = world
    const head = await auditHead(installation.db, installation.auditSecret)
    const ask = async (earlier: AuditHead) =>
      (await verifyAudit(installation.db, installation.auditSecret, earlier)).problems
    expect(await ask(head)).toEqual([])
    expect(await ask({ ...head, hash: 'ab' })).toMatchObject([expect.stringContaining('is not in the chain')])
    const cut = [
      sql`delete from audit_seals where position = ${head.position}`,
      sql`delete from audit_events where id = (select max(id) from audit_events)`,
    ]
    const { problems } = await reportAfter(cut, head)
    expect(problems.join()).toContain(`the head ${head.position}:${head.hash} is not in the chain`)
  })

  it('agrees while orders come in', async () => {
    const orders = Array.from({ length: 8 }, (_, i) => order(`busy${i}.auto.test`))
    const seals = sealAudit(world.it.db, world.it.auditSecret)
    const reports = await Promise.all([1, 2, 3].map(() => verifyAudit(world.it.db, world.it.auditSecret)))
    await Promise.all([...orders, seals])
    expect(reports.flatMap(({ problems }) => problems)).toEqual([])
    expect(await findCertificate(world.it.db, { id: (await orders[0]) ?? 0 })).toBeDefined()
  })
})
