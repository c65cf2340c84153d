import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { audited, failure } from '../helpers/people.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

const minute = 60_000

describe.each(databases)('codes before a revocation on $name', ({ open }) => {
  let made: InventoryWorld
  let chief: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    made = await createInventoryWorld(opened.db)
    chief = made.people.as(made.people.chief)
    const auto = [{ name: 'all', auto: true }]
    await made.world.save('kept', { rules: { issue: auto, revoke: auto } })
  })
  afterAll(() => close())

  const issued = async () => (await made.order()).id
  const draft = (certificate: number) =>
    ({ protocol: 'console', certificate, grounds: 'user', reason: 'superseded' }) as const
  const wrong = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')
  const status = async (id: number) => (await chief.findCertificate({ id }))?.status

  it('are six digits, told in the trail without them, stored as a hash, and revoke once', async () => {
    const id = await issued()
    const { code, until } = await chief.revocationCodes.make(id, 'a session')
    expect(code).toMatch(/^\d{6}$/)
    expect(until.getTime() - made.world.time.now.getTime()).toBe(5 * minute)
    const rows = await withTables<CoreTables>(made.world.it.db).selectFrom('revocation_codes').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(code)
    expect(JSON.stringify(rows)).not.toContain('a session')
    const [told] = await audited(made.world, 'certificate.revoke.requested')
    expect(told).toMatchObject({ subject_kind: 'certificate', subject_id: id, actor: { name: 'chief' } })
    expect(JSON.stringify(told)).not.toContain(code)
    const spaced = `${code.slice(0, 3)} ${code.slice(3)}`
    expect(await chief.revocationCodes.revoke(draft(id), { code: spaced, session: 'a session' })).toMatchObject({
      status: 'revoked',
      code: 'superseded',
    })
    expect(await status(id)).toBe('revoked')
    await expect(chief.revocationCodes.make(id)).rejects.toMatchObject(failure('alreadyRevoked'))
  })

  it('are good for one session, one user and one certificate', async () => {
    const [id, other] = [await issued(), await issued()]
    const { code } = await chief.revocationCodes.make(id, 'one')
    const refused = failure('forbidden', /no code that is still good/)
    const { root } = made.people
    for (const attempt of [
      () => chief.revocationCodes.revoke(draft(id), { code, session: 'two' }),
      () => chief.revocationCodes.revoke(draft(id), { code }),
      () => chief.revocationCodes.revoke(draft(other), { code, session: 'one' }),
      () => made.people.as(root).revocationCodes.revoke(draft(id), { code, session: 'one' }),
    ])
      await expect(attempt()).rejects.toMatchObject(refused)
    expect(await status(id)).toBe('issued')
    await chief.revocationCodes.revoke(draft(id), { code, session: 'one' })
    expect(await status(id)).toBe('revoked')
  })

  it('are tried three times, whatever is shown', async () => {
    const id = await issued()
    const { code } = await chief.revocationCodes.make(id)
    const attempt = (typed: string) => chief.revocationCodes.revoke(draft(id), { code: typed })
    await expect(attempt(wrong(code))).rejects.toMatchObject(failure('forbidden', /2 more/))
    await expect(attempt('')).rejects.toMatchObject(failure('forbidden', /1 more/))
    await expect(attempt('x'.repeat(10_000))).rejects.toMatchObject(failure('forbidden', /ask for a new one/))
    await expect(attempt(code)).rejects.toMatchObject(failure('forbidden', /no code/))
    expect(await status(id)).toBe('issued')
    const { code: next } = await chief.revocationCodes.make(id)
    expect(await attempt(next)).toMatchObject({ status: 'revoked' })
  })

  it('end after five minutes, and by a newer one', async () => {
    const id = await issued()
    const first = await chief.revocationCodes.make(id)
    let second = await chief.revocationCodes.make(id)
    while (second.code === first.code) second = await chief.revocationCodes.make(id)
    await expect(chief.revocationCodes.revoke(draft(id), first)).rejects.toMatchObject(failure('forbidden', /2 more/))
    made.world.time.pass(5 * minute)
    await expect(chief.revocationCodes.revoke(draft(id), second)).rejects.toMatchObject(failure('forbidden', /no code/))
    await chief.revocationCodes.make(await issued())
    const { n } = await withTables<CoreTables>(made.world.it.db)
      .selectFrom('revocation_codes')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .executeTakeFirstOrThrow()
    expect(Number(n)).toBe(1)
  })

  it('of many at once are spent once, and tried three times', async () => {
    const id = await issued()
    const { code } = await chief.revocationCodes.make(id)
    const answers = await Promise.allSettled(
      Array.from({ length: 3 }, () => chief.revocationCodes.revoke(draft(id), { code })),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const another = await issued()
    const guessed = await chief.revocationCodes.make(another)
    const guesses = await Promise.allSettled(
      Array.from({ length: 10 }, () => chief.revocationCodes.revoke(draft(another), { code: wrong(guessed.code) })),
    )
    const reasons = guesses.map((one) => (one.status === 'rejected' ? String(one.reason.message) : ''))
    expect(reasons.filter((reason) => /is wrong/.test(reason))).toHaveLength(3)
    expect(reasons.filter((reason) => /no code/.test(reason))).toHaveLength(7)
  })

  it('are spent too where the revocation waits already', async () => {
    await made.world.save('asks', {
      rules: { issue: [{ name: 'all', auto: true }], revoke: [{ name: 'ask', require: [{ users: ['admin'] }] }] },
    })
    const [csr, profile] = [await newCsr(['waits.auto.test']), await made.world.profile('asks')]
    const { request } = await made.world.core
      .as(acmeAccount())
      .sign({ profile, protocol: 'acme', action: 'issue', csr, refusal: 'store' })
    const first = await chief.revocationCodes.make(request.id)
    const waiting = await chief.revocationCodes.revoke(draft(request.id), first)
    expect(waiting.status).toBe('requested')
    const second = await chief.revocationCodes.make(request.id)
    expect((await chief.revocationCodes.revoke(draft(request.id), second)).id).toBe(waiting.id)
    await expect(chief.revocationCodes.revoke(draft(request.id), second)).rejects.toMatchObject(failure('forbidden'))
  })

  it('are for people who may ask, of that organization', async () => {
    const id = await issued()
    const { stranger } = made.people
    await expect(made.people.as(stranger).revocationCodes.make(id)).rejects.toMatchObject(failure('notFound'))
    await expect(made.people.operator.revocationCodes.make(id)).rejects.toMatchObject(failure('forbidden'))
    await expect(made.world.core.as(acmeAccount()).revocationCodes.make(id)).rejects.toMatchObject(failure('forbidden'))
    await expect(chief.revocationCodes.make(987_654)).rejects.toMatchObject(failure('notFound'))
    const { problems } = await made.people.as(made.people.root).admin.verifyAudit()
    expect(problems).toEqual([])
  })
})
