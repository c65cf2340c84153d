import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { issueCertificate } from '../../src/pki/certificate.ts'
import { context, explicit, integer, seq, TAG, tlv, utf8 } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { encodeName, nameOf } from '../../src/pki/name.ts'
import {
  decodeNameConstraints,
  encodeNameConstraints,
  nameConstraintProblems,
  type Subtree,
} from '../../src/pki/nameConstraints.ts'
import { authority, leafDraft, now, openssl, pem } from '../helpers/pkiSamples.ts'

const inside = (type: Identifier['type'], base: string, value: string) =>
  nameConstraintProblems(
    { permitted: [{ type, value: base }], excluded: [] },
    { subject: [], identifiers: [{ type, value }], other: [] },
  ).length === 0
const excluded = (type: Identifier['type'], base: string, value: string) =>
  nameConstraintProblems(
    { permitted: [], excluded: [{ type, value: base }] },
    { subject: [], identifiers: [{ type, value }], other: [] },
  ).length > 0

// RFC 5280 section 4.2.1.10, its own examples first.
// The last column, where it differs from the one before: whether the name is excluded by that space.
const table: [type: Identifier['type'], base: string, value: string, inside: boolean, excluded?: boolean][] = [
  ['dns', 'host.example.com', 'www.host.example.com', true],
  ['dns', 'host.example.com', 'host.example.com', true],
  ['dns', 'host.example.com', 'host1.example.com', false],
  ['dns', 'example.com', 'badexample.com', false],
  ['dns', 'example.com', 'WWW.Example.COM', true],
  ['dns', '.example.com', 'example.com', false],
  ['dns', '.example.com', 'www.example.com', true],
  ['dns', '', 'anything.test', true],
  ['dns', 'example.com', '*.example.com', true],
  ['dns', 'example.com', '*.com', false, true],
  ['uri', 'host.example.com', 'https://host.example.com/a', true],
  ['uri', 'host.example.com', 'https://u:p@HOST.example.com:8443/a', true],
  ['uri', 'host.example.com', 'https://host.example.com.:8443/a', true],
  ['uri', 'host.example.com', 'https://my.host.example.com/', false],
  ['uri', '.example.com', 'https://my.host.example.com/', true],
  ['uri', '.example.com', 'https://example.com/', false],
  ['uri', 'example.com', 'https://evil.test/@example.com', false],
  ['uri', 'example.com', 'urn:x:example.com', false, true],
  ['uri', '', 'https://192.0.2.1/', false, true],
  ['uri', '', 'https://[2001:db8::1]/', false, true],
  ['email', 'root@example.com', 'root@example.com', true],
  ['email', 'root@example.com', 'root@EXAMPLE.com', true],
  ['email', 'root@example.com', 'Root@example.com', false],
  ['email', 'example.com', 'any@example.com', true],
  ['email', 'example.com', 'any@host.example.com', false],
  ['email', '.example.com', 'any@host.example.com', true],
  ['email', '.example.com', 'any@example.com', false],
  ['ip', '192.0.2.0/24', '192.0.2.255', true],
  ['ip', '192.0.2.0/24', '192.0.3.0', false],
  ['ip', '0.0.0.0/0', '2001:db8::1', false],
  ['ip', '2001:db8::/33', '2001:db8:7fff::1', true],
  ['ip', '2001:db8::/33', '2001:db8:8000::1', false],
]

describe('one name, one name space', () => {
  test.each(table)('%s space %j and %j: %s', (type, base, value, within, out = within) => {
    expect(inside(type, base, value)).toBe(within)
    expect(excluded(type, base, value)).toBe(out)
  })

  test('a wildcard is excluded with any name that it stands for', () => {
    expect(excluded('dns', 'secret.example.com', '*.example.com')).toBe(true)
    expect(excluded('dns', 'a.secret.example.com', '*.example.com')).toBe(false)
    expect(excluded('dns', 'secret.example.org', '*.example.com')).toBe(false)
  })

  test('constraints on one kind say nothing about another', () => {
    expect(
      nameConstraintProblems(
        { permitted: [{ type: 'dns', value: 'a' }], excluded: [] },
        { subject: nameOf({ CN: 'x' }), identifiers: [{ type: 'ip', value: '10.0.0.1' }], other: [] },
      ),
    ).toEqual([])
  })

  test('emailAddress of the subject counts as an e-mail name', () => {
    const names = { subject: nameOf({ CN: 'x', emailAddress: 'a@evil.test' }), identifiers: [], other: [] }
    expect(
      nameConstraintProblems({ permitted: [{ type: 'email', value: 'example.com' }], excluded: [] }, names),
    ).toHaveLength(1)
  })

  test('directory names by their leading RDNs, in subject and alternative names', () => {
    const base: Subtree = { type: 'directory', value: encodeName(nameOf({ C: 'DE', O: 'Example' })).toString('hex') }
    const names = (name: Parameters<typeof encodeName>[0]) => ({ subject: name, identifiers: [], other: [] })
    const permitted = { permitted: [base], excluded: [] }
    const outside = nameOf({ C: 'DE', O: 'Other', CN: 'x' })
    expect(nameConstraintProblems(permitted, names(nameOf({ C: 'DE', O: 'EXAMPLE', CN: 'x' })))).toEqual([])
    expect(nameConstraintProblems(permitted, names(outside))).toHaveLength(1)
    expect(nameConstraintProblems(permitted, names([]))).toEqual([])
    expect(
      nameConstraintProblems({ permitted: [], excluded: [base] }, names(nameOf({ C: 'DE', O: 'Example' }))),
    ).toHaveLength(1)
    const other = [{ tag: context(4), der: tlv(context(4), encodeName(outside)) }]
    expect(nameConstraintProblems(permitted, { subject: [], identifiers: [], other })).toHaveLength(1)
  })

  test('a form that cannot be compared is refused when it is constrained and present', () => {
    const form: Subtree = { type: 'other', value: tlv(context(8, false), Buffer.of(0x2a)).toString('hex') }
    const other = [{ tag: context(8, false), der: tlv(context(8, false), Buffer.of(0x2a)) }]
    expect(
      nameConstraintProblems({ permitted: [form], excluded: [] }, { subject: [], identifiers: [], other }),
    ).toHaveLength(1)
    expect(
      nameConstraintProblems({ permitted: [form], excluded: [] }, { subject: [], identifiers: [], other: [] }),
    ).toEqual([])
  })
})

describe('encoding', () => {
  const constraints = {
    permitted: [
      { type: 'dns', value: 'example.com' },
      { type: 'ip', value: '10.0.0.0/9' },
      { type: 'ip', value: '2001:db8::/32' },
      { type: 'directory', value: encodeName(nameOf({ O: 'x' })).toString('hex') },
    ],
    excluded: [
      { type: 'email', value: '.example.com' },
      { type: 'uri', value: 'host.example.com' },
      { type: 'dns', value: '' },
    ],
  } satisfies Parameters<typeof encodeNameConstraints>[0]

  test('comes back, host bits of a network cut off', () => {
    expect(decodeNameConstraints(encodeNameConstraints(constraints))).toEqual(constraints)
    const host = encodeNameConstraints({ permitted: [{ type: 'ip', value: '10.200.1.2/9' }], excluded: [] })
    expect(decodeNameConstraints(host).permitted).toEqual([{ type: 'ip', value: '10.128.0.0/9' }])
  })

  test.each([
    ['nothing', { permitted: [], excluded: [] }],
    ['a network that is none', { permitted: [{ type: 'ip' as const, value: '10.0.0.0/33' }], excluded: [] }],
    ['spaces', { permitted: [{ type: 'dns' as const, value: 'a b' }], excluded: [] }],
  ])('refuses to write %s', (_, bad) => {
    expect(() => encodeNameConstraints(bad)).toThrow(PkiError)
  })

  const subtree = (base: Buffer, ...more: Buffer[]) => seq(explicit(0, seq(base, ...more)))
  test.each([
    ['an empty sequence', seq()],
    ['an empty list', seq(tlv(context(0), Buffer.alloc(0)))],
    ['a minimum', subtree(tlv(context(2, false), Buffer.from('a')), tlv(context(0, false), Buffer.of(1)))],
    ['a mask with holes', subtree(tlv(context(7, false), Buffer.from('0a000000ff00ff00', 'hex')))],
    ['a network of 5 octets', subtree(tlv(context(7, false), Buffer.alloc(5)))],
    ['an unknown list', seq(explicit(2, seq(tlv(context(2, false), Buffer.from('a')))))],
    ['a directory name that is none', subtree(tlv(context(4), utf8('x')))],
    ['an integer', integer(5)],
    ['characters outside ASCII', subtree(tlv(context(2, false), Buffer.of(0xff)))],
  ])('refuses to read %s', (_, der) => {
    expect(() => decodeNameConstraints(der)).toThrow(PkiError)
  })

  test('random and mutated bytes: PkiError or constraints', () => {
    const good = encodeNameConstraints(constraints)
    const attempt = (bytes: Buffer) => {
      try {
        const read = decodeNameConstraints(bytes)
        expect(
          Array.isArray(
            nameConstraintProblems(read, {
              subject: nameOf({ CN: 'x' }),
              identifiers: [{ type: 'uri', value: 'x:y' }],
              other: [],
            }),
          ),
        ).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(PkiError)
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) =>
        attempt(Buffer.concat([Buffer.of(TAG.seq), Buffer.from(bytes)])),
      ),
    )
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, octet) => attempt(Buffer.from(good.with(at, octet)))),
      { numRuns: 2000 },
    )
  })
})

test.each([
  [[{ type: 'dns', value: 'www.example.com' }], true],
  [[{ type: 'dns', value: 'www.example.org' }], false],
  [[{ type: 'ip', value: '10.1.2.3' }], false],
  [[{ type: 'ip', value: '192.0.2.1' }], true],
  [[{ type: 'email', value: 'a@b.example.com' }], true],
  [[{ type: 'email', value: 'a@example.com' }], false],
] satisfies [Identifier[], boolean][])('openssl agrees about %j', async (identifiers, fits) => {
  const constraints = {
    permitted: [
      { type: 'dns' as const, value: 'example.com' },
      { type: 'email' as const, value: '.example.com' },
    ],
    excluded: [{ type: 'ip' as const, value: '10.0.0.0/8' }],
  }
  const ca = await authority('P-256', { cn: 'Constrained', nameConstraints: constraints })
  const leaf = await issueCertificate(leafDraft(ca, { subject: [], identifiers }), ca.signer)
  const verify = () =>
    openssl({ 'ca.pem': pem(ca.certificate), 'leaf.pem': pem(leaf) }, [
      'verify',
      '-attime',
      String(now.getTime() / 1000),
      '-CAfile',
      'ca.pem',
      'leaf.pem',
    ])
  expect(nameConstraintProblems(constraints, { subject: [], identifiers, other: [] }).length === 0).toBe(fits)
  if (fits) expect(verify()).toBe('leaf.pem: OK\n')
  else expect(verify).toThrow(/subtree violation/)
})
