import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { Door } from '../../src/core/core.ts'
import { type Capability, grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import type { KeyPair } from '../../src/core/key/keyPairView.ts'
import type { KeyProfile } from '../../src/core/key/keyProfile.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameOf } from '../../src/pki/name.ts'
import { readPublicKey } from '../../src/pki/publicKey.ts'
import { databases } from '../helpers/databases.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const yes = [{ name: 'nobody looks', auto: true }]
const looks = [{ name: 'a person looks', require: [{ users: ['chief'] }] }]
const auto = { issue: yes, renew: yes, rekey: yes, revoke: yes }

describe.each(databases)('the life of a key pair with its certificates on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>
  let chief: Door
  let owner: Door
  let shop: string
  let profile: RaProfile
  let allowed: KeyProfile
  let number = 0

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    const { organizationId } = await world.profile()
    const change = { actor: system('test'), at: world.time.now }
    const person = (name: string, capabilities: Capability[], admin = false) =>
      transaction(opened.db, async (db) => {
        const user = await createUser(db, change, { name, organizationId, admin })
        for (const capability of capabilities)
          await grantCapability(db, change, { capability, to: { userId: user.id }, organizationId })
        return world.core.as(asRequester(user))
      })
    chief = await person('chief', [], true)
    owner = await person('owner', ['create_cert', 'revoke_cert', 'read'])
    shop = (await chief.groups.create({ name: 'shop' })).uuid
    await chief.groups.addMember({ uuid: shop }, 'owner')
    profile = await world.save('keys', { rules: auto })
    const [store] = await chief.keyPairs.keystores()
    allowed = await chief.keyPairs.createProfile(store?.uuid ?? '', { name: 'web', specs: ['P-256'], enabled: true })
  })
  afterAll(async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
    await close()
  })

  const create = (): Promise<KeyPair> =>
    chief.keyPairs.create({ profile: allowed.uuid, name: `key ${++number}`, groups: [shop] })

  async function order(key: KeyPair, at = profile) {
    const names = { subject: nameOf({ CN: 'a.test' }), identifiers: [{ type: 'dns', value: 'a.test' }] as const }
    const { csr, claim } = await owner.keyPairs.order(at, { key: key.uuid, ...names })
    return (await owner.sign({ profile: at, protocol: 'ra', action: 'issue', csr, refusal: 'store' }, claim)).request
  }

  async function rekey(certificate: number, { key, at = profile }: { key?: string; at?: RaProfile } = {}) {
    const made = await owner.keyPairs.successor(at, { id: certificate }, key === undefined ? {} : { key })
    const next = await owner.successor({ id: certificate }, 'rekey', made.csr)
    const { request } = await owner.sign({ ...next, profile: at, protocol: 'ra', refusal: 'store' }, made.claim)
    if (request.status === 'denied') await made.refused()
    return request
  }

  const keys = () => withTables<CoreTables>(world.it.db).selectFrom('key_pairs').selectAll().orderBy('id').execute()
  const stateOf = async ({ uuid }: KeyPair) => (await owner.keyPairs.read(uuid)).state

  it('a key that others know is compromised, whoever said so, also once it is destroyed', async () => {
    const superuser = world.core.as(system('test')).admin
    const key = await create()
    const read = async () => {
      const { state, compliance, certificates } = await owner.keyPairs.read(key.uuid)
      return [state, compliance, certificates]
    }
    expect(await read()).toEqual(['active', 'not_checked', 0])
    const { id } = await order(key)
    expect(await read()).toEqual(['active', 'ok', 1])
    await superuser.blockKey({ spkiSha256: key.spkiHash, reason: 'keyCompromise' })
    expect(await read()).toEqual(['compromised', 'ok', 1])
    await superuser.unblockKey(key.spkiHash)
    await superuser.blockKey({ spkiSha256: key.spkiHash, reason: 'moved' })
    expect(await read()).toEqual(['active', 'ok', 1])
    await owner.revoke({ protocol: 'ra', certificate: id, grounds: 'user', reason: 'keyCompromise' })
    expect(await read()).toEqual(['compromised', 'ok', 1])
    await chief.keyPairs.destroy(key.uuid)
    expect(await read()).toEqual(['compromisedDestroyed', 'ok', 1])
    const { rows } = await owner.keyPairs.page({ page: 1, rows: 1000, destroyed: true })
    expect(rows.map(({ uuid }) => uuid)).toContain(key.uuid)
    expect((await owner.keyPairs.page({ page: 1, rows: 1000, destroyed: false })).rows).not.toContainEqual(
      expect.objectContaining({ uuid: key.uuid }),
    )
  })

  it('a new key like the old one is made to rekey, and stored with the order', async () => {
    const old = await create()
    const { id } = await order(old)
    const request = await rekey(id)
    expect(request.status).toBe('signed')
    const certificate = await owner.findCertificate({ id: request.id })
    const made = certificate && (await owner.keyPairs.ofCertificate(certificate))
    expect(made).toMatchObject({ spec: old.spec, profile: old.profile, certificates: 1, owner: { name: 'owner' } })
    expect(made?.uuid).not.toBe(old.uuid)
    expect(made?.name).toMatch(new RegExp(`^${old.name} [0-9a-f]{12}$`))
    expect(certificate?.identifiers).toEqual([{ type: 'dns', value: 'a.test' }])
  })

  it('two at once make two, and each order has its own', async () => {
    const { id } = await order(await create())
    const before = (await keys()).length
    const made = await Promise.all([rekey(id), rekey(id)])
    const certificates = await Promise.all(made.map((one) => owner.findCertificate({ id: one.id })))
    expect(new Set(certificates.map((one) => one?.spkiHash)).size).toBe(2)
    expect((await keys()).length).toBe(before + 2)
  })

  it('a key that was made and whose order never came is nowhere', async () => {
    const { id } = await order(await create())
    const before = await keys()
    await owner.keyPairs.successor(profile, { id }, {})
    expect(await keys()).toEqual(before)
  })

  it('a key that was made for an order which is refused is destroyed', async () => {
    const strict = await world.save('strict', {
      rules: { ...auto, rekey: [{ name: 'never', deny: 'no new keys today' }] },
    })
    const { id } = await order(await create(), strict)
    expect((await rekey(id, { at: strict })).status).toBe('denied')
    expect((await keys()).at(-1)).toMatchObject({ sealed: null, destroyed_at: world.time.now.getTime() })
  })

  it('to rekey by a key that is named needs that key; a certificate whose key is elsewhere needs one', async () => {
    const { id } = await order(await create())
    const other = await create()
    const request = await rekey(id, { key: other.uuid })
    expect((await owner.findCertificate({ id: request.id }))?.spkiHash).toBe(other.spkiHash)
    const first = await owner.findCertificate({ id })
    await owner.revoke({ protocol: 'ra', certificate: id, grounds: 'user', destroyKey: true })
    expect(first && (await owner.keyPairs.ofCertificate(first))?.state).toBe('destroyed')
    await expect(owner.keyPairs.successor(profile, { id }, {})).rejects.toMatchObject({ code: 'malformed' })
  })

  it('a revocation destroys it in the same moment, when that is asked', async () => {
    const [kept, gone] = [await create(), await create()]
    const [one, two] = [await order(kept), await order(gone)]
    await owner.revoke({ protocol: 'ra', certificate: one.id, grounds: 'user' })
    await owner.revoke({ protocol: 'ra', certificate: two.id, grounds: 'user', destroyKey: true })
    expect([await stateOf(kept), await stateOf(gone)]).toEqual(['active', 'destroyed'])
  })

  it('one that waits for people destroys it when they approve, who see it, and not before', async () => {
    const waits = await world.save('waits', { rules: { ...auto, revoke: looks } })
    const key = await create()
    const { id } = await order(key, waits)
    const request = await owner.revoke({ protocol: 'ra', certificate: id, grounds: 'user', destroyKey: true })
    expect(request).toMatchObject({ status: 'requested', destroyKey: true })
    expect(request.findings).toMatchObject([{ check: 'destroyKey' }])
    expect(await stateOf(key)).toBe('active')
    await expect(owner.revoke({ protocol: 'ra', certificate: id, grounds: 'user' })).rejects.toMatchObject({
      code: 'conflict',
    })
    const { hash } = await chief.approvals.review('revoke', request.id)
    await chief.approvals.vote('revoke', request.id, { verdict: 'approve', hash })
    expect(await stateOf(key)).toBe('destroyed')
    expect((await owner.findCertificate({ id }))?.status).toBe('revoked')
  })

  it('a denied or canceled one leaves it alone', async () => {
    const waits = await world.save('waits-more', { rules: { ...auto, revoke: looks } })
    const key = await create()
    const { id } = await order(key, waits)
    const draft = { protocol: 'ra', certificate: id, grounds: 'user', destroyKey: true } as const
    await owner.approvals.cancel('revoke', (await owner.revoke(draft)).id)
    const request = await owner.revoke(draft)
    const { hash } = await chief.approvals.review('revoke', request.id)
    await chief.approvals.vote('revoke', request.id, { verdict: 'deny', hash, reason: 'still in use' })
    expect(await stateOf(key)).toBe('active')
  })

  it('what another certificate uses is not destroyed: said when asked, or on record when that comes later', async () => {
    const waits = await world.save('waits-long', { rules: { ...auto, revoke: looks } })
    const key = await create()
    const first = await order(key, waits)
    const draft = { protocol: 'ra', certificate: first.id, grounds: 'user', destroyKey: true } as const
    const request = await owner.revoke(draft)
    const second = await order(key)
    const { hash } = await chief.approvals.review('revoke', request.id)
    await chief.approvals.vote('revoke', request.id, { verdict: 'approve', hash })
    expect((await owner.findCertificate({ id: first.id }))?.status).toBe('revoked')
    expect(await stateOf(key)).toBe('active')
    const { reason } = await owner.list.request(request.id, 'revoke')
    expect(reason).toMatch(/its key was not destroyed: certificate [0-9a-f]+ uses it/)
    const third = await order(key)
    await expect(owner.revoke({ ...draft, certificate: third.id })).rejects.toMatchObject({ code: 'conflict' })
    await owner.revoke({ protocol: 'ra', certificate: second.id, grounds: 'user' })
    await owner.revoke({ ...draft, certificate: third.id })
    expect(await stateOf(key)).toBe('destroyed')
  })

  it('a hold destroys nothing, and neither is destroyed what is not here', async () => {
    const { id } = await order(await create())
    const draft = { protocol: 'ra', grounds: 'user', destroyKey: true } as const
    await expect(owner.revoke({ ...draft, certificate: id, reason: 'certificateHold' })).rejects.toMatchObject({
      code: 'badReason',
    })
    await owner.revoke({ ...draft, certificate: id })
    const own = { profile, protocol: 'ra', action: 'issue', csr: await newCsr(['b.test']), refusal: 'store' } as const
    const elsewhere = (await owner.sign(own)).request
    await expect(owner.revoke({ ...draft, certificate: elsewhere.id })).rejects.toMatchObject({ code: 'conflict' })
  })

  it('one that waits for an authority elsewhere destroys it when that has confirmed, by hand or by its CRL', async () => {
    const manual = await manualAuthority(world)
    const at = await world.save('elsewhere', { rules: auto, authority: manual.id })
    const pending = async () => {
      const key = await create()
      const { id } = await order(key, at)
      const publicKey = readPublicKey(key.publicKey)
      const { der } = await manual.ca.issue({ publicKey, identifiers: [{ type: 'dns', value: 'a.test' }] })
      await chief.upload(id, [der])
      const request = await owner.revoke({ protocol: 'ra', certificate: id, grounds: 'user', destroyKey: true })
      expect([request.status, await stateOf(key)]).toEqual(['revoking', 'active'])
      return { key, request, serial: readCertificate(der).serial }
    }
    const one = await pending()
    await chief.approvals.confirmRevoked(one.request.id)
    expect(await stateOf(one.key)).toBe('destroyed')
    const two = await pending()
    const entries = [{ serial: two.serial, revokedAt: world.time.now }]
    const crl = await manual.ca.crl({ number: 1n, entries })
    await chief.admin.uploadCrl(manual.name, crl)
    expect(await stateOf(two.key)).toBe('destroyed')
  })

  it('is exported by nobody', async () => {
    const { id } = await order(await create())
    await expect(chief.admin.exportKey({ id })).rejects.toMatchObject({ code: 'unsupported' })
  })

  it('a renewal by the kept request ends with the key', async () => {
    const key = await create()
    const { id } = await order(key)
    const next = await owner.successor({ id }, 'renew')
    const renewed = (await owner.sign({ ...next, protocol: 'ra', refusal: 'store' })).request
    expect(renewed.status).toBe('signed')
    for (const certificate of [id, renewed.id]) await owner.revoke({ protocol: 'ra', certificate, grounds: 'user' })
    await chief.keyPairs.destroy(key.uuid)
    expect(await stateOf(key)).toBe('destroyed')
  })
})
