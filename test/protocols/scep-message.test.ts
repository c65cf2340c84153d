import { createHash, randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { ATTRIBUTE } from '../../protocols/scep/attributes.ts'
import { octets, oid, printable, seq, utf8 } from '../../src/pki/der.ts'
import { writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { OID } from '../../src/pki/oid.ts'
import { asBer } from '../helpers/ber.ts'
import { messageOf, type Party, signedAttribute } from '../helpers/cms.ts'
import { useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, leafOf, type MessageWishes, readReply, scepMessage } from '../helpers/scepClient.ts'

describe('SCEP messages', () => {
  const scep = useScepApp()
  const by = device('message')
  const data = csrOf(by, { subject: { CN: 'message.example.org' } })
  let ra: Buffer

  beforeAll(async () => {
    ra = (await scep.app.caCertificates())[0] ?? Buffer.alloc(0)
  })

  const send = (more: Partial<MessageWishes> & { profile?: string } = {}) => scep.app.send({ data, by, ...more })

  /** A message whose attributes are in the test's hands. */
  async function odd(change: (attributes: Map<string, Buffer>) => void, party: Party = by) {
    const content = await writeEnvelopedData(data, { certificate: ra, transport: 'rsaes-pkcs1' }, 'aes-128-cbc')
    const attributes = new Map<string, Buffer>([
      [OID.contentType, signedAttribute(OID.contentType, oid(OID.data))],
      [OID.messageDigest, signedAttribute(OID.messageDigest, octets(createHash('sha256').update(content).digest()))],
      [ATTRIBUTE.messageType, signedAttribute(ATTRIBUTE.messageType, printable('19'))],
      [ATTRIBUTE.transactionId, signedAttribute(ATTRIBUTE.transactionId, printable('odd'))],
      [ATTRIBUTE.senderNonce, signedAttribute(ATTRIBUTE.senderNonce, octets(randomBytes(16)))],
    ])
    change(attributes)
    return scep.app.post(messageOf(party, { content, attributes: [...attributes.values()] }))
  }

  it.each([
    ['badRequest', 'an unknown messageType (RFC 8894 section 3.2.1.2)', { messageType: printable('99') }],
    ['badRequest', 'a CertRep', { messageType: printable('3') }],
    ['badRequest', 'a messageType that is no PrintableString', { messageType: utf8('19') }],
    ['badRequest', 'no senderNonce', { nonce: 'none' }],
    ['badRequest', 'no envelope', { content: 'none' }],
    ['badAlg', 'SHA-1, which this profile does not take', { digest: 'sha1' }],
    ['badAlg', '6: single DES, which this profile does not take', { cipher: 'des-cbc' }],
    ['badMessageCheck', 'an envelope for another key', { to: device('somebody else').certificate }],
    ['badMessageCheck', 'an envelope that is none', { content: Buffer.from('3003020101', 'hex') }],
  ] as const)('%s for %s', async (failInfo, _, wishes) => {
    const reply = await send(wishes)
    expect(reply).toMatchObject({ pkiStatus: 'FAILURE', failInfo, transactionId: 'transaction' })
    expect(reply.text).not.toBe('')
  })

  it.each([
    ['400', 'no transactionID', (all) => void all.delete(ATTRIBUTE.transactionId)],
    [
      '400',
      'a transactionID that is no PrintableString',
      (all) => void all.set(ATTRIBUTE.transactionId, signedAttribute(ATTRIBUTE.transactionId, utf8('odd'))),
    ],
    [
      '400',
      'a transactionID of 64 KB',
      (all) =>
        void all.set(ATTRIBUTE.transactionId, signedAttribute(ATTRIBUTE.transactionId, printable('x'.repeat(65_000)))),
    ],
    [
      '400',
      'an attribute with two values',
      (all) =>
        void all.set(ATTRIBUTE.messageType, signedAttribute(ATTRIBUTE.messageType, printable('19'), printable('20'))),
    ],
    [
      '400',
      'an attribute that comes twice',
      (all) => void all.set('again', signedAttribute(ATTRIBUTE.messageType, printable('20'))),
    ],
    ['badMessageCheck', 'no messageDigest', (all) => void all.delete(OID.messageDigest)],
    [
      'badMessageCheck',
      'another messageDigest',
      (all) => void all.set(OID.messageDigest, signedAttribute(OID.messageDigest, octets(randomBytes(32)))),
    ],
    [
      'badMessageCheck',
      'a contentType that is not data',
      (all) => void all.set(OID.contentType, signedAttribute(OID.contentType, oid(OID.signedData))),
    ],
    ['badRequest', 'no messageType', (all) => void all.delete(ATTRIBUTE.messageType)],
  ] as [string, string, (all: Map<string, Buffer>) => void][])(
    'pitfall "CMS confusion": %s for %s',
    async (expected, _, change) => {
      const { status, body } = await odd(change)
      if (expected === '400') expect(status).toBe(400)
      else {
        expect(status).toBe(200)
        expect(await readReply(body)).toMatchObject({ pkiStatus: 'FAILURE', failInfo: expected })
      }
    },
  )

  it('badMessageCheck for a signature by another key', async () => {
    const { key } = device('an impostor')
    const { body } = await odd(() => {}, { certificate: by.certificate, key })
    expect(await readReply(body)).toMatchObject({ pkiStatus: 'FAILURE', failInfo: 'badMessageCheck' })
  })

  it('28: attributes that are not sorted, and BER with open lengths', async () => {
    const { body } = await odd((all) => {
      const [first] = all
      if (first) {
        all.delete(first[0])
        all.set(...first)
      }
    })
    expect((await readReply(body)).pkiStatus).toBe('PENDING')
    const message = await scepMessage({ data, by, to: ra, transactionId: 'ber' })
    const reply = await scep.app.post(asBer(message, { open: true, lengthOctets: 0, piece: 100 }))
    expect((await readReply(reply.body)).pkiStatus).toBe('PENDING')
  })

  it('pitfall "unbounded work": values nested deep, and many of them, are 400 at once', async () => {
    let nested = Buffer.alloc(0)
    for (let i = 0; i < 10_000; i++) nested = Buffer.concat([Buffer.of(0x30, 0x80), nested, Buffer.alloc(2)])
    expect((await scep.app.post(nested)).status).toBe(400)
    const many = seq(...Array.from({ length: 60_000 }, () => Buffer.of(0x05, 0)))
    expect((await scep.app.post(many)).status).toBe(400)
  })

  it('badTime where the profile looks at the time of signing', async () => {
    await scep.app.save('timed', { clockSkew: '5m' })
    const { now } = scep.app.world.time
    expect(await send({ profile: 'timed' })).toMatchObject({ failInfo: 'badTime' })
    const late = new Date(now.getTime() - 600_000)
    expect(await send({ profile: 'timed', signingTime: late })).toMatchObject({ failInfo: 'badTime' })
    expect((await send({ profile: 'timed', signingTime: now })).pkiStatus).toBe('PENDING')
    expect((await send({ signingTime: late })).pkiStatus, 'elsewhere it means nothing').toBe('PENDING')
  })

  it('6: SHA-1 and single DES pass where a profile allows them, and the answer mirrors both', async () => {
    const options = { digests: ['sha1'], ciphers: ['des-cbc'] }
    await scep.app.save('legacy', options, { rules: { issue: [{ name: 'auto', auto: true }] } })
    const reply = await send({ profile: 'legacy', digest: 'sha1', cipher: 'des-cbc' })
    expect(reply).toMatchObject({ pkiStatus: 'SUCCESS', digest: 'sha1', cipher: 'des-cbc' })
    expect(leafOf(reply).identifiers).toEqual([{ type: 'dns', value: 'message.example.org' }])
  })

  it('pitfall "per-request state on a singleton": 50 requests over 2 profiles at once, each signed by its own RA', async () => {
    await scep.app.save('left')
    await scep.app.save('right')
    const own = { left: (await scep.app.caCertificates('left'))[0], right: (await scep.app.caCertificates('right'))[0] }
    const sent = Array.from({ length: 50 }, async (_, i) => {
      const profile = i % 2 ? 'left' : 'right'
      const reply = await send({ profile, transactionId: `load ${i}` })
      expect(reply.transactionId).toBe(`load ${i}`)
      expect(reply.signer.equals(own[profile] ?? Buffer.alloc(0))).toBe(true)
    })
    await Promise.all(sent)
  })
})
