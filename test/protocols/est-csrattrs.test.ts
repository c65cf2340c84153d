import { beforeAll, describe, expect, it } from 'vitest'
import { OID } from '../../src/pki/oid.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { obey, readCsrAttributes } from '../helpers/csrAttributes.ts'
import { auto, leafOf, useEstApp } from '../helpers/estApp.ts'
import { keyPair, openssl } from '../helpers/pkiSamples.ts'

const rules = { issue: auto, renew: auto, rekey: auto, revoke: auto }

describe('csrattrs (RFC 7030 section 4.5, RFC 8951 section 4, RFC 9908)', () => {
  const est = useEstApp()

  beforeAll(async () => {
    const settings = { certificate: { type: 'client', subject: { CN: '{name}', O: 'Example', OU: '{csr.OU}' } } }
    await est.app.save('open', {}, { settings, rules })
    await est.app.save('list', { csrattrs: { form: 'list', key: 'RSA-3072' } }, { settings, rules })
    await est.app.save('silent', { csrattrs: { form: 'none' } }, { settings, rules })
    await est.app.save('bound', { channelBinding: 'required' }, { settings, rules })
  })

  const fetched = async (profile: string) => {
    const answer = await est.app.ask('/csrattrs', { profile })
    expect(answer.status).toBe(200)
    return { ...answer, der: Buffer.from(answer.text, 'base64') }
  }

  it('16: needs no authentication, and is application/csrattrs in base64 with its length', async () => {
    const { headers, text, body } = await fetched('open')
    expect(headers['content-type']).toBe('application/csrattrs')
    expect(headers['content-length']).toBe(String(body.length))
    expect(headers['transfer-encoding']).toBeUndefined()
    expect(text).toMatch(/^(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{1,64}={0,2}\n$/)
  })

  it('EC1, EC12: one line for who names himself by nothing; nothing after the base64 but the end of the line', async () => {
    const { body } = await est.app.ask('/csrattrs', { profile: 'open', userAgent: null })
    expect(body.toString('latin1')).toMatch(/^[A-Za-z0-9+/]+={0,2}\n$/)
  })

  it('openssl asn1parse reads the list and the template', async () => {
    const { der } = await fetched('open')
    const dump = openssl({ attrs: der }, ['asn1parse', '-inform', 'DER', '-in', 'attrs', '-i'])
    for (const name of [
      'id-ecPublicKey',
      'prime256v1',
      'X509v3 Key Usage',
      'ecdsa-with-SHA256',
      '1.2.840.113549.1.9.16.2.61',
    ])
      expect(dump).toContain(name)
  })

  it('RFC 9908 section 4: both forms, and the template says all that the list cannot', async () => {
    const { oids, attributes, template } = readCsrAttributes((await fetched('open')).der)
    expect(oids).toEqual([OID.subjectAltName, OID.organizationalUnitName, OID.ecdsaWithSHA256])
    expect(attributes.map(({ type }) => type)).toEqual([OID.ecPublicKey, OID.extensionRequest])
    expect(template?.subject).toEqual([{ type: 'O', value: 'Example' }, { type: 'OU' }])
    expect(template?.key).toEqual({ algorithm: OID.ecPublicKey, curve: OID.prime256v1 })
    expect(template?.attributes).toEqual([OID.extensionReqTemplate])
  })

  it('the list alone, and another key, by setting', async () => {
    const { attributes, template } = readCsrAttributes((await fetched('list')).der)
    expect(template).toBeUndefined()
    expect(attributes[0]?.type).toBe(OID.rsaEncryption)
  })

  it('16: a profile that requires the channel binding lists challengePassword, and then no template', async () => {
    const { oids, template } = readCsrAttributes((await fetched('bound')).der)
    expect(oids[0]).toBe(OID.challengePassword)
    expect(template).toBeUndefined()
    expect(readCsrAttributes((await fetched('open')).der).oids).not.toContain(OID.challengePassword)
  })

  it('RFC 7030 section 4.5.2: 204 where there is nothing to say, without a body and a length', async () => {
    const { status, headers, body } = await est.app.ask('/csrattrs', { profile: 'silent' })
    expect({ status, length: headers['content-length'], octets: body.length }).toEqual({
      status: 204,
      length: undefined,
      octets: 0,
    })
  })

  it('takes GET alone, and is not there for a profile that is none', async () => {
    expect((await est.app.ask('/csrattrs', { profile: 'open', method: 'POST', body: 'x' })).status).toBe(405)
    expect((await est.app.ask('/csrattrs', { profile: 'nobody' })).status).toBe(404)
    const head = await est.app.ask('/csrattrs', { profile: 'open', method: 'HEAD' })
    expect({ status: head.status, octets: head.body.length }).toEqual({ status: 200, octets: 0 })
  })

  it('a client that obeys the answer gets what it asked for', async () => {
    for (const profile of ['open', 'list']) {
      const device = {
        names: [{ type: 'dns' as const, value: `${profile}.example.org` }],
        subject: { OU: 'Lab 7' },
        key: ({ algorithm }: { algorithm: string }) =>
          keyPair(algorithm === OID.rsaEncryption ? 'RSA-3072' : 'P-256', 'obeys').privateKey,
      }
      const der = await obey(readCsrAttributes((await fetched(profile)).der), device)
      const challenge = await est.app.challenge({ profile })
      const answer = await est.app.ask('/simpleenroll', {
        profile,
        method: 'POST',
        basic: `x:${challenge}`,
        body: pemEncode('CERTIFICATE REQUEST', der),
        headers: { 'Content-Type': 'application/pkcs10' },
      })
      const leaf = leafOf(answer)
      expect(leaf.identifiers).toEqual(device.names)
      expect(leaf.subject.flat()).toEqual(
        expect.arrayContaining([expect.objectContaining({ type: 'OU', value: 'Lab 7' })]),
      )
    }
  })
})
