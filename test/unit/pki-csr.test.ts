import 'reflect-metadata'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { describe, expect, test } from 'vitest'
import { parseCsr } from '../../src/pki/csr.ts'
import { bits, ia5, implicit, integer, octets, printable, seq, utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames } from '../../src/pki/identifier.ts'
import { nameOf, nameText } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, ecKey, extension, extensionRequest, openssl, opensslCsr } from '../helpers/csrs.ts'

const SUBJECT = '/C=DE/O=Example GmbH/CN=www.example.com'
const NAMES =
  'subjectAltName=DNS:www.Example.com,DNS:*.example.com,IP:192.0.2.1,IP:2001:db8::1,email:a@example.com,URI:urn:x:1'
const EXTENSIONS = [
  '-addext',
  NAMES,
  '-addext',
  'tlsfeature=status_request',
  '-addext',
  'keyUsage=critical,digitalSignature',
]
const ec = (curve: string) => ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`]
const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32']

/** What openssl and @peculiar/x509 read in the same bytes. */
function others(der: Buffer) {
  const printed = openssl(
    ['req', '-inform', 'DER', '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb,utf8', '-verify', '-pubkey'],
    der,
  ).toString()
  const request = new Pkcs10CertificateRequest(der)
  return {
    subject: /^subject=(.*)$/m.exec(printed)?.[1],
    publicKey: /-----BEGIN PUBLIC KEY-----[\s\S]*-----END PUBLIC KEY-----\n/.exec(printed)?.[0],
    identifiers: request.extensions.flatMap((extension) =>
      extension instanceof SubjectAlternativeNameExtension ? extension.names.toJSON() : [],
    ),
    extensions: request.extensions.map(({ type, critical, value }) => ({
      oid: type,
      critical,
      value: Buffer.from(value),
    })),
    attributes: request.attributes.map(({ type }) => type),
  }
}

describe('requests of openssl are read as openssl and @peculiar/x509 read them', () => {
  test.each<[string, string[], string, string[], string]>([
    ['RSA', ['rsa:2048'], SUBJECT, EXTENSIONS, 'sha256WithRSAEncryption'],
    ['RSA, SHA-384', ['rsa:2048'], SUBJECT, ['-sha384'], 'sha384WithRSAEncryption'],
    ['RSA, SHA-512', ['rsa:2048'], SUBJECT, ['-sha512'], 'sha512WithRSAEncryption'],
    ['RSASSA-PSS', ['rsa:2048'], SUBJECT, [...EXTENSIONS, ...pss], 'RSASSA-PSS'],
    ['P-256', ec('P-256'), SUBJECT, EXTENSIONS, 'ecdsa-with-SHA256'],
    ['P-384', ec('P-384'), SUBJECT, [...EXTENSIONS, '-sha384'], 'ecdsa-with-SHA384'],
    ['P-521', ec('P-521'), SUBJECT, [...EXTENSIONS, '-sha512'], 'ecdsa-with-SHA512'],
    ['Ed25519', ['ed25519'], SUBJECT, EXTENSIONS, 'Ed25519'],
    ['a CN only', ec('P-256'), '/CN=www.example.com', [], 'ecdsa-with-SHA256'],
    ['an empty subject', ec('P-256'), '/', EXTENSIONS, 'ecdsa-with-SHA256'],
    ['UTF-8, many RDNs', ec('P-256'), '/DC=org/DC=example/OU=a/UID=b/CN=Lučić, "x"', ['-utf8'], 'ecdsa-with-SHA256'],
  ])('%s', (_, key, subject, extra, signatureAlgorithm) => {
    const der = opensslCsr(key, subject, extra)
    const csr = parseCsr(der)
    expect({
      subject: nameText(csr.subject),
      publicKey: csr.publicKey.key.export({ type: 'spki', format: 'pem' }),
      identifiers: csr.identifiers.map(({ type, value }) => ({ type: type === 'uri' ? 'url' : type, value })),
      extensions: csr.extensions,
      attributes: csr.attributes.map(({ oid }) => oid),
    }).toEqual(lowerCased(others(der)))
    expect(csr.signatureAlgorithm).toBe(signatureAlgorithm)
  })
})

function lowerCased(read: ReturnType<typeof others>) {
  const identifiers = read.identifiers.map(({ type, value }) => ({
    type,
    value: type === 'dns' ? value.toLowerCase() : value,
  }))
  return { ...read, identifiers }
}

const san = (...names: string[]) =>
  extension(OID.subjectAltName, encodeGeneralNames(names.map((value) => ({ type: 'dns', value }))))

describe('attributes', () => {
  test.each([
    ['PrintableString', printable('secret'), 'secret'],
    ['UTF8String', utf8('gehéim'), 'gehéim'],
    ['IA5String', ia5('a@b'), 'a@b'],
  ])('challengePassword as %s', (_, value, text) => {
    expect(parseCsr(buildCsr({ attributes: [attribute(OID.challengePassword, value)] })).challengePassword).toBe(text)
  })

  test('without one, the key is absent', () => {
    expect(parseCsr(buildCsr())).not.toHaveProperty('challengePassword')
  })

  test('unknown ones are kept', () => {
    const csr = parseCsr(buildCsr({ attributes: [attribute(OID.microsoftOsVersion, ia5('10.0'), ia5('x'))] }))
    expect(csr.attributes).toMatchObject([
      { oid: OID.microsoftOsVersion, values: [{ der: ia5('10.0') }, { der: ia5('x') }] },
    ])
  })

  test('the attributes may be absent altogether', () => {
    expect(parseCsr(buildCsr({ attributes: 'absent', subject: nameOf({ CN: 'a' }) }))).toMatchObject({
      attributes: [],
      subject: [[{ type: 'CN', value: 'a' }]],
    })
  })

  test("extensions of Microsoft's attribute count, beside the standard one", () => {
    const usage = extension(OID.keyUsage, bits(Buffer.of(0x80), 7), true)
    const csr = parseCsr(
      buildCsr({
        attributes: [extensionRequest(san('a.example')), attribute(OID.microsoftExtensionRequest, seq(usage))],
      }),
    )
    expect(csr.extensions.map(({ oid, critical }) => [oid, critical])).toEqual([
      [OID.subjectAltName, false],
      [OID.keyUsage, true],
    ])
    expect(csr.identifiers).toEqual([{ type: 'dns', value: 'a.example' }])
  })

  test('critical FALSE may be written out', () => {
    const csr = parseCsr(buildCsr({ attributes: [extensionRequest(extension(OID.keyUsage, Buffer.alloc(0), false))] }))
    expect(csr.extensions).toEqual([{ oid: OID.keyUsage, critical: false, value: Buffer.alloc(0) }])
  })

  test('names of other kinds are kept apart', () => {
    const upn = implicit(
      0,
      Buffer.concat([Buffer.from('060a2b060104018237140203', 'hex'), implicit(0, utf8('a@b'), true)]),
      true,
    )
    const csr = parseCsr(buildCsr({ attributes: [extensionRequest(extension(OID.subjectAltName, seq(upn)))] }))
    expect(csr).toMatchObject({ identifiers: [], otherNames: [{ tag: 0xa0, der: upn }] })
  })
})

test('the result does not change with the bytes it was read from', () => {
  const der = buildCsr({ subject: nameOf({ CN: 'a' }) })
  const before = Buffer.from(der)
  const csr = parseCsr(der)
  der.fill(0)
  expect(csr.der).toEqual(before)
  expect(csr.publicKey.key.asymmetricKeyType).toBe('ec')
})

test('the same key gives the same publicKey.spkiHash, another key another one', () => {
  const key = ecKey()
  const hash = (der: Buffer) => parseCsr(der).publicKey.spkiHash
  expect(hash(buildCsr({ key }))).toBe(hash(buildCsr({ key, subject: nameOf({ CN: 'x' }) })))
  expect(hash(buildCsr({ key }))).not.toBe(hash(buildCsr()))
})

test('a version in another encoding is still version 0 only', () => {
  expect(() => parseCsr(buildCsr({ version: octets(Buffer.of(0)) }))).toThrow(
    expect.objectContaining({ kind: 'malformed' }),
  )
  expect(() => parseCsr(buildCsr({ version: integer(1) }))).toThrow(expect.objectContaining({ kind: 'malformed' }))
})
