import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import { abandonForeseen } from '../../src/core/issuance/foresee.ts'
import { findByOrigin } from '../../src/core/request/records.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('rules that decide before the CSR, on $name', ({ open }) => {
  let world: World
  let alice: Requester
  let close: () => Promise<void>
  let orders = 0

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    const { organizationId } = await world.profile()
    const change = { actor: system('test'), at: world.time.now }
    alice = asRequester(await transaction(opened.db, (db) => createUser(db, change, { name: 'alice', organizationId })))
  })
  afterAll(() => close())

  const require = [{ users: ['alice'] }]

  async function ordering(rule: Record<string, unknown>, names: string[], settings = {}) {
    orders += 1
    const profile = await world.save(`early-${orders}`, { rules: { issue: [{ name: 'rule', ...rule }] }, settings })
    const origin = { protocol: 'acme', ref: `early-${orders}` }
    const csr = await newCsr(names)
    const door = world.core.as(acmeAccount())
    const foreseen = { profile, protocol: 'acme', action: 'issue', origin, identifiers: csr.identifiers } as const
    const draft: SignDraft = { ...foreseen, csr, validated: csr.identifiers, refusal: 'throw' }
    return {
      foresee: async (more: { ref?: string } = {}) => {
        const ask = await door.foresee({ ...foreseen, origin: { protocol: 'acme', ref: more.ref ?? origin.ref } })
        if (ask) await transaction(world.it.db, ask)
      },
      finalize: (more: Partial<SignDraft> = {}) => door.sign({ ...draft, ...more }),
      waiting: async (ref = origin.ref) => (await findByOrigin(world.it.db, { protocol: 'acme', ref }))?.request,
    }
  }

  async function vote(id: number, verdict: 'approve' | 'deny', reason?: string) {
    const { approvals } = world.core.as(alice)
    const { hash } = await approvals.review('sign', id)
    return approvals.vote('sign', id, { verdict, hash, ...(reason === undefined ? {} : { reason }) })
  }

  it('a denial is said at once, and nothing is stored', async () => {
    const order = await ordering({ deny: 'not on fridays' }, ['a.example.org'])
    await expect(order.foresee()).rejects.toMatchObject({ code: 'forbidden', detail: 'not on fridays' })
    expect(await order.waiting()).toBeUndefined()
  })

  it('approved before the CSR comes: finalize signs at once', async () => {
    const order = await ordering({ require }, ['b.example.org'])
    await order.foresee()
    const waiting = await order.waiting()
    expect(waiting).toMatchObject({ status: 'requested' })
    expect(waiting?.csr).toBeUndefined()
    expect(await vote(waiting?.id ?? 0, 'approve')).toEqual({ status: 'signing' })
    const { request, repeat } = await order.finalize()
    expect(request).toMatchObject({ id: waiting?.id, status: 'signed' })
    expect(repeat).toBe(false)
  })

  it('approved after the CSR came: the vote signs', async () => {
    const order = await ordering({ require }, ['c.example.org'])
    await order.foresee()
    const { request } = await order.finalize()
    expect(request.status).toBe('requested')
    expect(await vote(request.id, 'approve')).toEqual({ status: 'signed' })
  })

  it('denied before the CSR comes: finalize tells the reason, and the claim has run', async () => {
    const order = await ordering({ require }, ['d.example.org'])
    await order.foresee()
    const waiting = await order.waiting()
    await vote(waiting?.id ?? 0, 'deny', 'take another name')
    const { request } = await order.finalize()
    expect(request).toMatchObject({ id: waiting?.id, status: 'denied', reason: 'take another name' })
  })

  it('what asks for more than was shown is decided anew', async () => {
    const order = await ordering({ require }, ['e.example.org'])
    await order.foresee()
    const waiting = await order.waiting()
    await vote(waiting?.id ?? 0, 'approve')
    const wider = await newCsr(['e.example.org', 'f.example.org'])
    const { request } = await order.finalize({
      csr: wider,
      identifiers: wider.identifiers,
      validated: wider.identifiers,
    })
    expect(request.status).toBe('requested')
    expect(request.id).not.toBe(waiting?.id)
  })

  it('the next order of the same client takes over what waits', async () => {
    const order = await ordering({ require }, ['g.example.org'])
    await order.foresee()
    const first = await order.waiting()
    await order.foresee({ ref: 'the next run' })
    expect(await order.waiting()).toBeUndefined()
    expect(await order.waiting('the next run')).toMatchObject({ id: first?.id })
  })

  it('a condition that looks at the CSR waits for it', async () => {
    const order = await ordering({ when: 'key.algorithm == "EC"', require }, ['h.example.org'])
    await order.foresee()
    expect(await order.waiting()).toBeUndefined()
  })

  it('tells approvers that no name is proved yet, and asks early only so often', async () => {
    const profile = await world.save('flood', { rules: { issue: [{ name: 'rule', require }] } })
    const door = world.core.as(acmeAccount('flooder'))
    const waiting: unknown[] = []
    for (let i = 0; i < 25; i++) {
      const origin = { protocol: 'acme', ref: `flood-${i}` }
      const identifiers = [{ type: 'dns' as const, value: `flood-${i}.example.org` }]
      const ask = await door.foresee({ profile, protocol: 'acme', action: 'issue', origin, identifiers })
      if (ask) await transaction(world.it.db, ask)
      const found = await findByOrigin(world.it.db, origin)
      if (found) waiting.push(found.request.findings.map(({ check }) => check))
    }
    expect(waiting).toHaveLength(20)
    expect(waiting[0]).toContain('askedEarly')
  })

  it('votes and finalize at once: one certificate', async () => {
    for (let round = 0; round < 5; round++) {
      const order = await ordering({ require }, [`race-${round}.example.org`])
      await order.foresee()
      const waiting = await order.waiting()
      await Promise.all([vote(waiting?.id ?? 0, 'approve'), order.finalize()])
      expect(await order.waiting()).toMatchObject({ id: waiting?.id, status: 'signed' })
    }
  })

  it('an approval whose order never comes is withdrawn after a week', async () => {
    const order = await ordering({ require }, ['i.example.org'])
    await order.foresee()
    await vote((await order.waiting())?.id ?? 0, 'approve')
    expect(await abandonForeseen(world.it.db, world.time.now)).toBe(0)
    world.time.pass(8 * 86_400_000)
    expect(await abandonForeseen(world.it.db, world.time.now)).toBeGreaterThan(0)
    expect(await order.waiting()).toMatchObject({ status: 'canceled' })
  })
})
