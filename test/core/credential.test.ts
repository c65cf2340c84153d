import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Credential } from '../../src/core/enrolment/credential.ts'
import type { CredentialDraft } from '../../src/core/enrolment/credentialAdmin.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readWitness } from '../../src/pki/cmcControl.ts'
import { readTlv } from '../../src/pki/der.ts'
import { witness } from '../helpers/cmc.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('enrolment credentials on $name', ({ open }) => {
  let db: Database
  let world: World
  let people: People
  let profile: RaProfile
  let close: () => Promise<void>
  beforeAll(async () => {
    ;({ db, close } = await open())
    world = await createWorld(db)
    people = await createPeople(world)
    profile = await world.profile()
  })
  afterAll(() => close())

  const create = (draft: Partial<CredentialDraft> = {}, by = people.as(people.chief)) =>
    by.admin.createCredential({ kind: 'eab', profile: 'default', ...draft })
  const redeem = (id: number, ref = 'account-1') =>
    transaction(db, (db) => world.core.as(acmeAccount(ref)).redeemCredential(db, id))
  async function found(name: string, of = profile): Promise<Credential> {
    const credential = await world.core.as(acmeAccount()).credential(of, 'eab', name)
    if (!credential) throw new Error('no such credential')
    return credential
  }
  const view = async (uuid: string) => {
    const all = await people.as(people.chief).admin.credentials()
    return all.find((credential) => credential.uuid === uuid)
  }

  describe('a shared secret of CMC', () => {
    const input = Buffer.from('the requests')
    const over = { identification: 'gate 7', input }

    test('proves identity as RFC 10002 section 6.2.1 has it, and is known by its text', async () => {
      const { secret, view } = await create({ kind: 'cmc', name: 'gate-7' })
      expect(secret).toMatch(/^[A-Za-z0-9_-]{32}$/)
      const credential = await world.core.as(acmeAccount()).credential(profile, 'cmc', view.name)
      const read = (value: Buffer) => readWitness(readTlv(value))
      expect(credential?.verifyWitness(read(witness({ secret, ...over })), over)).toBe(true)
      expect(credential?.verifyWitness(read(witness({ secret, input })), over)).toBe(false)
      expect(credential?.verifyWitness(read(witness({ secret: `${secret}A`, ...over })), over)).toBe(false)
      expect(credential?.isSecret(Buffer.from(secret))).toBe(true)
      expect(credential?.isSecret(Buffer.from(secret.toLowerCase()))).toBe(false)
      expect(credential?.isSecret(Buffer.alloc(0))).toBe(false)
    })

    test('is another than the MAC key of the same name', async () => {
      await create({ kind: 'cmc', name: 'both' })
      await create({ kind: 'eab', name: 'both' })
      const [eab, cmc] = await Promise.all(
        (['eab', 'cmc'] as const).map((kind) => world.core.as(acmeAccount()).credential(profile, kind, 'both')),
      )
      expect(eab?.id).not.toBe(cmc?.id)
    })
  })

  describe('a proof', () => {
    const input = Buffer.from('what is signed')

    test.each(['sha256', 'sha384', 'sha512'] as const)('is the HMAC under the secret, with %s', async (hash) => {
      const { secret, view } = await create()
      const mac = createHmac(hash, Buffer.from(secret, 'base64url')).update(input).digest()
      const credential = await found(view.name)
      expect(credential.verifyMac(hash, input, mac)).toBe(true)
      expect(credential.people).toEqual([people.chief.id])
    })

    test('is refused with one bit changed, shorter, longer, empty, of other input and of another secret', async () => {
      const { secret, view } = await create()
      const key = Buffer.from(secret, 'base64url')
      const mac = createHmac('sha256', key).update(input).digest()
      const other = createHmac('sha256', Buffer.alloc(64)).update(input).digest()
      const flipped = Buffer.from(mac)
      flipped[31] = (flipped[31] ?? 0) ^ 1
      const { verifyMac } = await found(view.name)
      for (const wrong of [flipped, mac.subarray(1), Buffer.concat([mac, Buffer.of(0)]), Buffer.alloc(0), other])
        expect(verifyMac('sha256', input, wrong)).toBe(false)
      expect(verifyMac('sha256', Buffer.from('other'), mac)).toBe(false)
      expect(verifyMac('sha512', input, mac)).toBe(false)
    })

    test('is given without the secret', async () => {
      const credential = await found((await create()).view.name)
      expect(Object.keys(credential).sort()).toEqual([
        'id',
        'isSecret',
        'passwordMac',
        'people',
        'uuid',
        'verifyMac',
        'verifyWitness',
      ])
    })

    test('is not asked of another profile’s, nor of a name that is not there', async () => {
      const { view } = await create()
      await world.save('third', {})
      const door = world.core.as(acmeAccount())
      expect(await door.credential(await world.profile('third'), 'eab', view.name)).toBeUndefined()
      expect(await door.credential(profile, 'eab', 'nothing')).toBeUndefined()
    })

    test('a sealed secret that was moved to another row does not open', async () => {
      const [one, two] = [await create(), await create()]
      const tables = withTables<CoreTables>(db)
      const { sealed } = await tables
        .selectFrom('credentials')
        .select('sealed')
        .where('uuid', '=', one.view.uuid)
        .executeTakeFirstOrThrow()
      await transaction(db, (db) =>
        withTables<CoreTables>(db)
          .updateTable('credentials')
          .set({ sealed })
          .where('uuid', '=', two.view.uuid)
          .execute(),
      )
      await expect(found(two.view.name)).rejects.toMatchObject(failure('internal'))
    })
  })

  describe('using one', () => {
    test('once: of eight at once one has it', async () => {
      const { view: made } = await create({ singleUse: true })
      const { id } = await found(made.name)
      const results = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => redeem(id, `racer-${at}`)))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toMatchObject(failure('forbidden', /good once/))
      const winner = results.findIndex(({ status }) => status === 'fulfilled')
      expect(await view(made.uuid)).toMatchObject({ usedBy: `acme-account:racer-${winner}` })
      const used = (await audited(world, 'credential.used')).filter(({ subject_id }) => subject_id === id)
      expect(used).toHaveLength(1)
    })

    test('and failing afterwards leaves it unused', async () => {
      const { view: made } = await create({ singleUse: true })
      const { id } = await found(made.name)
      const door = world.core.as(acmeAccount())
      const undone = transaction(db, async (db) => {
        await door.redeemCredential(db, id)
        throw new Error('something else failed')
      })
      await expect(undone).rejects.toThrow('something else')
      expect(await view(made.uuid)).toMatchObject({ usedAt: null, usedBy: null })
      await redeem(id)
      expect(await view(made.uuid)).toMatchObject({ usedAt: world.time.now })
    })

    test('without a limit: again and again', async () => {
      const { view: made } = await create()
      const { id } = await found(made.name)
      for (const ref of ['one', 'two', 'three']) await redeem(id, ref)
      expect(await view(made.uuid)).toMatchObject({ usedBy: 'acme-account:three' })
    })

    test('is refused past its time and after its revocation, with the reason', async () => {
      const late = await create({ expiresAt: new Date(world.time.now.getTime() + 1000) })
      const gone = await create()
      const { id } = await found(late.view.name)
      await redeem(id)
      world.time.pass(1000)
      await expect(redeem(id)).rejects.toMatchObject(failure('forbidden', /past its time/))
      await people.as(people.chief).admin.revokeCredential(gone.view.uuid)
      await expect(redeem((await found(gone.view.name)).id)).rejects.toMatchObject(failure('forbidden', /revoked/))
    })
  })

  describe('the names of one', () => {
    const admitted = async (identifiers: unknown, names: { type: 'dns' | 'ip' | 'email'; value: string }[]) => {
      const { view } = await create(identifiers === undefined ? {} : { identifiers })
      const { id } = await found(view.name)
      return world.core.as(acmeAccount()).admitCredential(db, id, names)
    }
    const www = { type: 'dns', value: 'www.example.org' } as const

    test('are what the profile certifies where none are given, and nobody is bound to them', async () => {
      expect(await admitted(undefined, [www])).toEqual({ bound: false })
    })

    test.each([
      [{ dns: ['www.example.org'] }, [www]],
      [{ dns: ['.example.org'] }, [www, { type: 'dns', value: '*.a.example.org' }]],
      [{ ip: ['192.0.2.0/24'] }, [{ type: 'ip', value: '192.0.2.200' }]],
      [{ email: ['*@example.org'] }, [{ type: 'email', value: 'A@Example.org' }]],
    ] as const)('%j are for %j', async (identifiers, names) => {
      expect(await admitted(identifiers, [...names])).toEqual({ bound: true })
    })

    test.each([
      [{ dns: ['.example.org'] }, { type: 'dns', value: 'example.org' }],
      [
        { dns: ['.example.org'], wildcards: false },
        { type: 'dns', value: '*.example.org' },
      ],
      [{ dns: ['**'] }, { type: 'ip', value: '192.0.2.1' }],
      [{ ip: ['192.0.2.0/24'] }, { type: 'ip', value: '192.0.3.1' }],
      [{ ip: ['0.0.0.0/0'] }, { type: 'ip', value: '::1' }],
      [{ ip: ['0.0.0.0/0'] }, { type: 'dns', value: 'www.example.org' }],
      [{}, { type: 'dns', value: 'www.example.org' }],
    ] as const)('%j are not for %j', async (identifiers, name) => {
      await expect(admitted(identifiers, [name])).rejects.toMatchObject({
        ...failure('rejectedIdentifier', /the credential/),
        problems: [{ code: 'rejectedIdentifier', identifier: name }],
      })
    })
  })
})
