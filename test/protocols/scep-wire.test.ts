import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { ATTRIBUTE } from '../../protocols/scep/attributes.ts'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import { identifies, readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { children, explicit, implicit, integer, readTlv, seq, set, TAG } from '../../src/pki/der.ts'
import { readEnvelopedData } from '../../src/pki/envelopedData.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import { readSignedData } from '../../src/pki/signedData.ts'
import { criticalAki, type Party, partyOf, unknownCritical } from '../helpers/cms.ts'
import { auto, useScepApp } from '../helpers/scepApp.ts'
import {
  csrOf,
  device,
  issuerAndSubject,
  leafOf,
  type MessageWishes,
  readReply,
  scepMessage,
} from '../helpers/scepClient.ts'

interface Parts {
  certificates: Buffer[]
  signers: Buffer[]
}

/** The same SignedData with other certificates or SignerInfos. */
function rebuilt(message: Buffer, change: (parts: Parts) => void): Buffer {
  const [type, content] = children(readTlv(message), 2)
  const [signedData] = children(content ?? readTlv(message), 1)
  const [version, digests, encapsulated, certificates, signers] = children(signedData ?? readTlv(message), 5)
  if (!type || !version || !digests || !encapsulated || !certificates || !signers) throw new Error('no SignedData')
  const der = (tlv: typeof certificates) => children(tlv, 9).map((each) => each.der)
  const parts: Parts = { certificates: der(certificates), signers: der(signers) }
  change(parts)
  const inner = seq(
    version.der,
    digests.der,
    encapsulated.der,
    implicit(0, Buffer.concat(parts.certificates), true),
    set(...parts.signers),
  )
  return seq(type.der, explicit(0, inner))
}

describe('SCEP as devices send it', () => {
  const scep = useScepApp()
  const by = device('wire')
  let to: Buffer
  beforeAll(async () => {
    await scep.app.save('wire', {}, { rules: { issue: auto } })
    to = (await scep.app.caCertificates('wire'))[0] ?? Buffer.alloc(0)
  })

  const messageBy = (party: Party, cn: string, more: Partial<MessageWishes> = {}) =>
    scepMessage({ by: party, to, data: csrOf(party, { subject: { CN: cn } }), transactionId: cn, ...more })
  const post = (message: Buffer) => scep.app.post(message, 'wire')

  it.each([
    ['critical AKI, as Windows has it', { extensions: [criticalAki()] }],
    ['an unknown critical extension', { extensions: [unknownCritical()] }],
    ['a serial number of ASCII digits', { serial: Buffer.from('4142434445464748') }],
    ['a negative serial number', { serial: Buffer.of(0x80, 1) }],
    ['a name of no attributes', { cn: '' }],
  ])('29: the requester’s certificate may have %s; its end is past', async (what, odd) => {
    const party = partyOf(by.key, odd)
    const cn = `${createHash('md5').update(what).digest('hex')}.example.org`
    const { body } = await post(await messageBy(party, cn))
    expect(leafOf(await readReply(body, party)).identifiers).toEqual([{ type: 'dns', value: cn }])
  })

  it('29: it is found by the identifier of the signer, whatever stands first', async () => {
    const other = device('stands first')
    const message = rebuilt(await messageBy(by, 'sid.example.org'), ({ certificates }) => {
      certificates.unshift(other.certificate)
    })
    const { body } = await post(message)
    expect((await readReply(body, by)).pkiStatus).toBe('SUCCESS')
  })

  it.each<[string, (parts: Parts) => void]>([
    ['two signers', ({ signers }) => void signers.push(...signers)],
    ['no signer', ({ signers }) => void signers.splice(0)],
    ['no certificate of the signer', ({ certificates }) => void certificates.splice(0)],
    [
      'the certificate of another in its place',
      ({ certificates }) => void certificates.splice(0, 1, device('someone else').certificate),
    ],
    [
      'no signed attributes',
      ({ signers }) => {
        const parts = children(readTlv(signers[0] ?? Buffer.alloc(0)), 7)
        signers[0] = seq(...parts.filter(({ tag }) => tag !== 0xa0).map(({ der }) => der))
      },
    ],
  ])('pitfall "CMS confusion": %s is HTTP 400, in text', async (_, change) => {
    const { status, headers } = await post(rebuilt(await messageBy(by, 'confused.example.org'), change))
    expect([status, headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8'])
  })

  it('31, 34, SC9: types and lengths of attributes, no content in PENDING and FAILURE, the signer’s certificate beside them', async () => {
    await scep.app.save('waiting')
    const [ra = Buffer.alloc(0)] = await scep.app.caCertificates('waiting')
    const pending = { by, to: ra, data: csrOf(by, { subject: { CN: 'types.example.org' } }) }
    const failure = { ...pending, messageType: Buffer.from([0x13, 2, 0x39, 0x39]) }
    for (const [wishes, status] of [
      [pending, '3'],
      [failure, '2'],
    ] as const) {
      const { body } = await scep.app.post(await scepMessage(wishes), 'waiting')
      const { attributes, content, certificates, signer } = readSignedData(body)
      const get = (oid: string) => attributes.get(oid)
      expect(get(ATTRIBUTE.pkiStatus)?.value.toString()).toBe(status)
      for (const oid of [ATTRIBUTE.pkiStatus, ATTRIBUTE.messageType, ATTRIBUTE.transactionId])
        expect(get(oid)?.tag).toBe(TAG.printable)
      for (const oid of [ATTRIBUTE.senderNonce, ATTRIBUTE.recipientNonce])
        expect([get(oid)?.tag, get(oid)?.value.length]).toEqual([TAG.octets, 16])
      if (status === '2') {
        expect(get(ATTRIBUTE.failInfo)?.tag).toBe(TAG.printable)
        expect(get(ATTRIBUTE.failInfoText)?.tag).toBe(TAG.utf8)
      }
      expect(content?.length ?? 0).toBe(0)
      expect(certificates.map((der) => der.equals(ra))).toEqual([true])
      expect(signer.der.equals(ra)).toBe(true)
    }
  })

  it('34, SC2: the answer is enveloped in AES to the certificate that signed, by issuer and serial number; of a renewal to the old one', async () => {
    const rules = { issue: auto, renew: auto, rekey: auto }
    await scep.app.save('renewing', {}, { rules })
    const first = leafOf(await scep.app.enrol(by, { subject: { CN: 'to.example.org' }, profile: 'renewing' }))
    const old = { key: by.key, certificate: first.der }
    const [ra = Buffer.alloc(0)] = await scep.app.caCertificates('renewing')
    const data = csrOf(device('its new key'), { subject: { CN: 'to.example.org' } })
    const wishes = { type: 'RenewalReq', by: old, to: ra, data, transactionId: 'renewal' } as const
    const { body } = await scep.app.post(await scepMessage(wishes), 'renewing')
    const { keyRecipients, cipher } = readEnvelopedData(readSignedData(body).content ?? Buffer.alloc(0))
    expect(cipher).toBe('aes-128-cbc')
    const [recipient, ...others] = keyRecipients
    expect(others).toEqual([])
    expect(recipient && identifies(recipient.identifier, readBareCertificate(first.der))).toBe(true)
  })

  it.each([
    ['strongSwan', createHash('sha1').update('key').digest('hex')],
    ['sscep', createHash('md5').update('key').digest('hex').toUpperCase()],
    ['certmonger', '7'.repeat(77)],
    ['scepclient', 'q83vEjRWeJCrze8SNFZ4kKvN7xI+/w=='],
  ])('SC6: a transactionID as %s makes it is given back', async (_, transactionId) => {
    const cn = `${createHash('md5').update(transactionId).digest('hex')}.example.org`
    const reply = await scep.app.enrol(by, { subject: { CN: cn }, profile: 'wire', transactionId })
    expect(reply).toMatchObject({ pkiStatus: 'SUCCESS', transactionId })
  })

  it('SC6: the constant of sscep, for each GetCRL again', async () => {
    const data = seq(encodeName(nameOf({ CN: 'countersign Issuing CA' })), integer(5))
    const asked = { type: 'GetCRL', data, by, profile: 'wire', transactionId: 'SSCEP transactionId' } as const
    for (let at = 0; at < 2; at++)
      expect(await scep.app.send(asked)).toMatchObject({ pkiStatus: 'SUCCESS', transactionId: 'SSCEP transactionId' })
  })

  it('pitfall "replay": the same octets again are the same order, and the same certificate', async () => {
    const message = await messageBy(by, 'replay.example.org')
    const before = await scep.app.count()
    const replies = await Promise.all([post(message), post(message), post(message)])
    const atOnce = await Promise.all(replies.map(({ body }) => readReply(body, by)))
    for (const { pkiStatus } of atOnce) expect(['PENDING', 'SUCCESS'], 'it is being signed').toContain(pkiStatus)
    const { serial } = leafOf(await readReply((await post(message)).body, by))
    for (const reply of atOnce) if (reply.pkiStatus === 'SUCCESS') expect(leafOf(reply).serial).toBe(serial)
    expect(await scep.app.count()).toBe(before + 1)
  })

  it('37: what business refuses is HTTP 200 with a CertRep, never JSON', async () => {
    await scep.app.save('refusing', { withoutChallenge: 'refuse' })
    const [ra = Buffer.alloc(0)] = await scep.app.caCertificates('refusing')
    const data = csrOf(by, { subject: { CN: 'no.example.org' } })
    const { status, headers } = await scep.app.post(await scepMessage({ by, to: ra, data }), 'refusing')
    expect([status, headers['content-type']]).toEqual([200, 'application/x-pki-message'])
  })

  it.each([
    ['markup', '<img src=x onerror=alert(1)>'],
    ['marks that turn the text around', 'a\u202egnp.exe'],
    ['a NUL', 'a\0b'],
    ['64 KB', 'x'.repeat(65_536)],
  ])(
    'pitfall "XSS from fields shown to approvers": a common name of %s is refused or waits, and is kept as data',
    async (_, cn) => {
      const { status, headers, body } = await scep.app.post(
        await scepMessage({
          by,
          to: (await scep.app.caCertificates())[0] ?? to,
          data: csrOf(by, { subject: { CN: cn } }),
        }),
      )
      expect([status, headers['content-type']]).toEqual([200, 'application/x-pki-message'])
      const { pkiStatus, text = '' } = await readReply(body, by)
      expect(['PENDING', 'FAILURE']).toContain(pkiStatus)
      expect(text.length).toBeLessThanOrEqual(500)
    },
  )

  it('pitfall "challenge stored in CSR": what is kept of the request has no challengePassword', async () => {
    const { core, it: installation } = scep.app.world
    const admin = await findUser(installation.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const { challenge } = await core.as(asRequester(admin)).admin.createChallenge({ profile: 'wire' })
    await scep.app.enrol(by, { subject: { CN: 'kept.example.org' }, profile: 'wire', challenge, transactionId: 'kept' })
    const { csr, requester } = await readSignRequest(installation.db, await scep.app.newest())
    expect(requester.kind).toBe('challenge')
    expect(csr?.includes(challenge)).toBe(false)
    expect(csr?.includes(Buffer.from('2a864886f70d010907', 'hex')), 'nor the attribute').toBe(false)
  })

  it('33: CertPoll for what another began is no answer about it', async () => {
    await scep.app.enrol(by, { subject: { CN: 'mine.example.org' }, transactionId: 'mine' })
    const data = issuerAndSubject({ CN: 'x' }, { CN: 'mine.example.org' })
    const poll = { type: 'CertPoll', data, by: device('curious'), transactionId: 'mine' } as const
    expect(await scep.app.send(poll)).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badCertId' })
  })
})
