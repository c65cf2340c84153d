import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { generateKey } from '../../src/core/key.ts'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { nameOf } from '../../src/pki/name.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const year = 31_536_000_000

/** A CA of somebody else: its PEM with and without the key. */
async function foreignCa(now: Date) {
  const key = generateKey('P-256')
  const signer = signerFor(key)
  const subject = nameOf({ CN: 'Foreign CA' })
  const der = await issueCertificate(
    {
      serial: '0123456789abcdef0123456789abcdef',
      issuer: subject,
      subject,
      notBefore: new Date(now.getTime() - 3_600_000),
      notAfter: new Date(now.getTime() + year),
      publicKey: signer.publicKey,
      type: 'ca',
      identifiers: [],
      keyUsage: ['keyCertSign', 'cRLSign'],
      extendedKeyUsage: [],
      crlUrls: [],
      ocspUrls: [],
      issuerUrls: [],
    },
    signer,
  )
  const certificate = pemEncode('CERTIFICATE', der)
  return { certificate, withKey: certificate + key.export({ format: 'pem', type: 'pkcs8' }) }
}

describe.each(databases)('authorities, administered, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
  })
  afterAll(() => close())

  const idOf = async (name: string) => (await loadAuthority(world.it, name)).id

  test('are listed and shown to their organization, with the certificate and its issuers', async () => {
    const { admin } = people.as(people.alice)
    expect((await admin.authorities()).map(({ name }) => name)).toEqual(['issuing', 'root'])
    const shown = await admin.authority('issuing')
    expect(shown).toMatchObject({
      kind: 'local',
      organization: 'default',
      owner: 'admin',
      enabled: true,
      keyAlgorithm: 'P-256',
    })
    expect(shown.crlUrl).toMatch(/^http:\/\/ca\.test\/crl\/issuing\//)
    expect(shown.chain).toHaveLength(2)
  })
  test('of another organization are not there', async () => {
    const { admin } = people.as(people.stranger)
    expect(await admin.authorities()).toEqual([])
    await expect(admin.authority('issuing')).rejects.toMatchObject(failure('notFound'))
    await expect(admin.changeAuthority('issuing', { enabled: false })).rejects.toMatchObject(failure('notFound'))
  })
  test('a superuser and the local operator see those of all', async () => {
    await people
      .as(people.stranger)
      .admin.createAuthority({ name: 'theirs', key: 'P-256', subject: 'CN=Theirs', validity: year })
    expect((await people.as(people.root).admin.authorities()).map(({ name }) => name)).toContain('theirs')
    expect((await people.operator.admin.authorities()).map(({ name }) => name)).toContain('theirs')
    expect((await people.as(people.chief).admin.authorities()).map(({ name }) => name)).not.toContain('theirs')
  })

  test('an administrator makes one below a parent, which he owns unless he names an owner', async () => {
    const made = await people.as(people.chief).admin.createAuthority({
      name: 'web',
      key: 'P-256',
      subject: 'CN=Web CA',
      parent: 'root',
      validity: year,
      pathLength: 0,
    })
    expect(made).toMatchObject({ owner: 'chief', subject: 'CN=Web CA', enabled: true })
    const [own, root] = (await people.as(people.chief).admin.authority('web')).chain.map((der) => readCertificate(der))
    expect(own && root && verifyIssuedBy(own, root)).toBe(true)
  })
  test('a user needs create_ca, on the parent or on all', async () => {
    const { admin } = people.as(people.alice)
    const draft = { key: 'P-256', subject: 'CN=Alice CA', validity: year, pathLength: 0 } as const
    await expect(admin.createAuthority({ ...draft, name: 'alices', parent: 'root' })).rejects.toMatchObject(
      failure('forbidden', /create_ca/),
    )
    await people.give(people.alice, 'create_ca', { authorityId: await idOf('root') })
    expect(await admin.createAuthority({ ...draft, name: 'alices', parent: 'root' })).toMatchObject({ owner: 'alice' })
    await expect(admin.createAuthority({ ...draft, name: 'alices-root' })).rejects.toMatchObject(
      failure('forbidden', /create_ca/),
    )
  })
  test('a parent of another organization is not there', async () => {
    const draft = { name: 'below', key: 'P-256', subject: 'CN=Below', parent: 'root', validity: year } as const
    await expect(people.as(people.stranger).admin.createAuthority(draft)).rejects.toMatchObject(failure('notFound'))
  })
  test.each([
    ['a name that is taken', { name: 'root' }, 'conflict'],
    ['a name that stands in no URL', { name: 'Root CA' }, 'malformed'],
    ['a subject that is no name', { subject: 'not a name' }, 'malformed'],
    ['a parent that is not there', { parent: 'none' }, 'notFound'],
    ['an owner who is not there', { owner: 'none' }, 'notFound'],
    ['an owner of another organization', { owner: 'stranger' }, 'notFound'],
    ['an organization that is not there', { organization: 'none' }, 'notFound'],
  ] as const)('with %s none is made', async (_, change, code) => {
    const draft = { name: 'another', key: 'P-256', subject: 'CN=Another', validity: year, ...change } as const
    await expect(people.as(people.root).admin.createAuthority(draft)).rejects.toMatchObject(failure(code))
  })

  test('an existing CA is imported with its key, and signs', async () => {
    const ca = await foreignCa(world.it.clock())
    const made = await people.operator.admin.importAuthority({ name: 'imported', pem: ca.withKey, owner: 'chief' })
    expect(made).toMatchObject({ kind: 'local', subject: 'CN=Foreign CA', owner: 'chief' })
    expect((await people.operator.crl({ authority: 'imported' })).number).toBe(1n)
  })
  test('an import takes PEM or PKCS #12, one of the two', async () => {
    const { admin } = people.operator
    await expect(admin.importAuthority({ name: 'x' })).rejects.toMatchObject(failure('malformed'))
    await expect(admin.importAuthority({ name: 'x', pem: 'a', pkcs12: Buffer.from('a') })).rejects.toMatchObject(
      failure('malformed'),
    )
  })
  test('an import without the key, and one without right, is refused', async () => {
    const ca = await foreignCa(world.it.clock())
    await expect(people.operator.admin.importAuthority({ name: 'x', pem: ca.certificate })).rejects.toMatchObject(
      failure('malformed', /key/),
    )
    const bob = await people.operator.admin.createUser({ name: 'bob' })
    expect(bob.grants).toEqual([])
    const user = await people.named('bob')
    await expect(people.as(user).admin.importAuthority({ name: 'x', pem: ca.withKey })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(people.as(user).admin.addManualAuthority({ name: 'x', pem: ca.certificate })).rejects.toMatchObject(
      failure('forbidden'),
    )
  })
  test('one that signs elsewhere has no CRL of ours', async () => {
    const ca = await foreignCa(world.it.clock())
    const made = await people.as(people.chief).admin.addManualAuthority({ name: 'manual', pem: ca.certificate })
    expect(made).toMatchObject({
      kind: 'manual',
      crlUrl: expect.stringMatching(/^http/),
      ocspUrl: expect.stringMatching(/^http/),
    })
    await expect(people.operator.crl({ authority: 'manual' })).rejects.toMatchObject(failure('unsupported'))
  })

  describe('changes', () => {
    test('need manage on that authority', async () => {
      const { admin } = people.as(people.alice)
      await expect(admin.changeAuthority('issuing', { enabled: false })).rejects.toMatchObject(
        failure('forbidden', /manage/),
      )
      await people.give(people.alice, 'manage', { authorityId: await idOf('issuing') })
      expect(await admin.changeAuthority('issuing', { enabled: false })).toMatchObject({ enabled: false })
      expect(await admin.changeAuthority('issuing', { enabled: true })).toMatchObject({ enabled: true })
      await expect(admin.changeAuthority('root', { enabled: false })).rejects.toMatchObject(failure('forbidden'))
    })
    test('of the settings replace them, are audited and count at once', async () => {
      const settings = { crlValidity: '2d' }
      expect(await people.as(people.chief).admin.changeAuthority('web', { settings })).toMatchObject({ settings })
      const { thisUpdate, nextUpdate } = await people.operator.crl({ authority: 'web' })
      expect(nextUpdate.getTime() - thisUpdate.getTime()).toBe(2 * 86_400_000)
      expect(await audited(world, 'authority.changed')).toContainEqual(
        expect.objectContaining({ details: expect.objectContaining({ name: 'web', settings }) }),
      )
    })
    test.each([{ settings: { crlValidity: 'long' } }, { settings: { colour: 'red' } }, { settings: [] }, {}])(
      'that are none are refused: %j',
      async (change) => {
        await expect(people.as(people.root).admin.changeAuthority('web', change)).rejects.toMatchObject(
          failure('malformed'),
        )
      },
    )
    test('make nobody of another organization the owner', async () => {
      await expect(people.as(people.chief).admin.changeAuthority('web', { owner: 'stranger' })).rejects.toMatchObject(
        failure('notFound'),
      )
      expect(await people.as(people.chief).admin.changeAuthority('web', { owner: 'alice' })).toMatchObject({
        owner: 'alice',
      })
    })
  })

  test('the audit trail is proved for a superuser and the local operator only', async () => {
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
    expect((await people.operator.admin.verifyAudit()).unsealed).toBeGreaterThan(0)
    await expect(people.as(people.chief).admin.verifyAudit()).rejects.toMatchObject(failure('forbidden'))
  })
})
