import { beforeAll, describe, expect, it } from 'vitest'
import type { SignDraft } from '../../src/core/request/request.ts'
import { parseCsr } from '../../src/pki/csr.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { doorFor } from '../helpers/consoleCertificates.ts'
import { everywhere, hashOf } from '../helpers/consoleRequests.ts'
import { opensslCsr } from '../helpers/csrs.ts'
import { waits } from '../helpers/raApp.ts'

const used = useConsoleApp()

beforeAll(async () => {
  const { app } = used
  const certificate = { extraExtensions: 'ignore', names: { dns: ['.inside.test'], wildcards: false } }
  const settings = { certificate, enforcement: { names: 'soft' } }
  await app.save('soft', { settings, rules: everywhere(waits) })
  await app.save('authority', { settings: { certificate: { type: 'ca', pathLength: 0 } }, rules: everywhere(waits) })
})

/** Orders by a request that openssl made; what the page of the order shows. */
async function shown(profile: string, extensions: string[], more: Partial<SignDraft> = {}) {
  const { app } = used
  const extra = extensions.flatMap((extension) => ['-addext', extension])
  const csr = parseCsr(opensslCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], '/CN=a.inside.test', extra))
  const draft = { profile: await app.world.profile(profile), protocol: 'console', action: 'issue', csr } as const
  // A CA takes create_ca.
  const by = profile === 'authority' ? app.admin : app.operator
  const { request } = await doorFor(app, by).sign({ ...draft, refusal: 'store', ...more })
  const at = `/console/requests/sign/${request.uuid}`
  return { at, text: (await app.get(at, { by: app.approver })).text }
}

describe('CSR, profile and certificate side by side', () => {
  it('mark each name that the profile does not certify', async () => {
    const { text } = await shown('soft', ['subjectAltName=DNS:a.inside.test,DNS:b.outside.test,IP:192.0.2.1'])
    expect(text).toContain('DNS name a.inside.test a.inside.test .inside.test, no wildcards')
    expect(text).toContain('b.outside.test Outside b.outside.test')
    expect(text).toMatch(/IP address 192\.0\.2\.1 192\.0\.2\.1 any/)
    expect(text).toMatch(/Noticed .*b\.outside\.test is outside what this profile certifies/)
  })

  it('mark usages and extensions that are left out', async () => {
    const { text } = await shown('soft', [
      'subjectAltName=DNS:a.inside.test',
      'keyUsage=digitalSignature,keyAgreement',
      'extendedKeyUsage=serverAuth,codeSigning',
      '1.2.3.4=ASN1:UTF8String:hello',
    ])
    expect(text).toContain('Key usage digitalSignature digitalSignature for servers')
    expect(text).toContain('– Left out keyAgreement')
    expect(text).toContain('Extended key usage serverAuth serverAuth')
    expect(text).toContain('– Left out codeSigning')
    expect(text).toContain('Extension – Left out 1.2.3.4')
    expect(text).toContain('Key EC P-384 EC P-384')
  })

  it('show must-staple, and the time that was asked', async () => {
    const notAfter = new Date(used.app.world.time.now.getTime() + 10 * 86_400_000)
    const { text } = await shown('soft', ['subjectAltName=DNS:a.inside.test', 'tlsfeature=status_request'], {
      notAfter,
    })
    expect(text).toContain('Must-staple yes yes may be asked')
    const until = `until ${notAfter.toISOString().slice(0, 16).replace('T', ' ')} UTC`
    expect(text).toContain(`Validity ${until} ${until} 90 days, at most 90 days`)
  })

  it('show a CA by what it may certify', async () => {
    const { text } = await shown('authority', ['subjectAltName=DNS:a.inside.test'])
    expect(text).toContain('Certifies others yes, 0 below it')
    expect(text).toContain('Key usage digitalSignature – of a CA')
  })

  it('have the certificate itself once it is there', async () => {
    const { app } = used
    const { at } = await shown('soft', ['subjectAltName=DNS:a.inside.test', 'extendedKeyUsage=serverAuth,codeSigning'])
    const fields = { hash: await hashOf(app, at), verdict: 'approve' }
    const { text } = await app.post(`${at}/vote`, fields, { by: app.approver, follow: true })
    expect(text).toContain('What Certificate Asked in the CSR RA profile allows')
    expect(text).toMatch(/Validity from \d{4}-\d\d-\d\d \d\d:\d\d UTC until/)
    expect(text).toContain('– Left out codeSigning')
    expect(text).toContain('Extended key usage serverAuth serverAuth')
  })

  it('go on where the profile serves nobody any more', async () => {
    const { app } = used
    await app.save('gone', { rules: everywhere(waits) })
    const { at } = await shown('gone', ['subjectAltName=DNS:a.inside.test'])
    const profile = (await doorFor(app, app.admin).raProfiles.list()).find(({ name }) => name === 'gone')
    await doorFor(app, app.admin).raProfiles.change(profile?.uuid ?? '', () => ({ enabled: false }))
    const { status, text } = await app.get(at, { by: app.approver })
    expect(status).toBe(200)
    expect(text).toContain('DNS name a.inside.test a.inside.test')
    expect(text).toContain('Rule a person looks applied')
  })
})
