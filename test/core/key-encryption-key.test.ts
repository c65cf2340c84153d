import { createDecipheriv, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CredentialDraft } from '../../src/core/enrolment/credentialAdmin.ts'
import { findKek } from '../../src/core/enrolment/keyEncryptionKey.ts'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('key-encryption keys (RFC 7030 section 4.4.1.1), on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    await world.save('other', {})
  })
  afterAll(() => close())

  const user = async (name: string, manages: boolean) => {
    const { organizationId } = await world.profile()
    const change = { actor: system('test'), at: world.time.now }
    const made = await transaction(world.it.db, async (db) => {
      const made = await createUser(db, change, { name, organizationId })
      if (manages) await grantCapability(db, change, { capability: 'manage', to: { userId: made.id }, organizationId })
      return made
    })
    return world.core.as(asRequester(made)).admin
  }

  const draft = (name: string, more: Partial<CredentialDraft> = {}): CredentialDraft => ({
    kind: 'kek',
    profile: 'default',
    name,
    ...more,
  })
  const find = async (identifier: Buffer | string, profile = 'default') =>
    findKek(world.it, await world.profile(profile), Buffer.from(identifier))

  it('one of 32 octets is made and shown once; it wraps, and never shows itself', async () => {
    const admin = await user('makes', true)
    const { secret, view } = await admin.createCredential(draft('device-1'))
    const octets = Buffer.from(secret, 'base64url')
    expect(octets.length).toBe(32)
    expect(JSON.stringify(await admin.credentials({ kind: 'kek' }))).not.toContain(secret)
    const kek = await find('device-1')
    expect(kek?.wrap).toBe('aes-256-wrap')
    expect(JSON.stringify(kek)).not.toContain(secret)
    const contentKey = randomBytes(32)
    const decipher = createDecipheriv('id-aes256-wrap', octets, Buffer.alloc(8, 0xa6))
    const wrapped = kek?.wrapKey(contentKey) ?? Buffer.alloc(0)
    expect(Buffer.concat([decipher.update(wrapped), decipher.final()])).toEqual(contentKey)
    expect(view.name).toBe('device-1')
  })

  it('one from elsewhere is taken in each length that AES has, and under any octets', async () => {
    const admin = await user('brings', true)
    for (const [length, wrap] of [
      [16, 'aes-128-wrap'],
      [24, 'aes-192-wrap'],
      [32, 'aes-256-wrap'],
    ] as const) {
      const secret = randomBytes(length).toString('base64url')
      expect((await admin.createCredential(draft(`brought-${length}`, { secret }))).secret).toBe(secret)
      expect((await find(`brought-${length}`))?.wrap).toBe(wrap)
    }
    await admin.createCredential(draft('hex:00ff', { secret: randomBytes(16).toString('base64url') }))
    expect(await find(Buffer.from('00ff', 'hex'))).toBeDefined()
  })

  it.each([
    ['of another length', Buffer.alloc(20).toString('base64url')],
    ['that is no base64url', 'not base64url!'],
    ['with padding', `${Buffer.alloc(16).toString('base64')}`],
    ['without octets', ''],
  ])('one %s is refused', async (name, secret) => {
    const admin = await user(`bad-${name.replace(/[^a-z]/g, '-')}`, true)
    await expect(admin.createCredential(draft('bad', { secret }))).rejects.toMatchObject({ code: 'malformed' })
  })

  it('another kind of credential takes no secret from elsewhere', async () => {
    const admin = await user('eab', true)
    const secret = Buffer.alloc(32).toString('base64url')
    await expect(admin.createCredential({ kind: 'eab', profile: 'default', secret })).rejects.toMatchObject({
      code: 'malformed',
    })
  })

  it('is not found where it is revoked, past its time, of another profile or kind', async () => {
    const admin = await user('ends', true)
    const { view } = await admin.createCredential(draft('revoked'))
    expect(await find('revoked')).toBeDefined()
    expect(await find('revoked', 'other')).toBeUndefined()
    await admin.revokeCredential(view.uuid)
    expect(await find('revoked')).toBeUndefined()
    await admin.createCredential(draft('brief', { expiresAt: new Date(world.time.now.getTime() + 1000) }))
    expect(await find('brief')).toBeDefined()
    world.time.pass(1000)
    expect(await find('brief')).toBeUndefined()
    await admin.createCredential({ kind: 'eab', profile: 'default', name: 'mac-key' })
    expect(await find('mac-key')).toBeUndefined()
    expect(await find(Buffer.alloc(64, 0xff))).toBeUndefined()
  })

  it('is made and ended by who manages the profile, and by no one else', async () => {
    const nobody = await user('nobody', false)
    await expect(nobody.createCredential(draft('denied'))).rejects.toMatchObject({ code: 'forbidden' })
    const { view } = await (await user('owner', true)).createCredential(draft('kept'))
    await expect(nobody.revokeCredential(view.uuid)).rejects.toMatchObject({ code: 'forbidden' })
    expect(await find('kept')).toBeDefined()
  })
})
