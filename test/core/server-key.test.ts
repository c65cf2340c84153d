import { createPrivateKey } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { prepareServerKey } from '../../src/core/key/serverKey.ts'
import { forgetServerKeys } from '../../src/core/key/serverKeyForget.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { databases } from '../helpers/databases.ts'
import {
  auto,
  createServerKeyWorld,
  device,
  minute,
  requestFor,
  type ServerKeyWorld,
  waits,
} from '../helpers/serverKeyWorld.ts'

describe.each(databases)('private keys that the server makes, on $name', ({ open }) => {
  let keys: ServerKeyWorld
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    keys = await createServerKeyWorld(opened.db)
  })
  afterAll(() => close())
  beforeEach(() => keys.save({ rules: auto }))

  it('is made by the profile, certified with the names asked, and handed over', async () => {
    const made = await keys.order()
    expect(made.request.status).toBe('signed')
    const certificate = await keys.door.findCertificate({ id: made.request.id })
    const pkcs8 = await keys.handOver(made)
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    expect(publicKeyFrom(key).spkiHash).toBe(certificate?.spkiHash)
    expect(certificate?.identifiers).toEqual([{ type: 'dns', value: 'a.test' }])
    expect(made.request.csr?.includes('not for the record')).toBe(false)
    expect((await keys.events()).map(({ action }) => action)).toEqual(['server_key.made', 'server_key.delivered'])
  })

  it('is stored sealed, and nowhere in the trail', async () => {
    const made = await keys.order()
    const pkcs8 = await keys.handOver(made)
    const [row] = await keys.rows()
    const secret = pkcs8.subarray(-60)
    expect(row?.sealed?.length).toBeGreaterThan(pkcs8.length)
    expect(row?.sealed?.includes(secret)).toBe(false)
    const told = JSON.stringify(await keys.events())
    for (const form of ['hex', 'base64', 'base64url'] as const) expect(told).not.toContain(pkcs8.toString(form))
  })

  it('comes back the same while people look at the order, and is one order', async () => {
    await keys.save({ rules: waits }, 'again')
    const first = await keys.order()
    expect(first.request.status).toBe('requested')
    keys.world.time.pass(3 * 86_400_000)
    const again = await keys.order()
    expect(again.repeat).toBe(true)
    expect(again.request.id).toBe(first.request.id)
    expect(again.key.csr.publicKey.spkiHash).toBe(first.key.csr.publicKey.spkiHash)
    const { approvals } = keys.world.core.as(asRequester(keys.boss))
    const { hash } = await approvals.review('sign', first.request.id)
    await approvals.vote('sign', first.request.id, { verdict: 'approve', hash })
    const fetched = await keys.order()
    expect(fetched.request.status).toBe('signed')
    expect(await keys.handOver(fetched)).toEqual(expect.any(Buffer))
    expect(await keys.rows()).toHaveLength(1)
  })

  it('is another for another device, and for other names', async () => {
    const [one, two] = [await keys.order({ ref: 'one' }), await keys.order({ ref: 'two' })]
    expect(one.key.csr.publicKey.spkiHash).not.toBe(two.key.csr.publicKey.spkiHash)
    expect(one.request.id).not.toBe(two.request.id)
  })

  it('of many requests at once there is one key and one certificate', async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => keys.order()))
    expect(new Set(many.map(({ key }) => key.csr.publicKey.spkiHash)).size).toBe(1)
    expect(new Set(many.map(({ request }) => request.id)).size).toBe(1)
    expect(await keys.rows()).toHaveLength(1)
  })

  it('of two nodes that make it at once one has made it', async () => {
    const { door, profile, world } = keys
    const slot = await door.serverKeys.slot(profile, keys.asked())
    const draft = { profile, slot, request: requestFor('a.test'), keep: false }
    const nodes = [world.it, { ...world.it, node: 'another' }, { ...world.it, node: 'a third' }]
    const made = await Promise.all(nodes.map((it) => prepareServerKey(it, device, draft)))
    expect(new Set(made.map(({ csr }) => csr.publicKey.spkiHash)).size).toBe(1)
    expect(await keys.rows()).toHaveLength(1)
    expect((await keys.events()).map(({ action }) => action)).toEqual(['server_key.made'])
  })

  it('a lost answer is given again for a while; then the key is forgotten, and a new request is a new key', async () => {
    const first = await keys.order()
    const sent = await keys.handOver(first)
    keys.world.time.pass(9 * minute)
    const again = await keys.order()
    expect(await keys.handOver(again)).toEqual(sent)
    keys.world.time.pass(2 * minute)
    const next = await keys.order()
    expect(next.key.csr.publicKey.spkiHash).not.toBe(first.key.csr.publicKey.spkiHash)
    expect(next.request.id).not.toBe(first.request.id)
    await forgetServerKeys(keys.world.it)
    const [forgotten, current] = await keys.rows()
    expect(forgotten).toMatchObject({ sealed: null, forget_at: null })
    expect(current?.sealed).not.toBeNull()
    await expect(keys.handOver(first)).rejects.toMatchObject({ code: 'conflict' })
    expect((await keys.events()).map(({ action }) => action)).toContain('server_key.forgotten')
  })

  it('is kept where the profile says so, and still given to its client once only', async () => {
    const first = await keys.order({ keep: true })
    await keys.handOver(first)
    keys.world.time.pass(400 * minute)
    await forgetServerKeys(keys.world.it)
    expect((await keys.rows())[0]?.sealed).not.toBeNull()
    expect((await keys.order({ keep: true })).request.id).not.toBe(first.request.id)
  })

  it('that nobody fetches is forgotten after 90 days, unless its order is still open', async () => {
    await keys.save({ rules: waits }, 'again')
    const open = await keys.order({ ref: 'open' })
    const ended = await keys.order({ ref: 'ended' })
    const { approvals } = keys.world.core.as(asRequester(keys.boss))
    const { hash } = await approvals.review('sign', ended.request.id)
    await approvals.vote('sign', ended.request.id, { verdict: 'deny', hash, reason: 'no' })
    keys.world.time.pass(91 * 86_400_000)
    await forgetServerKeys(keys.world.it)
    const [first, second] = await keys.rows()
    expect(first?.spki_hash).toBe(open.key.csr.publicKey.spkiHash)
    expect(first?.sealed).not.toBeNull()
    expect(second?.sealed).toBeNull()
  })

  it('whose certificate was revoked is not given out any more: a new request is a new key', async () => {
    const first = await keys.order()
    await keys.handOver(first)
    const owner = keys.world.core.as(asRequester(keys.boss))
    await keys.save({ rules: { ...auto, revoke: [{ name: 'any', auto: true }] } }, 'again')
    await owner.revoke({ protocol: 'cli', certificate: first.request.id, grounds: 'user', reason: 'keyCompromise' })
    const next = await keys.order()
    expect(next.request.status).toBe('signed')
    expect(next.key.csr.publicKey.spkiHash).not.toBe(first.key.csr.publicKey.spkiHash)
  })

  it('of a kind that the profile takes no more is not certified: a new one is made', async () => {
    const { serverKeys } = keys.door
    const { profile } = keys
    const slot = await serverKeys.slot(profile, keys.asked())
    await serverKeys.prepare({ profile, slot, request: requestFor('a.test'), keep: false })
    await keys.save({ settings: { certificate: { keys: { ec: ['P-384'] } } }, rules: auto }, 'again')
    const made = await keys.order()
    expect(made.slot.number).toBe(1)
    expect(made.key.csr.publicKey.curve).toBe('P-384')
  })

  it('a profile that takes no key of any kind refuses', async () => {
    const settings = { certificate: { keys: { rsa: null, ec: [], ed25519: false } } }
    await keys.save({ settings, rules: auto }, 'again')
    await expect(keys.order()).rejects.toThrow(Failure)
    expect(await keys.rows()).toEqual([])
  })
})
