import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { databases } from '../helpers/databases.ts'
import { audited } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const HOUR = 3_600_000

describe.each(databases)('an order that policy refuses, sent again and again, on $name', ({ open }) => {
  let world: World
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    profile = await world.save('narrow', { settings: { certificate: { names: { dns: ['inside.example.org'] } } } })
  })
  afterAll(() => close())

  it('is one record and one row in the trail for as long as the profile remembers it', async () => {
    const csr = await newCsr(['outside.example.org'])
    const draft: SignDraft = {
      profile,
      protocol: 'est',
      action: 'issue',
      csr,
      origin: { protocol: 'est', ref: 'loop' },
      refusal: 'store',
    }
    const sign = (change: Partial<SignDraft> = {}) => world.core.as(acmeAccount()).sign({ ...draft, ...change })
    const first = await sign()
    expect(first).toMatchObject({ repeat: false, request: { status: 'denied' } })
    for (let tries = 0; tries < 5; tries++)
      expect(await sign()).toMatchObject({ repeat: true, request: { id: first.request.id } })
    expect(await audited(world, 'certificate.policy_hard_fail')).toHaveLength(1)
    // Refused for something else.
    const other = await sign({ profile: await world.save('narrow', { settings: narrower }) })
    expect(other).toMatchObject({ repeat: false, request: { status: 'denied' } })
    world.time.pass(73 * HOUR)
    expect(await sign()).toMatchObject({ repeat: false, request: { status: 'denied' } })
    expect(await audited(world, 'certificate.policy_hard_fail')).toHaveLength(3)
  })

  it('is a new order once the profile takes it; what a rule denies stands', async () => {
    const csr = await newCsr(['mended.example.org'])
    const signer = (ref: string) => (profile: RaProfile) =>
      world.core.as(acmeAccount()).sign({
        profile,
        protocol: 'est',
        action: 'issue',
        csr,
        origin: { protocol: 'est', ref },
        refusal: 'store',
      })
    const [mended, denied] = [signer('mended'), signer('denied')]
    const narrow = await world.save('narrow', { settings: narrower })
    expect((await mended(narrow)).request.status).toBe('denied')
    expect((await denied(narrow)).request.status).toBe('denied')
    const wide = { settings: { certificate: { names: { dns: ['**'] } } } }
    // As a rule of people may be called.
    const never = { issue: [{ name: 'policy', deny: 'not today' }], renew: [], rekey: [], revoke: [], export: [] }
    const { request } = await denied(await world.save('narrow', { ...wide, rules: never }))
    expect(request).toMatchObject({ status: 'denied', reason: 'not today' })
    const waits = await world.save('narrow', wide)
    expect((await mended(waits)).request.status).toBe('requested')
    expect(await denied(waits)).toMatchObject({ repeat: true, request: { id: request.id } })
  })

  const narrower = { certificate: { names: { dns: [] } } }
})
