import { describe, expect, test } from 'vitest'
import { readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { explicit, implicit, oid, readTlv, seq, time } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, crm, identityControls, spkiOf, tcr } from '../helpers/cmc.ts'
import { device, sendCmc, sharedSecret, statusOf } from '../helpers/cmcApp.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest } from '../helpers/csrs.ts'
import { auto, useEstApp } from '../helpers/estApp.ts'

const it = useEstApp()

const generalNames = (dns: string) => encodeGeneralNames([{ type: 'dns', value: dns }])
const change = (dns: string) =>
  seq(encodeName(nameOf({ CN: dns })), implicit(1, readTlv(generalNames(dns)).value, true))

/** A request under the old name, with the wish for the new one. */
function renaming(form: 'tcr' | 'crm', from: string, to: string): Buffer {
  const subject = nameOf({ CN: from })
  const san = extension(OID.subjectAltName, generalNames(from))
  if (form === 'tcr')
    return tcr(
      1,
      buildCsr({ subject, attributes: [extensionRequest(san), attribute(OID.cmcChangeSubjectName, change(to))] }),
    )
  const controls = [seq(oid(OID.cmcChangeSubjectName), change(to))]
  return crm(buildCrmf({ key: ecKey(), subject, extensions: [san], controls }))
}

describe('RFC 10002 section 7.1: ChangeSubjectName', () => {
  const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto, export: [] }
  const settings = { certificate: { type: 'client' } }

  test.each(['tcr', 'crm'] as const)('%s: who renews by his key asks for other names beside his own', async (form) => {
    await it.app.save('renames', { changeSubjectName: true }, { settings, rules })
    const [from, to] = [`old-${form}.example`, `new-${form}.example`]
    const own = await it.app.enrolled(device(), { subject: { CN: from }, dns: [from], profile: 'renames' })
    const { simple } = await sendCmc(it.app, { profile: 'renames', requests: [renaming(form, from, to)], by: [own] })
    const [leaf] = simple ?? []
    const issued = readCertificate(leaf ?? Buffer.alloc(0))
    expect(issued.identifiers).toEqual([{ type: 'dns', value: to }])
    expect(nameText(issued.subject)).toBe(`CN=${to}`)
  })

  test('where the profile has none of it, under another name than his own, and by a shared secret: refused', async () => {
    const own = await it.app.enrolled(device(), { subject: { CN: 'own.example' }, dns: ['own.example'] })
    const send = async (from: string) =>
      statusOf(await sendCmc(it.app, { requests: [renaming('tcr', from, 'x.example')], by: [own] }))
    expect(await send('own.example')).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
    expect(await send('other.example')).toMatchObject({ status: 'failed', failInfo: 'badRequest' })
    const shared = await sharedSecret(it.app)
    const requests = [renaming('tcr', 'own.example', 'x.example')]
    const controls = identityControls([10, 11], shared.name, shared.secret, requests)
    expect(statusOf(await sendCmc(it.app, { requests, controls }))).toMatchObject({
      failInfo: 'badRequest',
      bodyParts: [1],
    })
  })
})

describe('RFC 4211 section 5: what a CRMF asks beside names', () => {
  const template = (...before: Buffer[]) => {
    const key = ecKey()
    const names = [
      explicit(5, encodeName(nameOf({ CN: 'asks.example' }))),
      implicit(6, readTlv(spkiOf(key)).value, true),
      implicit(9, extension(OID.subjectAltName, generalNames('asks.example')), true),
    ]
    return crm(buildCrmf({ key, template: [...before, ...names] }))
  }

  test('the issuer is the authority of the profile, or none', async () => {
    const own = await it.app.enrolled(device(), { subject: { CN: 'asks.example' }, dns: ['asks.example'] })
    const { issuer } = readBareCertificate(own.certificate)
    expect((await sendCmc(it.app, { requests: [template(explicit(3, issuer))], by: [own] })).simple).toHaveLength(2)
    const other = template(explicit(3, encodeName(nameOf({ CN: 'another CA' }))))
    const answer = await sendCmc(it.app, { requests: [other], by: [own] })
    expect(statusOf(answer)).toMatchObject({ failInfo: 'badRequest', text: expect.stringContaining('another issuer') })
  })

  test('the validity is asked of the profile: what it does not give is refused, and on record', async () => {
    const own = await it.app.enrolled(device(), { subject: { CN: 'asks.example' }, dns: ['asks.example'] })
    const end = explicit(1, time(new Date('2048-01-01T00:00:00Z')))
    const answer = await sendCmc(it.app, { requests: [template(implicit(4, end, true))], by: [own] })
    expect(answer.http.status).toBe(403)
    expect(statusOf(answer)).toMatchObject({ status: 'failed', failInfo: 'badRequest', bodyParts: [1] })
  })
})
