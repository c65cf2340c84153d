import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { certificateFacts } from '../../src/pki/certificateFacts.ts'
import { oid, printable, seq, tlv } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { decodeQcStatements } from '../../src/pki/qcStatements.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-facts-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** By openssl, self-signed. */
function certificate(config: string, key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']): Buffer {
  const [file, out] = [join(folder, 'c.cnf'), join(folder, 'c.pem')]
  writeFileSync(file, config)
  const args = ['req', '-x509', '-nodes', ...key, '-keyout', join(folder, 'k.pem'), '-out', out, '-days', '30']
  execFileSync('openssl', [...args, '-config', file], { stdio: 'pipe' })
  const [block] = pemDecode(readFileSync(out, 'utf8'))
  if (!block) throw new Error('openssl made nothing')
  return block.der
}

const rich = `
[req]
prompt = no
distinguished_name = dn
x509_extensions = ext
[dn]
C = NL
O = Example
CN = Jane Doe
[ext]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
extendedKeyUsage = clientAuth,1.2.3.4
subjectAltName = @san
1.3.6.1.5.5.7.1.3 = ASN1:SEQUENCE:qc
[san]
DNS.1 = a.example.org
DNS.2 = b.example.org
IP.1 = 192.0.2.1
IP.2 = 2001:db8::1
email.1 = jane@example.org
URI.1 = https://example.org/jane
RID.1 = 1.2.3.4
dirName.1 = dir
otherName.1 = 1.3.6.1.4.1.311.20.2.3;UTF8:jane@corp
otherName.2 = 1.2.3;INTEGER:5
[dir]
O = Other
CN = Jane
[qc]
a = SEQUENCE:compliance
b = SEQUENCE:sscd
c = SEQUENCE:type
d = SEQUENCE:law
e = SEQUENCE:pds
[compliance]
id = OID:0.4.0.1862.1.1
[sscd]
id = OID:0.4.0.1862.1.4
[type]
id = OID:0.4.0.1862.1.6
list = SEQUENCE:types
[types]
a = OID:0.4.0.1862.1.6.1
b = OID:0.4.0.1862.1.6.2
c = OID:0.4.0.1862.1.6.3
d = OID:1.2.3.4
[law]
id = OID:0.4.0.1862.1.7
list = SEQUENCE:countries
[countries]
a = PRINTABLESTRING:CH
[pds]
id = OID:0.4.0.1862.1.5
list = SEQUENCE:nothing
[nothing]
`
const simple = (extensions: string, name = 'CN = x') => `[req]
prompt = no
distinguished_name = dn
x509_extensions = ext
[dn]
${name}
[ext]
${extensions}
`

describe('certificateFacts', () => {
  test('names of all kinds, usages and qualified statements', () => {
    expect(certificateFacts(certificate(rich))).toMatchObject({
      subject: 'CN=Jane Doe,O=Example,C=NL',
      issuer: 'CN=Jane Doe,O=Example,C=NL',
      commonName: 'Jane Doe',
      issuerCommonName: 'Jane Doe',
      subjectType: 'selfSignedEndEntity',
      keyUsage: ['digitalSignature', 'contentCommitment'],
      extendedKeyUsage: ['1.3.6.1.5.5.7.3.2', '1.2.3.4'],
      alternativeNames: {
        dNSName: ['a.example.org', 'b.example.org'],
        iPAddress: ['192.0.2.1', '2001:db8::1'],
        rfc822Name: ['jane@example.org'],
        uniformResourceIdentifier: ['https://example.org/jane'],
        registeredID: ['1.2.3.4'],
        directoryName: ['CN=Jane,O=Other'],
        otherName: ['1.3.6.1.4.1.311.20.2.3=jane@corp', '1.2.3=#020105'],
      },
      signatureAlgorithm: 'ecdsa-with-SHA256',
      publicKeyAlgorithm: 'ECDSA',
      curve: 'P-256',
      keySize: 256,
      qcStatements: { compliance: true, sscd: true, types: ['esign', 'eseal', 'web'], legislation: ['CH'] },
    })
  })

  test('names of the two kinds that nobody writes any more, as they are', () => {
    // X.400: country NL (RFC 5280 appendix A.1, CountryName [APPLICATION 1]); EDI: partyName [1].
    const x400 = tlv(0xa3, seq(tlv(0x61, printable('NL'))))
    const edi = tlv(0xa5, tlv(0xa1, printable('Acme')))
    const names = seq(x400, edi)
    const { alternativeNames } = certificateFacts(certificate(simple(`subjectAltName = DER:${names.toString('hex')}`)))
    expect(alternativeNames).toEqual({
      x400Address: [`#${x400.toString('hex')}`],
      ediPartyName: [`#${edi.toString('hex')}`],
    })
  })

  test('a root, and one without a name or extension', () => {
    const root = certificateFacts(certificate(simple('basicConstraints = critical,CA:TRUE')))
    expect(root).toMatchObject({ subjectType: 'rootCa', keyUsage: [], extendedKeyUsage: [], alternativeNames: {} })
    expect(root.qcStatements).toBeUndefined()
    const plain = certificateFacts(certificate(simple('basicConstraints = CA:FALSE', 'O = nobody')))
    expect(plain).toMatchObject({ subjectType: 'selfSignedEndEntity', subject: 'O=nobody' })
    expect(plain.commonName).toBeUndefined()
  })

  test.each([
    [
      ['-newkey', 'rsa:2048', '-sha384'],
      { publicKeyAlgorithm: 'RSA', keySize: 2048, signatureAlgorithm: 'sha384WithRSAEncryption' },
    ],
    [['-newkey', 'ed25519'], { publicKeyAlgorithm: 'Ed25519', keySize: 256, signatureAlgorithm: 'Ed25519' }],
    [['-newkey', 'ed448'], { publicKeyAlgorithm: 'Ed448', keySize: 456, signatureAlgorithm: 'Ed448' }],
    [
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
      { publicKeyAlgorithm: 'ECDSA', keySize: 256, curve: 'secp256k1' },
    ],
    [
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:sect283k1'],
      { publicKeyAlgorithm: 'ECDSA', keySize: 0, curve: '1.3.132.0.16' },
    ],
  ])('algorithms by their names: %j', (key, expected) => {
    const facts = certificateFacts(certificate(simple('basicConstraints = critical,CA:TRUE'), key))
    expect(facts).toMatchObject({ ...expected, subjectType: 'rootCa' })
  })

  test('one that only says that it signed itself is not self-signed', () => {
    const der = Buffer.from(certificate(simple('basicConstraints = critical,CA:TRUE\nsubjectKeyIdentifier = none')))
    // The last octet is of the signature's s.
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1
    expect(certificateFacts(der).subjectType).toBe('intermediateCa')
  })

  test('whatever the bytes, nothing but PkiError', () => {
    const der = certificate(rich)
    const safe = (read: () => unknown) => {
      try {
        read()
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.nat(255), (at, octet) => {
        const changed = Buffer.from(der)
        changed[at] = octet
        safe(() => certificateFacts(changed))
      }),
      { numRuns: 400 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        safe(() => certificateFacts(Buffer.from(bytes)))
        safe(() => decodeQcStatements(Buffer.from(bytes)))
      }),
    )
  })
})

describe('decodeQcStatements refuses', () => {
  const LEGISLATION = '0.4.0.1862.1.7'
  test.each([
    ['an empty list', seq()],
    ['a statement without an identifier', seq(seq())],
    ['a value where there is none', seq(seq(oid('0.4.0.1862.1.1'), seq()))],
    ['a type without a list', seq(seq(oid('0.4.0.1862.1.6')))],
    ['an empty list of types', seq(seq(oid('0.4.0.1862.1.6'), seq()))],
    ['a country of three letters', seq(seq(oid(LEGISLATION), seq(printable('CHE'))))],
    ['something left over', seq(seq(oid('1.2.3'), seq(), seq()))],
    ['what is no sequence', oid('1.2.3')],
  ])('%s', (_, der) => {
    expect(() => decodeQcStatements(der)).toThrow(PkiError)
  })

  test('but not statements that it does not know', () => {
    const unknown = decodeQcStatements(seq(seq(oid('1.2.3'), seq())))
    expect(unknown).toEqual({ compliance: false, sscd: false, types: [], legislation: [] })
  })
})
