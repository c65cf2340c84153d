import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CsrWishes, encodeCsrAttributes, namePlaceholder } from '../../src/pki/csrAttributes.ts'
import { bool, explicit, implicit, integer, octets, oid, printable, seq, set, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { encodeKeyUsage } from '../../src/pki/extensions.ts'
import { encodeGeneralName } from '../../src/pki/identifier.ts'
import { OID } from '../../src/pki/oid.ts'
import { readCsrAttributes } from '../helpers/csrAttributes.ts'
import { openssl } from '../helpers/pkiSamples.ts'

const nothing: CsrWishes = { challengePassword: false, subject: [], extensions: [] }

/** What openssl makes of it. */
const dump = (der: Buffer): string => openssl({ attrs: der }, ['asn1parse', '-inform', 'DER', '-in', 'attrs'])

describe('the list of RFC 7030 section 4.5.2', () => {
  test('RFC 9908 section 5.4: an RSA key of 4096 bits, SHA-256, challengePassword', () => {
    const wishes: CsrWishes = { ...nothing, challengePassword: true, key: { algorithm: 'RSA', size: 4096 } }
    expect(encodeCsrAttributes(wishes, 'list')?.toString('base64')).toBe(
      'MCkGCSqGSIb3DQEJBzARBgkqhkiG9w0BAQExBAICEAAGCSqGSIb3DQEBCw==',
    )
  })

  test('RFC 9908 section 5.5: an EC key on P-384, the serial number, SHA-384, challengePassword', () => {
    const key = { algorithm: 'EC', curve: 'P-384' } as const
    const wishes: CsrWishes = { ...nothing, challengePassword: true, key, subject: [{ type: 'serialNumber' }] }
    expect(encodeCsrAttributes(wishes, 'list')?.toString('base64')).toBe(
      'MC4GCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgNVBAUGCCqGSM49BAMD',
    )
  })

  test('RFC 9908 section 3.2: one id-ExtensionReq with one value; what has no value of its own is named', () => {
    const usage = { oid: OID.keyUsage, critical: true, value: encodeKeyUsage(['digitalSignature']) }
    const wishes: CsrWishes = {
      ...nothing,
      key: { algorithm: 'Ed25519' },
      extensions: [usage, { oid: OID.subjectAltName, value: namePlaceholder('dns'), partial: true }],
    }
    const read = readCsrAttributes(encodeCsrAttributes(wishes, 'list') ?? Buffer.alloc(0))
    expect(read.oids).toEqual([OID.subjectAltName, OID.ed25519])
    expect(read.attributes.map(({ type, values }) => [type, values.length])).toEqual([
      [OID.ed25519, 0],
      [OID.extensionRequest, 1],
    ])
    expect(read.template).toBeUndefined()
  })
})

describe('the template of RFC 9908 section 3.4', () => {
  const names = seq(encodeGeneralName({ type: 'dns', value: 'www.myServer.com' }), implicit(7, Buffer.alloc(0)))
  const usage = encodeKeyUsage(['digitalSignature', 'keyAgreement'])
  const example: CsrWishes = {
    challengePassword: false,
    subject: [{ type: 'CN' }, { type: 'OU', value: 'myDept' }, { type: 'OU', value: 'myGroup' }],
    key: { algorithm: 'EC', curve: 'P-256' },
    extensions: [
      { oid: OID.subjectAltName, value: names, partial: true },
      { oid: OID.keyUsage, critical: true, value: usage },
      { oid: OID.extKeyUsage },
    ],
  }

  test('the example of the section, octet by octet, under the identifiers of appendix A', () => {
    const rdn = (type: string, ...value: Buffer[]) => set(seq(oid(type), ...value))
    const template = seq(
      integer(0),
      seq(rdn('2.5.4.3'), rdn('2.5.4.11', utf8('myDept')), rdn('2.5.4.11', utf8('myGroup'))),
      implicit(0, seq(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7')), true),
      explicit(
        1,
        seq(
          oid('1.2.840.113549.1.9.16.2.62'),
          set(
            seq(
              seq(oid('2.5.29.17'), octets(names)),
              seq(oid('2.5.29.15'), bool(true), octets(usage)),
              seq(oid('2.5.29.37')),
            ),
          ),
        ),
      ),
    )
    const answer = encodeCsrAttributes(example, 'template')
    expect(answer).toEqual(seq(seq(oid('1.2.840.113549.1.9.16.2.61'), set(template))))
    expect(dump(answer ?? Buffer.alloc(0))).toContain('id-ecPublicKey')
  })

  test('extensions that all have values stand in id-ExtensionReq, and no template of them', () => {
    const extensions = [{ oid: OID.keyUsage, critical: true, value: usage }]
    const { template } = readCsrAttributes(encodeCsrAttributes({ ...example, extensions }, 'both') ?? Buffer.alloc(0))
    expect(template?.attributes).toEqual([OID.extensionRequest])
    expect(template?.extensions).toEqual(extensions)
  })

  test.each([2048, 3072, 4096, 2500])('the size of an RSA key as a placeholder: %i bits', (size) => {
    const key = { algorithm: 'RSA', size } as const
    const answer = encodeCsrAttributes({ ...nothing, key }, 'both') ?? Buffer.alloc(0)
    const { template } = readCsrAttributes(answer)
    expect(template).toEqual({ key: { algorithm: OID.rsaEncryption, size }, extensions: [], attributes: [] })
    expect(dump(answer)).toContain('rsaEncryption')
  })

  test('a key of another kind has no placeholder; what nobody asks about is absent', () => {
    const answer = encodeCsrAttributes({ ...nothing, key: { algorithm: 'Ed25519' } }, 'template') ?? Buffer.alloc(0)
    expect(readCsrAttributes(answer).template).toEqual({
      key: { algorithm: OID.ed25519 },
      extensions: [],
      attributes: [],
    })
    const unkeyed = encodeCsrAttributes({ ...nothing, subject: [{ type: 'C', value: 'DE' }] }, 'template')
    expect(unkeyed).toEqual(
      seq(
        seq(
          oid(OID.certificationRequestInfoTemplate),
          set(seq(integer(0), seq(set(seq(oid(OID.countryName), printable('DE')))), explicit(1, Buffer.alloc(0)))),
        ),
      ),
    )
  })

  test('where the request is to be bound to its connection there is the list alone: a template cannot say so', () => {
    const bound = { ...example, challengePassword: true }
    const [list, template, both] = (['list', 'template', 'both'] as const).map((form) =>
      encodeCsrAttributes(bound, form),
    )
    expect(template).toEqual(list)
    expect(both).toEqual(list)
    const read = readCsrAttributes(list ?? Buffer.alloc(0))
    expect(read.oids[0]).toBe(OID.challengePassword)
    expect(read.template).toBeUndefined()
  })
})

test('nothing to say is no answer', () => {
  for (const form of ['list', 'template', 'both'] as const) expect(encodeCsrAttributes(nothing, form)).toBeUndefined()
})

test('the reader of the tests takes any octets for CsrAttrs or refuses them', () => {
  const sample = encodeCsrAttributes(
    {
      challengePassword: false,
      key: { algorithm: 'RSA', size: 2048 },
      subject: [{ type: 'O' }],
      extensions: [{ oid: OID.extKeyUsage }],
    },
    'both',
  )
  const read = (bytes: Buffer) => {
    try {
      readCsrAttributes(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(PkiError)
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => read(Buffer.from(bytes))))
  fc.assert(
    fc.property(fc.nat((sample?.length ?? 1) - 1), fc.nat(255), (at, octet) => {
      const changed = Buffer.from(sample ?? [])
      changed[at] = octet
      read(changed)
    }),
  )
})
