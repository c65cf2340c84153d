import { createPrivateKey } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { grantCapability } from '../../src/core/capability.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { asRequester, createUser, type User } from '../../src/core/identity.ts'
import type { RaProfile } from '../../src/core/profile.ts'
import type { Origin, SignRequest } from '../../src/core/request.ts'
import { type Requester, system } from '../../src/core/requester.ts'
import { forgetServerKeys, prepareServerKey } from '../../src/core/serverKey.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { type KeyRequest, readKeyRequest } from '../../src/pki/keyRequest.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { publicKeyFrom } from '../../src/pki/publicKey.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const minute = 60_000
const device: Requester = { kind: 'client-certificate', ref: 'device-7', name: 'device 7', people: [] }
const auto = { issue: [{ name: 'nobody looks', auto: true }] }
const waits = { issue: [{ name: 'a person looks', require: [{ users: ['boss'] }] }] }

const requestFor = (host: string, key = ecKey()): KeyRequest => {
  const names = encodeGeneralNames([{ type: 'dns', value: host }])
  const attributes = [
    extensionRequest(extension(OID.subjectAltName, names)),
    attribute(OID.challengePassword, utf8('not for the record')),
  ]
  return readKeyRequest(buildCsr({ key, subject: nameOf({ CN: host }), attributes }))
}

describe.each(databases)('private keys that the server makes, on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>
  let profile: RaProfile
  let door: Door
  let boss: User
  let number = 0

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    const { organizationId } = await world.profile()
    boss = await transaction(world.it.db, (db) =>
      createUser(db, { actor: system('test'), at: world.time.now }, { name: 'boss', organizationId, superuser: true }),
    )
  })
  afterAll(() => close())
  beforeEach(async () => {
    number += 1
    profile = await world.save(`keygen-${number}`, { rules: auto })
    door = world.core.as(device)
  })

  const asked = (ref = 'device-7'): Origin => ({ protocol: 'est', ref })

  /** The key for an order, and what became of the order. */
  async function order({ ref = 'device-7', host = 'a.test', keep = false, request = requestFor(host) } = {}) {
    const slot = await door.serverKeys.slot(profile, asked(ref))
    const key = await door.serverKeys.prepare({ profile, slot, request, keep })
    const signed = await door.sign({
      profile,
      protocol: 'est',
      action: 'issue',
      origin: slot.origin,
      csr: key.csr,
      refusal: 'store',
    })
    return { slot, key, request: signed.request, repeat: signed.repeat }
  }

  const handOver = ({ key, request }: { key: Awaited<ReturnType<typeof order>>['key']; request: SignRequest }) =>
    door.serverKeys.handOver(key, { certificate: request.id, encrypted: false, repeat: 10 * minute })

  const rows = () =>
    withTables<CoreTables>(world.it.db)
      .selectFrom('server_keys')
      .selectAll()
      .where('profile_id', '=', profile.id)
      .orderBy('id')
      .execute()

  const events = async () => {
    const found = await withTables<CoreTables>(world.it.db)
      .selectFrom('audit_events')
      .select(['action', 'details', 'actor'])
      .where('action', 'like', 'server_key.%')
      .orderBy('id')
      .execute()
    const own = new Set((await rows()).map(({ spki_hash: hash }) => hash))
    return found.filter(({ details }) => own.has(JSON.parse(details).spkiHash))
  }

  it('is made by the profile, certified with the names asked, and handed over', async () => {
    const made = await order()
    expect(made.request.status).toBe('signed')
    const certificate = await door.findCertificate({ id: made.request.id })
    const pkcs8 = await handOver(made)
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    expect(publicKeyFrom(key).spkiHash).toBe(certificate?.spkiHash)
    expect(certificate?.identifiers).toEqual([{ type: 'dns', value: 'a.test' }])
    expect(made.request.csr?.includes('not for the record')).toBe(false)
    expect((await events()).map(({ action }) => action)).toEqual(['server_key.made', 'server_key.delivered'])
  })

  it('is stored sealed, and nowhere in the trail', async () => {
    const made = await order()
    const pkcs8 = await handOver(made)
    const [row] = await rows()
    const secret = pkcs8.subarray(-60)
    expect(row?.sealed?.length).toBeGreaterThan(pkcs8.length)
    expect(row?.sealed?.includes(secret)).toBe(false)
    const told = JSON.stringify(await events())
    for (const form of ['hex', 'base64', 'base64url'] as const) expect(told).not.toContain(pkcs8.toString(form))
  })

  it('comes back the same while people look at the order, and is one order', async () => {
    profile = await world.save(`keygen-${number}`, { rules: waits })
    const first = await order()
    expect(first.request.status).toBe('requested')
    world.time.pass(3 * 86_400_000)
    const again = await order()
    expect(again.repeat).toBe(true)
    expect(again.request.id).toBe(first.request.id)
    expect(again.key.csr.publicKey.spkiHash).toBe(first.key.csr.publicKey.spkiHash)
    const { approvals } = world.core.as(asRequester(boss))
    const { hash } = await approvals.review('sign', first.request.id)
    await approvals.vote('sign', first.request.id, { verdict: 'approve', hash })
    const fetched = await order()
    expect(fetched.request.status).toBe('signed')
    expect(await handOver(fetched)).toEqual(expect.any(Buffer))
    expect(await rows()).toHaveLength(1)
  })

  it('is another for another device, and for other names', async () => {
    const [one, two] = [await order({ ref: 'one' }), await order({ ref: 'two' })]
    expect(one.key.csr.publicKey.spkiHash).not.toBe(two.key.csr.publicKey.spkiHash)
    expect(one.request.id).not.toBe(two.request.id)
  })

  it('of many requests at once there is one key and one certificate', async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => order()))
    expect(new Set(many.map(({ key }) => key.csr.publicKey.spkiHash)).size).toBe(1)
    expect(new Set(many.map(({ request }) => request.id)).size).toBe(1)
    expect(await rows()).toHaveLength(1)
  })

  it('of two nodes that make it at once one has made it', async () => {
    const slot = await door.serverKeys.slot(profile, asked())
    const draft = { profile, slot, request: requestFor('a.test'), keep: false }
    const nodes = [world.it, { ...world.it, node: 'another' }, { ...world.it, node: 'a third' }]
    const keys = await Promise.all(nodes.map((it) => prepareServerKey(it, device, draft)))
    expect(new Set(keys.map(({ csr }) => csr.publicKey.spkiHash)).size).toBe(1)
    expect(await rows()).toHaveLength(1)
    expect((await events()).map(({ action }) => action)).toEqual(['server_key.made'])
  })

  it('a lost answer is given again for a while; then the key is forgotten, and a new request is a new key', async () => {
    const first = await order()
    const sent = await handOver(first)
    world.time.pass(9 * minute)
    const again = await order()
    expect(await handOver(again)).toEqual(sent)
    world.time.pass(2 * minute)
    const next = await order()
    expect(next.key.csr.publicKey.spkiHash).not.toBe(first.key.csr.publicKey.spkiHash)
    expect(next.request.id).not.toBe(first.request.id)
    await forgetServerKeys(world.it)
    const [forgotten, current] = await rows()
    expect(forgotten).toMatchObject({ sealed: null, forget_at: null })
    expect(current?.sealed).not.toBeNull()
    await expect(handOver(first)).rejects.toMatchObject({ code: 'conflict' })
    expect((await events()).map(({ action }) => action)).toContain('server_key.forgotten')
  })

  it('is kept where the profile says so, and still given to its client once only', async () => {
    const first = await order({ keep: true })
    await handOver(first)
    world.time.pass(400 * minute)
    await forgetServerKeys(world.it)
    expect((await rows())[0]?.sealed).not.toBeNull()
    expect((await order({ keep: true })).request.id).not.toBe(first.request.id)
  })

  it('that nobody fetches is forgotten after 90 days, unless its order is still open', async () => {
    profile = await world.save(`keygen-${number}`, { rules: waits })
    const open = await order({ ref: 'open' })
    const ended = await order({ ref: 'ended' })
    const { approvals } = world.core.as(asRequester(boss))
    const { hash } = await approvals.review('sign', ended.request.id)
    await approvals.vote('sign', ended.request.id, { verdict: 'deny', hash, reason: 'no' })
    world.time.pass(91 * 86_400_000)
    await forgetServerKeys(world.it)
    const [first, second] = await rows()
    expect(first?.spki_hash).toBe(open.key.csr.publicKey.spkiHash)
    expect(first?.sealed).not.toBeNull()
    expect(second?.sealed).toBeNull()
  })

  it('whose certificate was revoked is not given out any more: a new request is a new key', async () => {
    const first = await order()
    await handOver(first)
    const owner = world.core.as(asRequester(boss))
    await world.save(`keygen-${number}`, { rules: { ...auto, revoke: [{ name: 'any', auto: true }] } })
    await owner.revoke({ protocol: 'cli', certificate: first.request.id, grounds: 'user', reason: 'keyCompromise' })
    const next = await order()
    expect(next.request.status).toBe('signed')
    expect(next.key.csr.publicKey.spkiHash).not.toBe(first.key.csr.publicKey.spkiHash)
  })

  it('of a kind that the profile takes no more is not certified: a new one is made', async () => {
    const { serverKeys } = door
    const slot = await serverKeys.slot(profile, asked())
    await serverKeys.prepare({ profile, slot, request: requestFor('a.test'), keep: false })
    profile = await world.save(`keygen-${number}`, {
      settings: { certificate: { keys: { ec: ['P-384'] } } },
      rules: auto,
    })
    const made = await order()
    expect(made.slot.number).toBe(1)
    expect(made.key.csr.publicKey.curve).toBe('P-384')
  })

  describe('audit verify', () => {
    const problems = async () => (await verifyAudit(world.it.db, world.it.auditSecret)).problems
    type Forged = Partial<Record<'keep' | 'delivered_at' | 'spki_hash' | 'sealed', number | string | Buffer | null>>

    it('agrees with keys that were made, handed over and forgotten', async () => {
      await handOver(await order())
      await handOver(await order({ ref: 'kept', keep: true }))
      await order({ ref: 'waiting' })
      world.time.pass(20 * minute)
      await forgetServerKeys(world.it)
      expect((await rows()).map(({ sealed }) => sealed === null)).toEqual([true, false, false])
      expect(await problems()).toEqual([])
    })

    it.each<[string, Forged, string]>([
      ['kept by nobody’s word', { keep: 1 }, 'is kept, its event says otherwise'],
      ['not handed over any more', { delivered_at: null }, 'was not handed over, its events say otherwise'],
      ['another one', { spki_hash: 'ab'.repeat(32) }, 'is another than the one that was made'],
      ['forgotten by no event', { sealed: null }, 'is forgotten, its events say otherwise'],
    ])('finds one that is %s', async (_, forged, problem) => {
      const { key, request } = await order()
      await handOver({ key, request })
      const [row] = await rows()
      if (!row) throw new Error('no key')
      const write = (values: Forged) =>
        transaction(world.it.db, (db) =>
          withTables<CoreTables>(db)
            .updateTable('server_keys')
            .set(values as object)
            .where('id', '=', row.id)
            .execute(),
        )
      await write(forged)
      expect(await problems()).toEqual([`private key ${row.id} ${problem}`])
      const { keep, delivered_at, spki_hash, sealed } = row
      await write({ keep, delivered_at, spki_hash, sealed })
      expect(await problems()).toEqual([])
    })

    // The last one: nobody brings it back.
    it('finds one that is gone', async () => {
      await order()
      const [row] = await rows()
      if (!row) throw new Error('no key')
      const tables = (db: typeof world.it.db) => withTables<CoreTables>(db)
      await transaction(world.it.db, (db) => tables(db).deleteFrom('server_keys').where('id', '=', row.id).execute())
      expect(await problems()).toEqual([`private key ${row.id} is gone`])
    })
  })

  describe('export', () => {
    const exporter = async (capabilities: 'export_private_key'[]) => {
      const { organizationId } = profile
      const change = { actor: system('test'), at: world.time.now }
      const user = await transaction(world.it.db, async (db) => {
        const made = await createUser(db, change, { name: `exporter-${number}`, organizationId })
        for (const capability of capabilities)
          await grantCapability(db, change, { capability, to: { userId: made.id }, organizationId })
        return made
      })
      return world.core.as(asRequester(user)).admin
    }

    it('of a kept key, by who holds export_private_key, and the trail says who', async () => {
      const made = await order({ keep: true })
      const sent = await handOver(made)
      const admin = await exporter(['export_private_key'])
      expect(await admin.exportKey({ id: made.request.id })).toEqual(sent)
      const exported = (await events()).find(({ action }) => action === 'server_key.exported')
      expect(JSON.parse(exported?.actor ?? '{}').name).toBe(`exporter-${number}`)
    })

    it('is refused without the capability, and to the local operator', async () => {
      const made = await order({ keep: true })
      await handOver(made)
      const forbidden = { code: 'forbidden' }
      await expect((await exporter([])).exportKey({ id: made.request.id })).rejects.toMatchObject(forbidden)
      const operator = world.core.as(system('cli')).admin
      await expect(operator.exportKey({ id: made.request.id })).rejects.toMatchObject(forbidden)
    })

    it('is refused where the key is not kept, before and after it was handed over, and where it was not made here', async () => {
      const made = await order()
      const admin = await exporter(['export_private_key'])
      const notKept = { code: 'notFound', detail: expect.stringContaining('is not kept') }
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject(notKept)
      await handOver(made)
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject(notKept)
      const { request } = await door.sign({
        profile,
        protocol: 'est',
        action: 'issue',
        csr: await newCsr(['own.test']),
        refusal: 'store',
      })
      const elsewhere = { code: 'notFound', detail: expect.stringContaining('was not made here') }
      await expect(admin.exportKey({ id: request.id })).rejects.toMatchObject(elsewhere)
      await expect(admin.exportKey({ id: 999_999 })).rejects.toMatchObject({ code: 'notFound' })
    })

    it('is refused where the profile has rules for exports: nobody passes them over', async () => {
      const made = await order({ keep: true })
      await handOver(made)
      await world.save(`keygen-${number}`, { rules: { ...auto, export: [{ name: 'never', deny: 'no' }] } })
      const admin = await exporter(['export_private_key'])
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject({ code: 'unsupported' })
    })
  })

  it('a profile that takes no key of any kind refuses', async () => {
    const settings = { certificate: { keys: { rsa: null, ec: [], ed25519: false } } }
    profile = await world.save(`keygen-${number}`, { settings, rules: auto })
    await expect(order()).rejects.toThrow(Failure)
    expect(await rows()).toEqual([])
  })
})
