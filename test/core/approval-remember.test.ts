import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openDecision } from '../../src/core/approval/decision.ts'
import {
  covers,
  findRemembered,
  type Remembered,
  rememberedScope,
  rememberForNextOrder,
} from '../../src/core/approval/remember.ts'
import { ruleVersion } from '../../src/core/profile/decide.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import type { Finding, WantedCertificate } from '../../src/core/request/request.ts'
import { type Requester, requesterKey } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { account, createWorld, start, type World, wanted } from '../helpers/approvalWorld.ts'
import { databases } from '../helpers/databases.ts'

const day = 86_400_000
const dns = (value: string) => ({ type: 'dns' as const, value })
const warned: Finding = { by: 'rule', check: 'w', detail: 'look twice' }

describe('what an approval covers', () => {
  const with_ = (changes: Partial<WantedCertificate>): WantedCertificate => ({ ...wanted, ...changes })
  const other = [[{ type: 'CN', value: 'example.org' }]]
  const o = [[{ type: 'CN', value: 'www.example.org' }], [{ type: 'O', value: 'Another' }]]
  test.each<[string, Partial<WantedCertificate>, boolean]>([
    ['the same', {}, true],
    ['fewer names', { identifiers: [dns('example.org')], subject: other }, true],
    ['names in another order', { identifiers: [dns('example.org'), dns('www.example.org')], subject: other }, true],
    ['one name more', { identifiers: [...wanted.identifiers, dns('shop.example.org')] }, false],
    ['another name', { identifiers: [dns('shop.example.org')] }, false],
    ['the same text of another kind', { identifiers: [{ type: 'uri', value: 'example.org' }] }, false],
    ['no names', { identifiers: [], subject: [] }, false],
    ['a shorter life', { validity: 30 * day }, true],
    ['a longer life', { validity: 91 * day }, false],
    ['the same end said again a moment later', { notAfter: start.getTime() + 90 * day + 5000 }, true],
    ['a longer life said by its end', { notAfter: start.getTime() + 91 * day }, false],
    ['the same life, later', { notBefore: start.getTime() + day }, false],
    ['a shorter life, later', { notBefore: start.getTime() + day, validity: 80 * day }, true],
    ['another type', { type: 'dual_purpose' }, false],
    ['with must-staple', { mustStaple: true }, true],
    ['another organization in the subject', { subject: o }, false],
    ['a common name that is none of the names', { subject: [[{ type: 'CN', value: 'Root' }]] }, false],
  ])('%s', (_name, changes, expected) => {
    expect(covers(rememberedScope(wanted, [], start), rememberedScope(with_(changes), [], start))).toBe(expected)
  })

  test('must-staple, path length and name constraints must not become wider', () => {
    const scope = (changes: Partial<WantedCertificate>) => rememberedScope(with_(changes), [], start)
    expect(covers(scope({ mustStaple: true }), scope({ mustStaple: false }))).toBe(false)
    expect(covers(scope({ pathLength: 1 }), scope({ pathLength: 0 }))).toBe(true)
    expect(covers(scope({ pathLength: 0 }), scope({ pathLength: 1 }))).toBe(false)
    expect(covers(scope({ pathLength: 0 }), scope({}))).toBe(false)
    expect(covers(scope({}), scope({ pathLength: 0 }))).toBe(true)
    expect(covers(scope({}), scope({ noRevAvail: true }))).toBe(false)
    expect(covers(scope({ noRevAvail: true }), scope({ noRevAvail: true }))).toBe(true)
    expect(covers(scope({ noRevAvail: true }), scope({}))).toBe(true)
  })

  test('what the approver was not warned of is wider', () => {
    const scope = (findings: Finding[]) => rememberedScope(wanted, findings, start)
    expect(covers(scope([]), scope([warned]))).toBe(false)
    expect(covers(scope([warned]), scope([]))).toBe(true)
    expect(covers(scope([warned]), scope([{ ...warned, detail: 'other words' }]))).toBe(true)
    expect(covers(scope([]), scope([{ by: 'rule', check: 'nobodyMayApprove', detail: '' }]))).toBe(true)
  })
})

describe.each(databases)('remembered approvals on $name', ({ open }) => {
  let database: Awaited<ReturnType<typeof open>>
  let world: World
  let refs = 0
  let requester: Requester

  beforeAll(async () => {
    database = await open()
    world = await createWorld(database.db)
  })
  beforeEach(() => {
    world.clock.now = start
    requester = account([], `account-${++refs}`)
  })
  afterAll(() => database.close())

  const rule = { name: 'owner', remember: '30d' }
  const ask = () => world.ask({ rule, requester })

  async function find(
    asked: Awaited<ReturnType<typeof ask>>,
    changes: Record<string, unknown> = {},
  ): Promise<Remembered | undefined> {
    const { profileId } = await readSignRequest(world.db, asked.id)
    return findRemembered(world.db, {
      profileId,
      action: 'issue',
      requesterKey: requesterKey(requester),
      people: requester.people,
      ruleVersion: asked.version,
      scope: rememberedScope(wanted, [], start),
      at: start,
      ...changes,
    })
  }

  test('only when a voter wants it', async () => {
    const asked = await ask()
    await world.vote(world.owner, asked)
    expect(await find(asked)).toBeUndefined()
  })

  test('until its end, for this requester, action, profile and text of the rule', async () => {
    const asked = await ask()
    await world.vote(world.owner, asked, { remember: '10d' })
    expect(await find(asked)).toMatchObject({ decisionId: asked.decision.id, once: false })
    expect(await find(asked, { at: new Date(start.getTime() + 10 * day - 1) })).toBeDefined()
    expect(await find(asked, { at: new Date(start.getTime() + 10 * day) })).toBeUndefined()
    expect(await find(asked, { requesterKey: 'acme-account:another' })).toBeUndefined()
    expect(await find(asked, { action: 'rekey' })).toBeUndefined()
    expect(await find(asked, { profileId: 4711 })).toBeUndefined()
    expect(await find(asked, { ruleVersion: ruleVersion({ ...asked.rule, remember: '31d' }) })).toBeUndefined()
    const wider = { ...wanted, identifiers: [...wanted.identifiers, dns('shop.example.org')] }
    expect(await find(asked, { scope: rememberedScope(wider, [], start) })).toBeUndefined()
  })

  test('not for an order behind which one who approved it stands, or one whose vote it was', async () => {
    const [delegate, nobody] = [await world.user(`delegate${refs}`), await world.user(`nobody${refs}`)]
    const asked = await ask()
    const made = { uuid: `delegation-${delegate.id}`, organization_id: world.here.id, delegator_id: world.owner.id }
    await transaction(world.db, (db) =>
      withTables<CoreTables>(db)
        .insertInto('delegations')
        .values({
          ...made,
          ...{ delegate_id: delegate.id, profile_id: null, authority_id: null, reason: null, ended_at: null },
          ...{ from_at: start.getTime(), until_at: start.getTime() + day, created_at: start.getTime() },
        })
        .execute(),
    )
    await world.vote(delegate, asked, { remember: '10d' })
    expect(await find(asked, { people: [nobody.id] })).toBeDefined()
    expect(await find(asked, { people: [nobody.id, delegate.id] })).toBeUndefined()
    expect(await find(asked, { people: [world.owner.id] })).toBeUndefined()
  })

  test('a decision by memory lets the request pass, again and again', async () => {
    const asked = await ask()
    await world.vote(world.owner, asked, { remember: '10d' })
    for (let run = 0; run < 2; run++) {
      const remembered = await find(asked)
      if (!remembered) throw new Error('nothing remembered')
      const next = await ask()
      await withTables<CoreTables>(world.db)
        .selectFrom('decisions')
        .selectAll()
        .where('id', '=', next.decision.id)
        .execute()
      expect(await reopen(next, remembered)).toMatchObject({ outcome: 'remembered', findings: [] })
    }
  })

  const reopen = (asked: Awaited<ReturnType<typeof ask>>, remembered: Remembered) =>
    transaction(world.db, (db) =>
      openDecision(db, {
        kind: 'sign',
        requestId: asked.id,
        revision: 2,
        organizationId: world.here.id,
        authorityId: world.authorityId,
        requester,
        outcome: { kind: 'require', rule: 'owner', version: asked.version, steps: asked.rule.require, remember: '30d' },
        remembered,
        hash: 'h',
        at: start,
      }),
    )

  test('no longer than the rule allows, and never by who denies or overrides', async () => {
    const admin = await world.user(`admin${refs}`, { admin: true })
    const asked = await ask()
    const refuse = (voter: typeof admin, input: object) =>
      expect(world.vote(voter, asked, input)).rejects.toMatchObject({ code: 'malformed' })
    await refuse(world.owner, { remember: '31d' })
    await refuse(world.owner, { remember: 'for ever' })
    await refuse(world.owner, { remember: '1d', verdict: 'deny', reason: 'no' })
    await refuse(admin, { remember: '1d', override: true, reason: 'urgent' })
    const plain = await world.ask({ rule: { name: 'no memory' }, requester })
    await expect(world.vote(world.owner, plain, { remember: '1d' })).rejects.toMatchObject({
      detail: /lets no approval/,
    })
  })

  test('of two wishes the shorter', async () => {
    const other = await world.user(`other${refs}`)
    const step = { users: [other.name], roles: [], owner: true, quorum: 2, expires: '1d' }
    const asked = await world.ask({ rule: { ...rule, require: [step] }, requester })
    await world.vote(world.owner, asked, { remember: '20d' })
    expect(await find(asked)).toBeUndefined()
    await world.vote(other, asked, { remember: '5d' })
    expect(await find(asked, { at: new Date(start.getTime() + 5 * day - 1) })).toBeDefined()
    expect(await find(asked, { at: new Date(start.getTime() + 5 * day) })).toBeUndefined()
  })

  test('a failed order whose client was told leaves its approval to the next order, once', async () => {
    const asked = await ask()
    await world.vote(world.owner, asked)
    await world
      .as({ kind: 'system', ref: 'test', name: 'test', people: [] })
      .markFailed('sign', asked.id, 'the key store is gone')
    const remember = () =>
      transaction(world.db, async (db) => rememberForNextOrder(db, await readSignRequest(db, asked.id), start))
    await remember()
    await remember()
    const remembered = await find(asked)
    if (!remembered) throw new Error('nothing remembered')
    expect(remembered.once).toBe(true)
    expect(await find(asked, { at: new Date(start.getTime() + 3 * day) })).toBeUndefined()
    const orders = await Promise.all([ask(), ask(), ask()])
    const opened = await Promise.all(orders.map((order) => reopen(order, remembered)))
    expect(opened.map(({ outcome }) => outcome).sort()).toEqual(['remembered', 'waiting', 'waiting'])
    expect(await find(asked)).toBeUndefined()
  })

  test('nothing is kept of an override', async () => {
    const admin = await world.user(`overrides${refs}`, { admin: true })
    const asked = await ask()
    await world.vote(admin, asked, { override: true, reason: 'urgent' })
    const door = world.as({ kind: 'system', ref: 'test', name: 'test', people: [] })
    await door.markFailed('sign', asked.id, 'the key store is gone')
    await transaction(world.db, async (db) => rememberForNextOrder(db, await readSignRequest(db, asked.id), start))
    expect(await find(asked)).toBeUndefined()
  })

  test('nothing is kept of an order that people did not approve', async () => {
    const asked = await ask()
    await world
      .as(world.owner)
      .cancel('sign', asked.id)
      .catch(() => undefined)
    await transaction(world.db, async (db) => rememberForNextOrder(db, await readSignRequest(db, asked.id), start))
    expect(await find(asked)).toBeUndefined()
  })
})
