import { describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { TAG, tlv, utf8 } from '../../src/pki/der.ts'
import { nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { extension } from '../helpers/csrs.ts'
import { manualAuthority } from '../helpers/manualAuthority.ts'
import { auto, useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, issuerAndSubject, leafOf, readReply, scepMessage } from '../helpers/scepClient.ts'

describe('SCEP keys and templates', () => {
  const scep = useScepApp()

  it('27: the authority’s own RSA key reads messages by setting, and a self-signed one is a lone certificate', async () => {
    const { world } = scep.app
    const admin = await findUser(world.it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const draft = { name: 'rsa', key: 'RSA-2048', subject: 'CN=RSA Root', validity: 365 * 86_400_000 } as const
    await world.core.as(asRequester(admin)).admin.createAuthority(draft)
    const { id } = await loadAuthority(world.it, 'rsa')
    await scep.app.save('own', { messageKey: 'ca' }, { authority: id, rules: { issue: auto } })
    const { headers, body } = await scep.app.ask('/scep/own?operation=GetCACert')
    expect(headers['content-type']).toBe('application/x-x509-ca-cert')
    const reply = await scep.app.enrol(device('own'), { subject: { CN: 'own.example.org' }, profile: 'own' })
    expect(reply.pkiStatus).toBe('SUCCESS')
    expect(reply.signer.equals(body)).toBe(true)
    expect(nameText(leafOf(reply).issuer)).toBe('CN=RSA Root')
  })

  it('an EC authority’s own key cannot read messages: 503, in text', async () => {
    await scep.app.save('impossible', { messageKey: 'ca' })
    const { status, text } = await scep.app.ask('/scep/impossible?operation=GetCACert')
    expect(status).toBe(503)
    expect(text).toContain('RSA')
  })

  it('under an authority that signs elsewhere there is no key for messages: 503, in text, with what to do', async () => {
    const { world } = scep.app
    const { id } = await manualAuthority(world)
    await scep.app.save('elsewhere', {}, { authority: id })
    for (const operation of ['GetCACert', `PKIOperation&message=${Buffer.from('x').toString('base64')}`]) {
      const { status, headers, text } = await scep.app.ask(`/scep/elsewhere?operation=${operation}`)
      expect([status, headers['content-type']]).toEqual([503, 'text/plain; charset=utf-8'])
      expect(text).toContain('an intermediate under it')
    }
  })

  const template = (oid: string, value: Buffer) => [extension(oid, value)]

  it.each([
    [
      'by name',
      template(OID.microsoftCertificateTemplateName, tlv(TAG.bmp, Buffer.from('Printer', 'utf16le').swap16())),
      30,
    ],
    ['that means nothing', template(OID.microsoftCertificateTemplateName, utf8('Unknown')), 90],
  ])('39: a template %s', async (_, extensions, days) => {
    const variants = { printers: { description: 'for printers', validity: { default: '30d', max: '30d' } } }
    const settings = { certificate: { extraExtensions: 'ignore' }, variants }
    await scep.app.save('windows', { templates: { Printer: 'printers' } }, { settings, rules: { issue: auto } })
    const reply = await scep.app.enrol(device(`template ${days}`), {
      subject: { CN: `t${days}.example.org` },
      profile: 'windows',
      extensions,
    })
    const { notBefore, notAfter } = leafOf(reply)
    expect(Math.floor((notAfter.getTime() - notBefore.getTime()) / 86_400_000)).toBe(days)
  })

  it('pitfall "renewal widens names": a renewal that asks for another template is decided anew', async () => {
    const variants = { clients: { description: 'for clients', type: 'client' } }
    const settings = { certificate: { extraExtensions: 'ignore' }, variants }
    const first = { name: 'a first one', when: 'requester.kind == "key-holder"', auto: true }
    const rules = { issue: [first], renew: auto, rekey: auto }
    await scep.app.save('widened', { templates: { Client: 'clients' } }, { settings, rules })
    const by = device('widened')
    const asked = { subject: { CN: 'widened.example.org' }, profile: 'widened' }
    const old = leafOf(await scep.app.enrol(by, asked))
    const holder = { key: by.key, certificate: old.der }
    const extensions = template(OID.microsoftCertificateTemplateName, utf8('Client'))
    expect((await scep.app.enrol(holder, { ...asked, extensions, transactionId: 'wide' })).pkiStatus).toBe('PENDING')
    expect((await scep.app.enrol(holder, { ...asked, transactionId: 'same' })).pkiStatus).toBe('SUCCESS')
  })

  it('40 devices polling at once while ten are approved: each gets its own certificate, none another’s', async () => {
    await scep.app.save('crowd')
    const devices = Array.from({ length: 40 }, (_, i) => ({
      by: device(`crowd ${i % 8}`),
      name: `crowd${i}.example.org`,
    }))
    const poll = ({ by, name }: (typeof devices)[number]) => {
      const data = issuerAndSubject({ CN: 'x' }, { CN: name })
      return scep.app.send({ type: 'CertPoll', data, by, transactionId: name, profile: 'crowd' })
    }
    for (const { by, name } of devices.slice(0, 30))
      await scep.app.enrol(by, { subject: { CN: name }, transactionId: name, profile: 'crowd' })
    for (const { by, name } of devices.slice(30)) {
      await scep.app.enrol(by, { subject: { CN: name }, transactionId: name, profile: 'crowd' })
      await scep.app.vote()
    }
    const replies = await Promise.all(devices.map(poll))
    for (const [i, reply] of replies.entries()) {
      expect(reply.pkiStatus).toBe(i < 30 ? 'PENDING' : 'SUCCESS')
      if (i >= 30) expect(nameText(leafOf(reply).subject)).toBe(`CN=${devices[i]?.name}`)
    }
  })

  it('after a new message key the earlier one answers those who wrote to it', async () => {
    await scep.app.save('rolled')
    const [old = Buffer.alloc(0)] = await scep.app.caCertificates('rolled')
    const by = device('rolled')
    const asked = { by, transactionId: 'rolled', data: csrOf(by, { subject: { CN: 'rolled.example.org' } }) }
    await scep.app.send({ ...asked, profile: 'rolled' })
    scep.app.world.time.pass(250 * 86_400_000)
    const [next = Buffer.alloc(0)] = await scep.app.caCertificates('rolled')
    expect(next.equals(old)).toBe(false)
    expect(readCertificate(next).notAfter > readCertificate(old).notAfter).toBe(true)
    for (const to of [old, next]) {
      const { body } = await scep.app.post(await scepMessage({ ...asked, to }), 'rolled')
      const { pkiStatus, signer } = await readReply(body)
      expect(pkiStatus).toBe('PENDING')
      expect(signer.equals(to)).toBe(true)
    }
  })
})
