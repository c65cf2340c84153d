import { describe, expect, it } from 'vitest'
import { encodeIssuerAndSerial, readBareCertificate } from '../../src/pki/certificateIdentifier.ts'
import { encodeCipher } from '../../src/pki/contentCipher.ts'
import { encodeContentInfo } from '../../src/pki/contentInfo.ts'
import { implicit, integer, nullValue, octets, oid, seq, set } from '../../src/pki/der.ts'
import { readEnvelopedData, writeEnvelopedData } from '../../src/pki/envelopedData.ts'
import { OID } from '../../src/pki/oid.ts'
import { useScepApp } from '../helpers/scepApp.ts'
import { csrOf, device, scepMessage } from '../helpers/scepClient.ts'

describe('pitfall "RSA v1.5 oracle": another’s envelope in a message of one’s own', () => {
  const scep = useScepApp()
  const victim = device('victim')
  const attacker = device('attacker')
  const types = ['GetCert', 'GetCRL', 'PKCSReq', 'RenewalReq', 'CertPoll'] as const

  /** An envelope to the RA that the attacker has overheard. */
  async function overheard(profile: string) {
    const [ra = Buffer.alloc(0)] = await scep.app.caCertificates(profile)
    const data = csrOf(victim, { subject: { CN: 'victim.example.org' }, challenge: 'a challenge worth having' })
    const envelope = await writeEnvelopedData(data, { certificate: ra, transport: 'rsaes-pkcs1' }, 'aes-128-cbc')
    return { ra, envelope: readEnvelopedData(envelope) }
  }

  /** The envelope with other content under the same content key. */
  function altered({ ra, envelope }: Awaited<ReturnType<typeof overheard>>, iv: Buffer, content: Buffer): Buffer {
    const { cipher, keyRecipients } = envelope
    const [recipient] = keyRecipients
    const info = seq(
      integer(0),
      encodeIssuerAndSerial(readBareCertificate(ra)),
      seq(oid(OID.rsaEncryption), nullValue()),
      octets(recipient?.encryptedKey ?? Buffer.alloc(0)),
    )
    const encrypted = seq(oid(OID.data), encodeCipher(cipher, iv), implicit(0, content))
    return encodeContentInfo('envelopedData', integer(0), set(info), encrypted)
  }

  it.each(types)('a %s tells nothing of what its content is padded to', async (type) => {
    const profile = `oracle-${type.toLowerCase()}`
    await scep.app.save(profile)
    const heard = await overheard(profile)
    const { iv, encryptedContent } = heard.envelope
    const changed = (at: number) => {
      const content = Buffer.from(encryptedContent)
      content[at] = (content[at] ?? 0) ^ 0x55
      return content
    }
    const asked = { type, by: attacker, data: Buffer.alloc(0), profile, transactionId: type }
    const answers = []
    for (const content of [changed(64), changed(encryptedContent.length - 17)]) {
      const { failInfo, text } = await scep.app.send({ ...asked, content: altered(heard, iv, content) })
      answers.push(`${failInfo}: ${text}`)
    }
    expect(answers[0], 'with good padding, and with bad').toBe(answers[1])
  })

  it.each(['GetCert', 'GetCRL'] as const)('a %s that does not open counts as any other', async (type) => {
    const profile = `counted-${type.toLowerCase()}`
    await scep.app.save(profile, { limits: { unreadableBySource: '3/1h' } })
    const [to = Buffer.alloc(0)] = await scep.app.caCertificates(profile)
    const data = Buffer.from('3003020101', 'hex')
    const asked = { type, by: attacker, to, transactionId: type, data }
    const statuses = []
    for (let at = 0; at < 4; at++) statuses.push((await scep.app.post(await scepMessage(asked), profile)).status)
    expect(statuses).toEqual([200, 200, 200, 429])
  })
})
