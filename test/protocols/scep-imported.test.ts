import { beforeAll, describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import type { Party } from '../helpers/cms.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { auto, useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device } from '../helpers/scepClient.ts'

const name = 'old.example.org'

/** What was only made known here, so that it can be revoked, is no credential. */
describe('SCEP and a certificate that was imported', () => {
  const scep = useScepApp()
  let ca: ForeignCa
  let old: Party
  beforeAll(async () => {
    const { world } = scep.app
    ca = await foreignCa(world.time.now, { name: 'Old CA' })
    const { admin } = world.core.as(system('test'))
    await admin.importAuthority({ name: 'old', pem: ca.withKey })
    const { id } = await loadAuthority(world.it, 'old')
    const known = [{ name: 'who is known', when: 'certificate.present', auto: true }]
    const rules = {
      issue: [...known, { name: 'nobody else', deny: 'nobody knows you' }],
      renew: auto,
      rekey: auto,
      revoke: auto,
    }
    await scep.app.save('fleet', {}, { authority: id, rules })
    const by = device(name)
    const publicKey = signerFor(by.key).publicKey
    const { der } = await ca.issue({ publicKey, subject: nameOf({ CN: name }), keyUsage: ['digitalSignature'] })
    old = { key: by.key, certificate: der }
  })

  const order = (type: 'RenewalReq' | 'PKCSReq', transactionId: string) => {
    const data = csrOf(device(`new key of ${transactionId}`), { subject: { CN: name } })
    return scep.app.send({ type, data, by: old, profile: 'fleet', transactionId })
  }

  it.each(['RenewalReq', 'PKCSReq'] as const)('a %s signed by it gives nothing, before and after', async (type) => {
    const before = await order(type, `${type} before`)
    expect(before.pkiStatus).toBe('FAILURE')
    const { admin } = scep.app.world.core.as(system('test'))
    if (type === 'RenewalReq') await admin.importCertificate('old', old.certificate)
    expect((await imported())?.source).toBe('uploaded')
    const after = await order(type, `${type} after`)
    expect([after.pkiStatus, after.failInfo]).toEqual(['FAILURE', before.failInfo])
  })

  it('what was revoked is refused whatever it asks', async () => {
    const { world } = scep.app
    const root = await findUser(world.it.db, { name: 'admin' })
    const certificate = await imported()
    if (!root || !certificate) throw new Error('no user or no certificate')
    const draft = { protocol: 'cli', certificate: certificate.id, grounds: 'user' } as const
    expect((await world.core.as(asRequester(root)).revoke(draft)).status).toBe('revoked')
    expect((await order('PKCSReq', 'revoked')).pkiStatus).toBe('FAILURE')
  })

  async function imported() {
    const { world } = scep.app
    const { rows } = await world.core.as(system('test')).list.certificates({ search: name })
    const [row] = rows
    return row && findCertificate(world.it.db, { id: row.id })
  }
})
