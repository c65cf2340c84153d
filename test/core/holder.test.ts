import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RequestKind } from '../../src/core/approval/approval.ts'
import { type Certificate, findCertificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import type { Requester } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('who asks with a certificate of ours, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    const auto = { issue: [{ name: 'all', when: 'true', auto: true }] }
    const asks = [{ name: 'people', require: [{ users: ['chief', 'alice'] }] }]
    await world.save('free', { rules: { ...auto, revoke: asks } })
    await world.save('guarded', { rules: { issue: asks } })
  })
  afterAll(() => close())

  async function order(door: Door, name: string) {
    const csr = await newCsr([`${name}.example.org`])
    const profile = await world.profile(name.startsWith('free') ? 'free' : 'guarded')
    const draft = { profile, protocol: 'est', action: 'issue', csr, identifiers: csr.identifiers } as const
    return (await door.sign({ ...draft, refusal: 'throw' })).request
  }
  const certified = async (id: number) => (await findCertificate(world.it.db, { id })) as Certificate
  const holder = ({ fingerprint: ref }: Certificate): Requester => ({
    kind: 'client-certificate',
    ref,
    name: 'the holder of a certificate',
    people: [],
  })
  const vote = async (name: string, kind: RequestKind, id: number) => {
    const { approvals } = people.as(await people.named(name))
    const { hash, mayApprove } = await approvals.review(kind, id)
    expect(mayApprove).toEqual(['alice'])
    return approvals.vote(kind, id, { verdict: 'approve', hash })
  }

  test('does not get it decided by whoever ordered that certificate, nor by what he gets with it', async () => {
    const { id } = await order(people.as(people.chief), 'free-1')
    const first = await order(world.core.as(holder(await certified(id))), 'guarded-1')
    expect(first).toMatchObject({ status: 'requested', requester: { people: [people.chief.id] } })
    await expect(vote('chief', 'sign', first.id)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
    expect(await vote('alice', 'sign', first.id)).toEqual({ status: 'signed' })
    const second = await order(world.core.as(holder(await certified(first.id))), 'guarded-2')
    await expect(vote('chief', 'sign', second.id)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
  })

  test('nor a revocation by its key', async () => {
    const { id } = await order(people.as(people.chief), 'free-2')
    const door = world.core.as({ kind: 'key-holder', ref: 'aa', name: 'the holder of a key', people: [] })
    const { id: asked } = await door.revoke({ protocol: 'acme', certificate: id, grounds: 'key', reason: 'superseded' })
    await expect(vote('chief', 'revoke', asked)).rejects.toMatchObject(failure('forbidden', /separation of duties/))
    expect(await vote('alice', 'revoke', asked)).toEqual({ status: 'revoked' })
  })
})
