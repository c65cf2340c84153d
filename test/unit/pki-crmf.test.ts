import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attestCertReqMsg,
  isCertReqMsg,
  readCertReqMsg,
  readKeptRequest,
  verifyCertReqMsg,
} from '../../src/pki/crmf.ts'
import { parseCsr, withoutChallenge } from '../../src/pki/csr.ts'
import {
  bits,
  children,
  context,
  explicit,
  implicit,
  nullValue,
  octets,
  oid,
  readTlv,
  seq,
  time,
  tlv,
  utf8,
} from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeName, nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { buildCrmf, raVerified, signatureAlgorithmOf, spkiOf } from '../helpers/cmc.ts'
import { buildCsr, ecKey, extension, openssl } from '../helpers/csrs.ts'
import { mutations } from '../helpers/mutate.ts'

const key = ecKey()
const subject = nameOf({ O: 'Example', CN: 'device 1' })
const identifiers = [
  { type: 'dns', value: 'device1.example' },
  { type: 'ip', value: '192.0.2.1' },
] as const

/** The CertReqMsg in what openssl sends for an order by CMP (RFC 9810); the server is its own mock. */
function opensslCrmf(newKey: string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'crmf-'))
  const file = (name: string) => join(folder, name)
  try {
    const ca = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=ca']
    openssl(['req', '-x509', ...ca, '-keyout', file('ca.key'), '-out', file('ca.pem')])
    openssl(['genpkey', ...newKey, '-out', file('new.key')])
    const mock = ['-use_mock_srv', '-srv_ref', 's', '-srv_secret', 'pass:x', '-rsp_cert', file('ca.pem')]
    const order = ['-newkey', file('new.key'), '-subject', '/O=Example/CN=device 1', '-days', '30', '-popo', '1']
    const names = ['-sans', 'device1.example 192.0.2.1']
    const args = ['cmp', '-cmd', 'ir', ...mock, '-ref', 'r', '-secret', 'pass:x', ...order, ...names]
    try {
      openssl([...args, '-reqout', file('ir.der'), '-certout', file('out.pem')])
    } catch {
      // The mock's certificate is for another key, which openssl says at the end; what it sent is there.
    }
    const [, body] = children(readTlv(readFileSync(file('ir.der'))))
    const messages = body && children(readTlv(body.value))
    if (!messages?.[0]) throw new Error('openssl sent no CertReqMsg')
    return messages[0].der
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('RFC 4211 sections 3 to 5: what openssl orders is read', () => {
  test.each([
    ['P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], 'ecdsa-with-SHA256'],
    ['RSA', ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], 'sha256WithRSAEncryption'],
  ])('%s', (_, newKey, signatureAlgorithm) => {
    const der = opensslCrmf(newKey)
    const message = readCertReqMsg(der)
    const csr = verifyCertReqMsg(message)
    expect(message).toMatchObject({ id: 0n, possession: 'signature', notBefore: expect.any(Date) })
    expect(csr).toMatchObject({ identifiers, signatureAlgorithm })
    expect(nameText(csr.subject)).toBe('CN=device 1,O=Example')
    expect(csr.der).toEqual(der)
    expect(readKeptRequest(der)).toEqual(csr)
  })
})

describe('a CertReqMsg becomes a request like one of PKCS #10', () => {
  test('with the same key, names and extensions', () => {
    const wanted = [extension(OID.keyUsage, bits(Buffer.of(0x80), 7), true)]
    const csr = verifyCertReqMsg(
      readCertReqMsg(buildCrmf({ key, subject, identifiers: [...identifiers], extensions: wanted })),
    )
    expect(csr.publicKey.spki).toEqual(spkiOf(key))
    expect(csr.identifiers).toEqual(identifiers)
    expect(csr.extensions.map(({ oid }) => oid)).toEqual([OID.subjectAltName, OID.keyUsage])
    expect(withoutChallenge(csr)).toBe(csr)
  })

  test('its controls are its attributes, and what it asks of the authority stands beside it', () => {
    const witness = seq(oid(OID.cmcPopLinkWitness), octets(Buffer.alloc(20)))
    const day = new Date('2026-03-01T00:00:00Z')
    const template = [
      tlv(context(0, false), Buffer.of(2)),
      explicit(3, encodeName(nameOf({ CN: 'the CA' }))),
      implicit(4, explicit(1, time(day)), true),
      explicit(5, encodeName(subject)),
      implicit(6, readTlv(spkiOf(key)).value, true),
    ]
    const message = readCertReqMsg(buildCrmf({ key, template, controls: [witness] }))
    expect(verifyCertReqMsg(message).attributes).toMatchObject([{ oid: OID.cmcPopLinkWitness, values: [{ tag: 4 }] }])
    expect(message.notAfter).toEqual(day)
    expect(message.notBefore).toBeUndefined()
    expect(message.issuer && nameText(message.issuer)).toBe('CN=the CA')
  })

  test('an empty subject is one', () => {
    expect(
      verifyCertReqMsg(readCertReqMsg(buildCrmf({ key, subject: [], identifiers: [...identifiers] }))).subject,
    ).toEqual([])
  })

  test('it is told from PKCS #10, with a proof and without', () => {
    expect(isCertReqMsg(buildCrmf({ key }))).toBe(true)
    expect(isCertReqMsg(buildCrmf({ key, proof: 'absent' }))).toBe(true)
    expect(isCertReqMsg(buildCsr({ key }))).toBe(false)
    expect(() => parseCsr(buildCrmf({ key }))).toThrow(PkiError)
  })
})

describe('RFC 4211 section 4: proof of possession', () => {
  const kinds = [
    ['raVerified', raVerified()],
    ['keyEncipherment', explicit(2, tlv(context(1, false), Buffer.of(1)))],
    ['keyAgreement', explicit(3, tlv(context(1, false), Buffer.of(1)))],
    ['absent', 'absent'],
  ] as const
  test.each(kinds)('%s is none that this message holds', (possession, proof) => {
    const message = readCertReqMsg(buildCrmf({ key, proof }))
    expect(message.possession).toBe(possession)
    expect(() => verifyCertReqMsg(message)).toThrow(expect.objectContaining({ kind: 'unsupported' }))
    expect(attestCertReqMsg(message)).toMatchObject({ signatureAlgorithm: 'raVerified' })
    expect(readKeptRequest(message.claimed.der)).toEqual(attestCertReqMsg(message))
  })

  test('by another key, or over another request, it is bad', () => {
    const other = ecKey()
    const forged = implicit(1, Buffer.concat([signatureAlgorithmOf(other), bits(Buffer.alloc(70, 48))]), true)
    const stolen = children(readTlv(buildCrmf({ key, id: 2 })))[1]?.der ?? Buffer.alloc(0)
    for (const proof of [forged, stolen])
      expect(() => verifyCertReqMsg(readCertReqMsg(buildCrmf({ key, proof })))).toThrow(
        expect.objectContaining({ kind: 'badSignature' }),
      )
  })

  test('an algorithm of another kind of key never fits', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    const odd = implicit(1, Buffer.concat([signatureAlgorithmOf(rsa), bits(Buffer.alloc(256))]), true)
    expect(() => verifyCertReqMsg(readCertReqMsg(buildCrmf({ key, proof: odd })))).toThrow(/not signed by the key/)
  })

  test('RFC 10002 section 3.2.1.2.2: a POPOSigningKeyInput has no place here', () => {
    const input = implicit(0, Buffer.concat([explicit(0, explicit(4, encodeName(subject))), spkiOf(key)]), true)
    const proof = implicit(1, Buffer.concat([input, signatureAlgorithmOf(key), bits(Buffer.alloc(70, 1))]), true)
    expect(() => verifyCertReqMsg(readCertReqMsg(buildCrmf({ key, proof })))).toThrow(/POPOSigningKeyInput/)
  })
})

describe('refused', () => {
  const name = explicit(5, encodeName(subject))
  const publicKey = implicit(6, readTlv(spkiOf(key)).value, true)
  const san = extension(OID.subjectAltName, seq(tlv(context(2, false), Buffer.from('a.example'))))
  test.each<[string, Parameters<typeof buildCrmf>[0], RegExp]>([
    ['regInfo', { regInfo: seq(seq(oid('1.2.3'), utf8('x'))) }, /regInfo/],
    ['no subject', { template: [publicKey] }, /subject of the CertTemplate is missing/],
    ['no public key', { template: [name] }, /publicKey of the CertTemplate is missing/],
    ['a serial number', { template: [tlv(context(1, false), Buffer.of(1)), name, publicKey] }, /serialNumber/],
    ['a signingAlg', { template: [implicit(2, oid(OID.ecdsaWithSHA256), true), name, publicKey] }, /signingAlg/],
    ['an issuerUID', { template: [name, publicKey, tlv(context(7, false), Buffer.of(0))] }, /issuerUID/],
    ['another version', { template: [tlv(context(0, false), Buffer.of(1)), name, publicKey] }, /version/],
    ['fields out of order', { template: [publicKey, name] }, /not in order/],
    ['a field twice', { template: [name, name, publicKey] }, /not in order/],
    ['an unknown field', { template: [name, publicKey, implicit(10, nullValue(), true)] }, /not in order/],
    ['an empty validity', { template: [implicit(4, Buffer.alloc(0), true), name, publicKey] }, /OptionalValidity/],
    ['an extension twice', { extensions: [san, san] }, /comes twice/],
    ['a control twice', { controls: [seq(oid('1.2.3'), nullValue()), seq(oid('1.2.3'), nullValue())] }, /comes twice/],
    ['an unknown proof', { proof: implicit(4, nullValue(), true) }, /unknown kind/],
  ])('%s', (_, parts, message) => {
    expect(() => readCertReqMsg(buildCrmf({ key, ...parts }))).toThrow(message)
    expect(() => readCertReqMsg(buildCrmf({ key, ...parts }))).toThrow(PkiError)
  })
})

test('no change within a CertReqMsg, and no random bytes, give anything but a PkiError or what was signed', () => {
  const good = buildCrmf({ key, subject, identifiers: [...identifiers] })
  const attempt = (bytes: Buffer) => {
    try {
      isCertReqMsg(bytes)
      const csr = verifyCertReqMsg(readCertReqMsg(bytes))
      expect(csr.identifiers).toEqual(identifiers)
      expect(nameText(csr.subject)).toBe(nameText(subject))
    } catch (error) {
      expect(error).toBeInstanceOf(PkiError)
    }
  }
  fc.assert(fc.property(mutations(good), attempt), { numRuns: 1500 })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => attempt(Buffer.from(bytes))))
})
