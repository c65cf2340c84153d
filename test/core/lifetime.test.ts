import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { watchLifetimes } from '../../src/core/ocsp/lapse.ts'
import { type Lifetime, revocationLifetimes } from '../../src/core/ocsp/lifetime.ts'
import { renewResponders } from '../../src/core/ocsp/responder.ts'
import { databases } from '../helpers/databases.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const hour = 3_600_000
const day = 24 * hour

describe.each(databases)('how long CRLs and responders are good for, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let manual: ManualAuthority
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    manual = await manualAuthority(world)
  })
  afterAll(() => close())

  async function states(authority: string): Promise<Record<string, Lifetime['state']>> {
    const all = await revocationLifetimes(world.it.db, world.time.now)
    const own = all.filter((lifetime) => lifetime.authority === authority)
    return Object.fromEntries(own.map(({ kind, shard, state }) => [`${kind}${shard ?? ''}`, state]))
  }
  /** What upkeep does for it. */
  async function renew(authority: string): Promise<void> {
    await people.operator.crl({ authority })
    await renewResponders(world.it, await loadAuthority(world.it, authority))
  }
  const alerts = async () => {
    const open = await people.operator.admin.alerts()
    return open.filter(({ kind }) => kind === 'revocation_lapse').map(({ detail }) => detail)
  }

  test('a new authority has an hour to make them; then they are missed', async () => {
    expect(await states('issuing')).toEqual({})
    world.time.pass(2 * hour)
    expect(await states('issuing')).toEqual({ crl0: 'missing', responder: 'missing' })
    await renew('issuing')
    await renew('root')
    expect(await states('issuing')).toEqual({ crl0: 'ok', responder: 'ok' })
  })

  test('what is renewed in time is never late; what is not becomes late, then ends', async () => {
    for (let days = 0; days < 40; days++) {
      world.time.pass(day)
      await renew('issuing')
      expect(await states('issuing')).toEqual({ crl0: 'ok', responder: 'ok' })
    }
    const { nextUpdate } = await people.operator.crl({ authority: 'issuing' })
    world.time.now = new Date(nextUpdate.getTime() - 1.7 * day)
    expect((await states('issuing')).crl0).toBe('late')
    world.time.now = nextUpdate
    expect((await states('issuing')).crl0).toBe('ended')
  })

  test('each has an alert, once, which closes by itself when it is well again', async () => {
    await watchLifetimes(world.it)
    await watchLifetimes(world.it)
    expect(await alerts()).toContainEqual(
      expect.stringMatching(/^the CRL of issuing \(certificate \d+, shard 0\) ended on/),
    )
    expect(new Set(await alerts()).size).toBe((await alerts()).length)
    await renew('issuing')
    await renew('root')
    await watchLifetimes(world.it)
    expect(await alerts()).toEqual([])
    expect((await audited(world, 'alert.closed')).at(-1)).toMatchObject({
      actor: { kind: 'system' },
      details: { kind: 'revocation_lapse' },
    })
  })

  test('all shards and the delta CRLs are watched', async () => {
    const settings = { crlShards: 3, crlDelta: '1d' }
    await people.operator.admin.createAuthority({ name: 'many', key: 'P-256', subject: 'CN=Many', validity: 365 * day })
    await people.operator.admin.changeAuthority('many', { settings })
    await people.operator.crl({ authority: 'many' })
    world.time.pass(2 * hour)
    const found = await states('many')
    expect(found).toMatchObject({ crl0: 'ok', delta0: 'ok', responder: 'missing' })
  })

  test('an authority that signs elsewhere: nothing until something is uploaded, and early enough for people', async () => {
    expect(await states(manual.name)).toEqual({})
    const { admin } = people.operator
    const now = world.time.now
    const nextUpdate = new Date(now.getTime() + 30 * day)
    await admin.uploadCrl(manual.name, await manual.ca.crl({ number: 1, thisUpdate: now, nextUpdate }))
    const notAfter = new Date(now.getTime() + 300 * day)
    await admin.uploadResponder(manual.name, { pem: (await manual.ca.responder({ notBefore: now, notAfter })).pem })
    expect(await states(manual.name)).toEqual({ crl0: 'ok', responder: 'ok' })
    world.time.pass(21 * day)
    expect(await states(manual.name)).toEqual({ crl0: 'late', responder: 'ok' })
    await watchLifetimes(world.it)
    expect(await alerts()).toContainEqual(
      expect.stringMatching(new RegExp(`CRL of ${manual.name} .*no new one is there yet`)),
    )
    const later = { thisUpdate: world.time.now, nextUpdate: new Date(world.time.now.getTime() + 365 * day) }
    await admin.uploadCrl(manual.name, await manual.ca.crl({ number: 2, ...later }))
    await watchLifetimes(world.it)
    expect((await alerts()).join()).not.toContain(manual.name)
    world.time.now = new Date(notAfter.getTime() - 29 * day)
    expect(await states(manual.name)).toEqual({ crl0: 'ok', responder: 'late' })
  })

  test('what lasts as long as its authority needs no successor', async () => {
    const { admin } = people.operator
    await admin.createAuthority({ name: 'brief', key: 'P-256', subject: 'CN=Brief', validity: 2 * day })
    await renew('brief')
    world.time.pass(2 * day - 2 * hour)
    expect(await states('brief')).toEqual({ crl0: 'ok', responder: 'ok' })
    world.time.pass(3 * hour)
    expect(await states('brief')).toEqual({})
  })

  test('who may see the authority sees them', async () => {
    const names = async (door: People['operator']) =>
      new Set((await door.admin.revocationLifetimes()).map(({ authority }) => authority))
    expect(await names(people.as(people.chief))).toContain('issuing')
    expect((await names(people.as(people.stranger))).size).toBe(0)
    await expect(
      world.core.as({ kind: 'challenge', ref: 'x', name: 'x', people: [] }).admin.revocationLifetimes(),
    ).rejects.toMatchObject(failure('forbidden'))
  })
})
