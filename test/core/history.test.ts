import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = {
  issue: [{ name: 'alice decides', require: [{ users: ['alice'] }] }],
  revoke: [{ name: 'all', auto: true }],
}

describe.each(databases)('the history of an order on $name', ({ open }) => {
  let world: World
  let people: People
  let id: number
  let uuid: string
  let close: () => Promise<void>
  const client = () => world.core.as(acmeAccount())

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('guarded', { rules })
    const order = async (name: string) => {
      const csr = await newCsr([name])
      const draft = { profile: await world.profile('guarded'), protocol: 'acme', action: 'issue', csr } as const
      return (await client().sign({ ...draft, refusal: 'throw' })).request
    }
    const another = await order('another.test')
    ;({ id, uuid } = await order('history.test'))
    const { approvals } = people.as(people.alice)
    await approvals.comment('sign', id, 'looks good')
    await approvals.vote('sign', id, {
      verdict: 'approve',
      hash: (await approvals.review('sign', id)).hash,
      reason: 'known',
    })
    await approvals.cancel('sign', another.id).catch(() => undefined)
    world.time.pass(60_000)
    await client().revoke({ protocol: 'acme', certificate: id, grounds: 'account', reason: 'superseded' })
  })
  afterAll(() => close())

  it('tells all in its order to who may read it: who did what when, of the order, its certificate and its revocation', async () => {
    const events = await people.as(people.chief).list.history(uuid)
    expect(events.map(({ action, actor }) => `${action} ${actor.name}`)).toEqual([
      'sign_request.requested ACME account account-1',
      'comment.added alice',
      'vote.approve alice',
      'sign_request.signing alice',
      'sign_request.signed countersign issue',
      'certificate.revoked ACME account account-1',
      'revoke_request.revoked ACME account account-1',
    ])
    expect(events.map((event) => event.id)).toEqual([...events.map((event) => event.id)].sort((a, b) => a - b))
    expect(events.at(-1)).toMatchObject({
      subject: 'revoke_request',
      status: 'revoked',
      details: { reason: 'superseded' },
    })
    expect(events.at(-1)?.at).toEqual(world.time.now)
    expect(Object.keys(events[0] ?? {})).not.toContain('key')
  })

  it('names to its client nobody who decided, and no vote', async () => {
    const events = await client().list.history(id)
    expect(events.map(({ action }) => action)).not.toContain('vote.approve')
    expect(JSON.stringify(events)).not.toMatch(/alice|known|hash|rule/)
    expect(events.find(({ action }) => action === 'sign_request.signing')?.actor).toEqual({ kind: 'user', name: '' })
    expect(events[0]?.actor.name).toBe('ACME account account-1')
  })

  it('is nobody else’s', async () => {
    await expect(people.as(people.stranger).list.history(id)).rejects.toMatchObject(failure('notFound'))
    await expect(world.core.as(acmeAccount('another')).list.history(uuid)).rejects.toMatchObject(failure('notFound'))
    await expect(people.as(people.chief).list.history('none')).rejects.toMatchObject(failure('notFound'))
  })
})
