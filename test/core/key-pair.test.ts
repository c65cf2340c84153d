import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Door } from '../../src/core/core.ts'
import type { Capability } from '../../src/core/identity/capability.ts'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createOrganization, createUser, type User } from '../../src/core/identity/identity.ts'
import type { KeyPair } from '../../src/core/key/keyPairView.ts'
import type { KeyProfile } from '../../src/core/key/keyProfile.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld, type World } from '../helpers/world.ts'

const yes = [{ name: 'nobody looks', auto: true }]
const looks = [{ name: 'a person looks', require: [{ users: ['chief'] }] }]
const auto = { issue: yes, renew: yes, rekey: yes, revoke: yes }

describe.each(databases)('key pairs of the keystore on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>
  let chief: Door
  let keeper: Door
  let orderer: Door
  let stranger: Door
  let beside: Door
  let shop: string
  let profile: RaProfile
  let allowed: KeyProfile
  let number = 0

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    const { organizationId } = await world.profile()
    const change = () => ({ actor: system('test'), at: world.time.now })
    const other = await transaction(opened.db, (db) => createOrganization(db, change(), 'elsewhere'))
    const person = (name: string, capabilities: Capability[], more: { admin?: boolean; home?: number } = {}) =>
      transaction(opened.db, async (db) => {
        const { home = organizationId, ...flags } = more
        const user: User = await createUser(db, change(), { name, organizationId: home, ...flags })
        for (const capability of capabilities)
          await grantCapability(db, change(), { capability, to: { userId: user.id }, organizationId: home })
        return world.core.as(asRequester(user))
      })
    chief = await person('chief', ['approve'], { admin: true })
    keeper = await person('keeper', ['manage', 'create_cert'])
    orderer = await person('orderer', ['create_cert', 'revoke_cert', 'read'])
    stranger = await person('stranger', [], { admin: true, home: other.id })
    shop = (await chief.groups.create({ name: 'shop' })).uuid
    await chief.groups.addMember({ uuid: shop }, 'orderer')
    beside = await person('beside', ['create_cert', 'read'])
    profile = await world.save('keys', { rules: auto })
    const [store] = await chief.keyPairs.keystores()
    allowed = await chief.keyPairs.createProfile(store?.uuid ?? '', {
      name: 'web',
      specs: ['P-256', 'RSA-2048', 'Ed25519'],
      enabled: true,
    })
  })
  afterAll(() => close())

  const create = (more: Partial<Parameters<Door['keyPairs']['create']>[0]> = {}): Promise<KeyPair> =>
    keeper.keyPairs.create({ profile: allowed.uuid, name: `key ${++number}`, groups: [shop], ...more })

  const row = ({ uuid }: Pick<KeyPair, 'uuid'>) =>
    withTables<CoreTables>(world.it.db)
      .selectFrom('key_pairs')
      .selectAll()
      .where('uuid', '=', uuid)
      .executeTakeFirstOrThrow()

  const events = async () =>
    (
      await withTables<CoreTables>(world.it.db)
        .selectFrom('audit_events')
        .select(['action', 'details'])
        .where('subject_kind', '=', 'key_pair')
        .orderBy('id')
        .execute()
    ).map(({ action, details }) => ({ action, details: JSON.parse(details) }))

  async function order(key: KeyPair, host: string, { door = orderer, at = profile } = {}) {
    const { csr, claim } = await door.keyPairs.order(at, {
      key: key.uuid,
      keyProfile: allowed.uuid,
      subject: nameOf({ CN: host }),
      identifiers: [{ type: 'dns', value: host }],
    })
    const draft = { profile: at, protocol: 'ra', action: 'issue', csr, refusal: 'store' } as const
    return (await door.sign(draft, claim)).request
  }

  it('are made, sealed, shown without the private key, and told of in the trail', async () => {
    const made = await create({ name: 'first', spec: 'RSA-2048', description: 'for the shop' })
    expect(made).toMatchObject({ name: 'first', algorithm: 'RSA', size: 2048, state: 'active', enabled: true })
    expect(made).toMatchObject({ certificates: 0, owner: { name: 'keeper' }, profile: { name: 'web' } })
    expect(made).not.toHaveProperty('sealed')
    const stored = await row(made)
    expect(stored.sealed?.length).toBeGreaterThan(1000)
    expect((await events()).at(-1)).toMatchObject({
      action: 'key_pair.created',
      details: { name: 'first', spec: 'RSA-2048' },
    })
    expect(await orderer.keyPairs.read(made.uuid)).toEqual(made)
    await expect(create({ name: 'first' })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('refuse who may not, what the profiles do not allow, and foreign names alike', async () => {
    await expect(orderer.keyPairs.create({ profile: allowed.uuid, name: 'mine' })).rejects.toMatchObject({
      code: 'forbidden',
    })
    await expect(stranger.keyPairs.create({ profile: allowed.uuid, name: 'mine' })).rejects.toMatchObject({
      code: 'notFound',
    })
    await expect(create({ spec: 'P-521' })).rejects.toMatchObject({ code: 'badKey' })
    const narrow = await world.save('narrow-keys', {
      settings: { certificate: { keys: { ec: ['P-384'], rsa: null, ed25519: false } } },
      rules: auto,
    })
    await expect(create({ spec: 'P-256', raProfile: narrow.uuid })).rejects.toMatchObject({ code: 'badKey' })
    await expect(create({ groups: ['nobody'] })).rejects.toMatchObject({ code: 'notFound' })
    const key = await create()
    const { page, read, destroy, enable } = stranger.keyPairs
    for (const act of [() => read(key.uuid), () => destroy(key.uuid), () => enable(key.uuid, false)])
      await expect(act()).rejects.toMatchObject({ code: 'notFound', detail: 'there is no such key' })
    expect(await page({ page: 1, rows: 10 })).toEqual({ rows: [], total: 0 })
    await expect(orderer.keyPairs.destroy(key.uuid)).rejects.toMatchObject({ code: 'forbidden' })
    await expect(orderer.keyPairs.enable(key.uuid, false)).rejects.toMatchObject({ code: 'forbidden' })
    const ownProfile = { profile: allowed.uuid, name: 'web', specs: ['P-256'] } as const
    await expect(keeper.keyPairs.createProfile(allowed.keystore, ownProfile)).rejects.toMatchObject({
      code: 'forbidden',
    })
    await expect(chief.keyPairs.createProfile(allowed.keystore, ownProfile)).rejects.toMatchObject({ code: 'conflict' })
    await expect(stranger.keyPairs.profile(allowed.uuid)).rejects.toMatchObject({ code: 'notFound' })
    await expect(chief.keyPairs.deleteProfile(allowed.uuid)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('belong to groups; one that is deleted is passed over', async () => {
    const group = await chief.groups.create({ name: 'shop people' })
    const key = await create({ groups: [group.uuid] })
    expect(key.groups).toMatchObject([{ name: 'shop people' }])
    await chief.groups.delete({ uuid: group.uuid })
    expect((await keeper.keyPairs.read(key.uuid)).groups).toEqual([])
  })

  it('come in pages', async () => {
    const all = await orderer.keyPairs.page({ page: 1, rows: 1000 })
    const two = await orderer.keyPairs.page({ page: 2, rows: 2 })
    expect(two.rows.map(({ uuid }) => uuid)).toEqual(all.rows.slice(2, 4).map(({ uuid }) => uuid))
    expect(two.total).toBe(all.rows.length)
  })

  it('sign for their owner, their groups and who manages keys, and not for all who may order', async () => {
    const key = await create({ groups: [] })
    for (const door of [orderer, beside])
      await expect(order(key, 'own.test', { door })).rejects.toMatchObject({ code: 'forbidden' })
    expect((await order(key, 'own.test', { door: keeper })).status).toBe('signed')
    const shared = await create()
    await expect(order(shared, 'shop.test', { door: beside })).rejects.toMatchObject({ code: 'forbidden' })
    expect((await order(shared, 'shop.test')).status).toBe('signed')
    await chief.groups.removeMember({ uuid: shop }, 'orderer')
    await expect(order(shared, 'shop.test')).rejects.toMatchObject({ code: 'forbidden' })
    await chief.groups.addMember({ uuid: shop }, 'orderer')
  })

  it('order certificates for whoever may order, by CSRs that they sign', async () => {
    for (const spec of ['RSA-2048', 'P-256', 'Ed25519'] as const) {
      const at =
        spec === 'Ed25519'
          ? await world.save('ed', { rules: auto, settings: { certificate: { keys: { ed25519: true } } } })
          : profile
      const key = await create({ spec })
      const request = await order(key, `${spec.toLowerCase()}.test`, { at })
      expect(request.status).toBe('signed')
      const certificate = await orderer.findCertificate({ id: request.id })
      expect(certificate?.spkiHash).toBe(key.spkiHash)
      expect((await orderer.keyPairs.read(key.uuid)).certificates).toBe(1)
      expect(
        (
          await orderer.keyPairs.ofCertificate({
            spkiHash: key.spkiHash,
            organizationId: profile.organizationId,
          })
        )?.uuid,
      ).toBe(key.uuid)
    }
    const key = await create()
    await expect(order(key, 'x.test', { door: chief, at: { ...profile, organizationId: 999 } })).rejects.toMatchObject({
      code: 'notFound',
    })
    await expect(order(key, 'x.test', { door: stranger })).rejects.toMatchObject({ code: 'notFound' })
  })

  it('sign by the digest asked, where the key has a choice', async () => {
    const names = { subject: nameOf({ CN: 'd.test' }), identifiers: [] }
    const rsa = await create({ spec: 'RSA-2048' })
    const { csr } = await orderer.keyPairs.order(profile, { key: rsa.uuid, digest: 'sha512', ...names })
    expect(csr.signatureAlgorithm).toBe('sha512WithRSAEncryption')
    const ec = await create()
    await expect(orderer.keyPairs.order(profile, { key: ec.uuid, digest: 'sha512', ...names })).rejects.toMatchObject({
      code: 'badAlgorithm',
    })
  })

  it('do nothing while they, or their key profile, are disabled', async () => {
    const key = await create()
    await keeper.keyPairs.enable(key.uuid, false)
    await expect(order(key, 'off.test')).rejects.toMatchObject({ code: 'conflict' })
    await keeper.keyPairs.enable(key.uuid, true)
    await chief.keyPairs.enableProfile(allowed.uuid, false)
    await expect(order(key, 'off.test')).rejects.toMatchObject({ code: 'conflict' })
    await expect(create()).rejects.toMatchObject({ code: 'conflict' })
    await chief.keyPairs.enableProfile(allowed.uuid, true)
    expect((await order(key, 'on.test')).status).toBe('signed')
  })

  it('are destroyed for ever, and not while something needs them', async () => {
    const key = await create()
    const waits = await world.save('waiting-keys', { rules: { ...auto, issue: looks } })
    const request = await order(key, 'w.test', { at: waits })
    await expect(keeper.keyPairs.destroy(key.uuid)).rejects.toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('requested'),
    })
    await orderer.approvals.cancel('sign', request.id)
    const signed = await order(key, 'w.test')
    await expect(keeper.keyPairs.destroy(key.uuid)).rejects.toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('certificate'),
    })
    await orderer.revoke({ protocol: 'ra', certificate: signed.id, grounds: 'user' })
    await keeper.keyPairs.destroy(key.uuid)
    await keeper.keyPairs.destroy(key.uuid)
    expect(await row(key)).toMatchObject({ sealed: null })
    expect(await keeper.keyPairs.read(key.uuid)).toMatchObject({ state: 'destroyed', certificates: 1 })
    expect(
      (await events()).filter(
        ({ action, details }) => action === 'key_pair.destroyed' && details.spkiHash === key.spkiHash,
      ),
    ).toHaveLength(1)
    await expect(order(key, 'w.test')).rejects.toMatchObject({ code: 'conflict' })
    await expect(keeper.keyPairs.enable(key.uuid, true)).rejects.toMatchObject({ code: 'conflict' })
  })

  it('a CSR of a destroyed key that is about orders nothing any more', async () => {
    const key = await create()
    const { csr } = await orderer.keyPairs.order(profile, {
      key: key.uuid,
      subject: nameOf({ CN: 'late.test' }),
      identifiers: [],
    })
    await keeper.keyPairs.destroy(key.uuid)
    const draft = {
      profile,
      protocol: 'ra',
      action: 'issue',
      csr,
      refusal: 'store',
      identifiers: [{ type: 'dns', value: 'late.test' }],
    } as const
    await expect(orderer.sign(draft)).rejects.toMatchObject({ code: 'badKey' })
  })

  it('of a destruction and an order at once one is refused', async () => {
    for (let round = 0; round < 4; round++) {
      const key = await create()
      const [ordered, destroyed] = await Promise.allSettled([
        order(key, 'race.test'),
        round % 2 === 0
          ? keeper.keyPairs.destroy(key.uuid)
          : Promise.resolve().then(() => keeper.keyPairs.destroy(key.uuid)),
      ])
      expect([ordered.status, destroyed.status].sort()).toEqual(['fulfilled', 'rejected'])
      expect((await row(key)).sealed === null).toBe(destroyed.status === 'fulfilled')
    }
  })

  it('the trail agrees, and says when somebody puts a key back or takes one away', async () => {
    while ((await sealAudit(world.it.db, world.it.auditSecret)) > 0);
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
    const key = await create()
    await transaction(world.it.db, (db) =>
      withTables<CoreTables>(db).updateTable('key_pairs').set({ sealed: null }).where('uuid', '=', key.uuid).execute(),
    )
    const { problems } = await verifyAudit(world.it.db, world.it.auditSecret)
    expect(problems.join()).toMatch(/key pair \d+ is destroyed, its events say otherwise/)
  })
})
