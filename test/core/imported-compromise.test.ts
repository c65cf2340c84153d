import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { reasonCodes } from '../../src/pki/crl.ts'
import { databases } from '../helpers/databases.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('compromised keys in the last CRL of an imported authority, on $name', ({ open }) => {
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
  const admin = () => people.as(people.chief).admin

  test('the key of one that it says is compromised is blocked, also where it was revoked here for another reason', async () => {
    const ca = await foreignCa(world.time.now, { name: 'Taken' })
    const name = 'taken'
    await admin().importAuthority({ name, pem: ca.withKey, crlNumber: 65n })
    const { id: authority } = await loadAuthority(world.it, name)
    const profile = await world.save(name, { authority })
    const door = world.core.as(acmeAccount())
    const order = async (csr: Awaited<ReturnType<typeof newCsr>>) => {
      const names = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
      const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...names })
      return (await door.findCertificate({ id: request.id })) ?? expect.fail('no certificate')
    }
    const [first, other, third] = [await newCsr(['a.test']), await newCsr(['b.test']), await newCsr(['c.test'])]
    const [issued, revoked, superseded] = [await order(first), await order(other), await order(third)]
    await door.revoke({ protocol: 'acme', certificate: revoked.id, grounds: 'account', reason: 'superseded' })
    const entries = [issued, revoked, superseded].map(({ serial }, n) => ({
      serial,
      revokedAt: new Date(world.time.now.getTime() - 86_400_000),
      reason: n < 2 ? reasonCodes.keyCompromise : reasonCodes.superseded,
    }))
    await admin().importCrl(name, { crl: await ca.crl({ number: 66, entries }) })
    for (const csr of [first, other]) await expect(order(csr)).rejects.toMatchObject(failure('badKey'))
    expect((await order(third)).status).toBe('issued')
    // What was said here first stays.
    expect(await door.findCertificate({ id: revoked.id })).toMatchObject({ revocationReason: 'superseded' })
  })
})
