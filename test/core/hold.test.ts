import { expect, test } from 'vitest'
import { databases } from '../helpers/databases.ts'
import { createPeople } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr } from '../helpers/world.ts'

test.each(databases)(
  'a hold that becomes a revocation counts from the hold on, and the audit trail agrees, on $name',
  async ({ open }) => {
    const { db, close } = await open()
    const world = await createWorld(db)
    const people = await createPeople(world)
    const door = world.core.as(acmeAccount())
    const csr = await newCsr(['hold.example.org'])
    const names = { csr, identifiers: csr.identifiers, validated: csr.identifiers }
    const profile = await world.profile()
    const { request } = await door.sign({ profile, protocol: 'acme', action: 'issue', refusal: 'throw', ...names })
    const revoke = (reason: string) =>
      door.revoke({ protocol: 'acme', certificate: request.id, grounds: 'account', reason })
    await revoke('certificateHold')
    const held = world.time.now
    world.time.pass(86_400_000)
    await revoke('superseded')
    expect(await door.findCertificate({ id: request.id })).toMatchObject({ status: 'revoked', revokedAt: held })
    expect((await people.as(people.root).admin.verifyAudit()).problems).toEqual([])
    await close()
  },
)
