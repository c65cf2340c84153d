import { beforeAll, describe, expect, it } from 'vitest'
import { system } from '../../src/core/requester.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor } from '../helpers/consoleCertificates.ts'
import { everywhere, ordered, revocation, statusOf } from '../helpers/consoleRequests.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'
import { auto } from '../helpers/raApp.ts'

const used = useConsoleApp()
let ca: ForeignCa

beforeAll(async () => {
  const { app } = used
  ca = await foreignCa(app.world.time.now, { name: 'Elsewhere CA' })
  const { admin } = app.world.core.as(system('test'))
  const { id } = await admin.addManualAuthority({ name: 'elsewhere-ca', pem: ca.certificate })
  await app.save('by-hand', { authority: id, rules: everywhere(auto) })
})

/** A revocation that is approved, and under way at an authority elsewhere. */
async function underWay(name: string) {
  const { app } = used
  const { id, at, csr } = await ordered(app, name, { profile: 'by-hand' })
  const { der } = await ca.issue({ publicKey: csr.publicKey, identifiers: csr.identifiers, subject: csr.subject })
  await app.post(`${at}/upload`, { pem: pemEncode('CERTIFICATE', der) })
  const asked = await revocation(app, id)
  expect(asked.status).toBe('revoking')
  return { ...asked, certificate: id }
}

const certificateStatus = async (id: number) =>
  (await doorFor(used.app, used.app.admin).findCertificate({ id }))?.status

describe('a revocation that is under way', () => {
  it('is tried again by who manages the profile', async () => {
    const { app } = used
    const { at, uuid } = await underWay('again.test')
    expect((await app.get(at)).text).toContain('Retry')
    const again = await app.post(`${at}/retry`, {}, { follow: true })
    expect(again.status).toBe(200)
    expect(await statusOf(app, uuid, 'revoke')).toBe('revoking')
  })

  it('is given up with a reason, leaves the certificate as it was, and is tried again', async () => {
    const { app } = used
    const { at, uuid, certificate } = await underWay('given-up.test')
    const failed = await app.post(`${at}/fail`, { failReason: 'the other CA has closed' }, { follow: true })
    expect(failed.text).toContain('given-up.test Failed')
    expect(failed.text).toContain('the other CA has closed')
    expect(await certificateStatus(certificate)).toBe('issued')
    const again = await app.post(`${at}/retry`, {}, { follow: true })
    expect(again.text).toContain('given-up.test Revoking')
    expect(await statusOf(app, uuid, 'revoke')).toBe('revoking')
  })

  it('is not given up by who only asked', async () => {
    const { app } = used
    const { at, uuid } = await underWay('only-asked.test')
    expect((await app.get(at, { by: app.operator })).text).not.toContain('Mark as failed')
    const { status } = await app.post(`${at}/fail`, { failReason: 'no longer wanted' }, { by: app.operator })
    expect(status).toBe(403)
    expect(await statusOf(app, uuid, 'revoke')).toBe('revoking')
  })

  it('is not given up without a reason', async () => {
    const { app } = used
    const { at, uuid } = await underWay('why.test')
    const { status } = await app.post(`${at}/fail`, {})
    expect(status).toBe(422)
    expect(await statusOf(app, uuid, 'revoke')).toBe('revoking')
  })
})
