import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { certificateOwner } from '../../src/core/login/certificateLogin.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, newCsr, type World } from '../helpers/world.ts'

const day = 86_400_000

describe.each(databases)('client certificates that log in, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let [root, chief, alice, stranger]: Door[] = []
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    world.it.identity = { sessionIdle: 1, sessionLength: 1, loginAuthorities: ['issuing'] }
    ;[root, chief, alice, stranger] = [people.root, people.chief, people.alice, people.stranger].map(people.as)
  })
  afterAll(() => close())
  const it = () => ({ root: root as Door, chief: chief as Door, alice: alice as Door, stranger: stranger as Door })

  async function issue(name: string, more: { type?: 'server' | 'client' | 'dual_purpose'; validity?: string } = {}) {
    const profile = await world.save(`p-${name}`, {
      settings: { certificate: { type: more.type ?? 'client' } },
      rules: {
        issue: [{ name: 'all', when: 'true', auto: true }],
        revoke: [{ name: 'all', when: 'true', auto: true }],
      },
    })
    const csr = await newCsr([`${name}.example.org`], { subject: { CN: `${name}.example.org` } })
    const draft = {
      profile,
      protocol: 'ra',
      action: 'issue',
      csr,
      identifiers: csr.identifiers,
      refusal: 'throw',
    } as const
    const { request } = await it().chief.sign(draft)
    const certificate = await findCertificate(world.it.db, { id: request.id })
    if (!certificate) throw new Error(`not issued: ${request.status} ${request.reason}`)
    return certificate
  }
  const owner = async ({ der }: { der: Buffer }) => (await world.core.authentication.certificate({ der }))?.name

  test('log in when they are bound, of an authority for that, for clients, and good at this moment', async () => {
    const certificate = await issue('laptop')
    expect(await owner(certificate)).toBeUndefined()
    const { uuid } = await it().alice.identities.bind('alice', {
      kind: 'certificate',
      fingerprint: certificate.fingerprint,
    })
    expect(await certificateOwner(world.it, certificate.der)).toEqual(asRequester(people.alice))
    expect(await owner({ der: Buffer.concat([certificate.der, Buffer.alloc(1)]) })).toBeUndefined()
    const again = it().root.identities.bind('chief', { kind: 'certificate', fingerprint: certificate.fingerprint })
    await expect(again).rejects.toMatchObject(failure('conflict'))

    world.it.identity = { sessionIdle: 1, sessionLength: 1, loginAuthorities: ['root'] }
    expect(await owner(certificate)).toBeUndefined()
    world.it.identity = { sessionIdle: 1, sessionLength: 1, loginAuthorities: ['issuing'] }
    expect(await owner(certificate)).toBe('alice')
    world.time.pass(4000 * day)
    expect(await owner(certificate)).toBeUndefined()
    world.time.pass(-4000 * day)
    world.time.pass(-day)
    expect(await owner(certificate)).toBeUndefined()
    world.time.pass(day)
    await it().chief.admin.changeUser('alice', { enabled: false })
    expect(await owner(certificate)).toBeUndefined()
    await it().chief.admin.changeUser('alice', { enabled: true })
    await it().alice.identities.unbind(uuid)
    expect(await owner(certificate)).toBeUndefined()
  })
  test('log in no more once they are on hold or revoked', async () => {
    const certificate = await issue('revoked')
    await it().root.identities.bind('alice', { kind: 'subject', authority: 'issuing', subject: certificate.subject })
    expect(await owner(certificate)).toBe('alice')
    const revoke = (reason: 'certificateHold' | 'superseded') =>
      it().root.revoke({ protocol: 'ra', certificate: certificate.id, grounds: 'user', reason })
    await revoke('certificateHold')
    expect(await owner(certificate)).toBeUndefined()
    await it().root.unhold({ certificate: certificate.id, protocol: 'ra' })
    expect(await owner(certificate)).toBe('alice')
    await revoke('superseded')
    expect(await owner(certificate)).toBeUndefined()
    expect(await owner(await issue('stays', { type: 'dual_purpose' }))).toBeUndefined()
  })
  test('for servers log nobody in', async () => {
    const certificate = await issue('server', { type: 'server' })
    await it().root.identities.bind('alice', { kind: 'certificate', fingerprint: certificate.fingerprint })
    expect(await owner(certificate)).toBeUndefined()
  })
  test('and subjects are bound by nobody who would get another’s votes by it', async () => {
    const { fingerprint, subject } = await issue('tempting')
    const { chief, alice, stranger, root } = it()
    await people.setPassword(people.alice)
    const certificate = { kind: 'certificate', fingerprint } as const
    await expect(chief.identities.bind('alice', certificate)).rejects.toMatchObject(failure('forbidden', /already/))
    await expect(people.operator.identities.bind('alice', certificate)).rejects.toMatchObject(failure('forbidden'))
    await expect(chief.identities.bind('admin', certificate)).rejects.toMatchObject(failure('forbidden'))
    await expect(stranger.identities.bind('alice', certificate)).rejects.toMatchObject(failure('notFound'))
    await expect(stranger.identities.bind('stranger', certificate)).rejects.toMatchObject(failure('notFound'))
    await expect(
      alice.identities.bind('alice', { kind: 'subject', authority: 'issuing', subject }),
    ).rejects.toMatchObject(failure('forbidden'))
    await expect(
      alice.identities.bind('alice', { kind: 'oidc', issuer: 'https://x', subject: 'y' }),
    ).rejects.toMatchObject(failure('forbidden'))
    await expect(chief.identities.bindings('admin')).rejects.toMatchObject(failure('forbidden'))
    await chief.admin.createUser({ name: 'fresh' })
    expect(await chief.identities.bind('fresh', certificate)).toMatchObject({ user: 'fresh', fingerprint })
    expect(await root.identities.bindings('fresh')).toHaveLength(1)
    await expect(
      stranger.identities.unbind((await root.identities.bindings('fresh'))[0]?.uuid ?? ''),
    ).rejects.toMatchObject(failure('notFound'))
  })

  test('are bound by nobody to whom they do not speak by their subject', async () => {
    const certificate = await issue('taken')
    const { alice, chief, root } = it()
    const { uuid } = await root.identities.bind('chief', {
      kind: 'subject',
      authority: 'issuing',
      subject: certificate.subject,
    })
    const draft = { kind: 'certificate', fingerprint: certificate.fingerprint } as const
    await expect(alice.identities.bind('alice', draft)).rejects.toMatchObject(failure('conflict', /subject/))
    expect(await owner(certificate)).toBe('chief')
    await chief.identities.bind('chief', draft)
    await root.identities.unbind(uuid)
    expect(await owner(certificate)).toBe('chief')
  })
  describe('whoever has such a way in and no password', () => {
    const bind = async (name: string) => {
      const { fingerprint } = await issue(name)
      await it().chief.admin.createUser({ name })
      const link = await it().chief.admin.createSetupLink(name)
      const { uuid } = await it().root.identities.bind(name, { kind: 'certificate', fingerprint })
      return { uuid, link }
    }
    test('gets no setup link but from a superuser, and one made before is good no more', async () => {
      const { chief, root } = it()
      const { link } = await bind('olga')
      for (const door of [chief, people.operator])
        await expect(door.admin.createSetupLink('olga')).rejects.toMatchObject(failure('forbidden', /way to log in/))
      const used = world.core.authentication.usePasswordLink(link.secret, 'the password of the chief')
      await expect(used).rejects.toMatchObject(failure('unauthenticated'))
      expect((await root.admin.createSetupLink('olga')).secret).toMatch(/^[\w-]{43}$/)
    })
    test('loses it by no administrator, who could give another then', async () => {
      const { chief, root } = it()
      const { uuid } = await bind('petra')
      for (const door of [chief, people.operator])
        await expect(door.identities.unbind(uuid)).rejects.toMatchObject(failure('forbidden', /disable/))
      const { fingerprint } = await issue('petra2')
      const second = await root.identities.bind('petra', { kind: 'certificate', fingerprint })
      const both = await Promise.allSettled([chief.identities.unbind(uuid), chief.identities.unbind(second.uuid)])
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      await people
        .as(await people.named('petra'))
        .identities.unbind((await root.identities.bindings('petra'))[0]?.uuid ?? '')
      expect(await root.identities.bindings('petra')).toEqual([])
    })
  })
})
