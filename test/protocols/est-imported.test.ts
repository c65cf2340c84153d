import { beforeAll, describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { type Party, party } from '../helpers/cms.ts'
import { auto, useEstApp } from '../helpers/estApp.ts'
import { foreignCa } from '../helpers/foreignCa.ts'

const cn = 'old.example.org'

/** What was only made known here, so that it can be revoked, is no credential, whatever it says that its holder is. */
describe('EST and a certificate that was imported', () => {
  const est = useEstApp()
  let old: Party
  beforeAll(async () => {
    const { world } = est.app
    const ca = await foreignCa(world.time.now, { name: 'Old CA' })
    const { admin } = world.core.as(system('test'))
    await admin.importAuthority({ name: 'old', pem: ca.withKey })
    const { id: authority } = await loadAuthority(world.it, 'old')
    const known = [{ name: 'who is known', when: 'certificate.present', auto: true }]
    const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto }
    await est.app.save('fleet', {}, { authority, rules, settings: { certificate: { type: 'client' } } })
    await est.app.save('known', {}, { authority, rules: { ...rules, issue: known } })
    const by = party('P-256', { cn })
    const { der } = await ca.issue({
      publicKey: signerFor(by.key).publicKey,
      subject: nameOf({ CN: cn }),
      extendedKeyUsage: [OID.clientAuth, OID.cmcRA],
    })
    old = { key: by.key, certificate: der }
  })

  const order = (operation: string, subject = cn) =>
    est.app.enroll({
      by: party('P-256', { cn: subject }),
      client: old,
      subject: { CN: subject },
      operation,
      profile: 'fleet',
    })

  it('opens nothing: neither a renewal nor, with the purpose of a registration authority, orders for others', async () => {
    const answers = async () => [
      (await order('simpleenroll')).status,
      (await order('simplereenroll')).status,
      (await order('simpleenroll', 'third.example.org')).status,
    ]
    expect(await answers()).toEqual([401, 401, 401])
    await est.app.world.core.as(system('test')).admin.importCertificate('old', old.certificate)
    expect(await answers()).toEqual([401, 401, 401])
  })

  it('once revoked it is refused as such', async () => {
    const door = est.app.world.core.as(asRequester(est.app.maker))
    const [row] = (await door.list.certificates({ search: cn })).rows
    await door.revoke({ protocol: 'cli', certificate: row?.id ?? 0, grounds: 'user' })
    expect(await order('simplereenroll')).toMatchObject({ status: 403, text: 'the client certificate is revoked\n' })
  })
})
