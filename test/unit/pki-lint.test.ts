import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeTbs } from '../../src/pki/certificate.ts'
import { readTbs } from '../../src/pki/certificateReader.ts'
import { hasNoRevAvail } from '../../src/pki/extensions.ts'
import { lintCertificate, lintChecks } from '../../src/pki/lint.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import {
  type Case,
  ca,
  caDraft,
  constrained,
  limited,
  lint,
  messageDraft,
  ocspDraft,
  rsa,
  shortDraft,
  stapling,
} from '../helpers/pkiLint.ts'
import { failing } from '../helpers/pkiLintCases.ts'
import { later, leafDraft, now } from '../helpers/pkiSamples.ts'

describe('the table of checks', () => {
  test('has unique names, a source each, and a failing case for every one', () => {
    const names = lintChecks.map(({ check }) => check)
    expect(new Set(names).size).toBe(names.length)
    expect(Object.keys(failing).sort()).toEqual([...names].sort())
    expect(names.length).toBeGreaterThanOrEqual(35)
    for (const { source } of lintChecks) expect(source).toMatch(/^(?:RFC \d{4} |CA\/B Baseline Requirements )/)
  })

  test.each(Object.entries(failing).flatMap(([check, cases]) => cases.map((one, i) => [check, i, one] as const)))(
    '%s %i',
    (check, _, one) => {
      const findings = lint(one)
      const found = findings.find((finding) => finding.check === check)
      expect(findings.map((finding) => finding.check)).toContain(check)
      expect(found?.detail).toMatch(/\S/)
    },
  )
})

describe('in order', () => {
  const good: [string, Case][] = [
    ['a server', {}],
    [
      'a server with names of every kind',
      {
        draft: {
          subject: [],
          identifiers: [
            { type: 'dns', value: '*.example.com' },
            { type: 'ip', value: '192.0.2.1' },
            { type: 'ip', value: '2001:db8::1' },
            { type: 'email', value: "o'neil+x@example.com" },
            { type: 'uri', value: 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6' },
            { type: 'uri', value: 'https://example.com/a?b#c' },
          ],
        },
      },
    ],
    [
      'a common name that is an address',
      { draft: { subject: nameOf({ CN: '2001:db8::1' }), identifiers: [{ type: 'ip', value: '2001:db8::1' }] } },
    ],
    ['an RSA server', { draft: { publicKey: rsa, keyUsage: ['digitalSignature', 'keyEncipherment'] } }],
    [
      'a client without alternative names',
      {
        draft: {
          type: 'client',
          subject: nameOf({ C: 'DE', O: 'Example', CN: 'Ada' }),
          identifiers: [],
          extendedKeyUsage: [OID.clientAuth, OID.emailProtection],
        },
      },
    ],
    ['a stapling server', { draft: { mustStaple: true }, issuer: () => stapling }],
    ['a short-lived server without revocation information', { draft: shortDraft }],
    ['a responder', { draft: ocspDraft }],
    ['a message key', { draft: messageDraft }],
    ['a message key under an authority with purposes', { draft: messageDraft, issuer: () => limited }],
    ['a responder of an authority with purposes', { draft: ocspDraft, issuer: () => limited }],
    ['a CA', { draft: { ...caDraft, pathLength: 0 } }],
    [
      'a CA with name constraints',
      {
        draft: {
          ...caDraft,
          pathLength: 0,
          nameConstraints: { permitted: [], excluded: [{ type: 'ip', value: '0.0.0.0/0' }] },
        },
      },
    ],
    [
      'a client within the purposes of its issuer',
      { draft: { type: 'client', extendedKeyUsage: [OID.clientAuth] }, issuer: () => limited },
    ],
    ['names within the constraints', { issuer: () => constrained }],
    [
      'exactly the longest validity',
      { context: { maxDays: 90 }, draft: { notBefore: now, notAfter: new Date(later(90).getTime() - 1000) } },
    ],
  ]
  test.each(good)('%s has no findings', (_, one) => {
    expect(lint(one)).toEqual([])
  })

  test('a root that signs itself has no findings', () => {
    expect(lintCertificate(ca.fields.tbs, { type: 'ca', issuer: undefined, now })).toEqual([])
  })
})

test('noRevAvail is a NULL that is not critical (RFC 9608 section 2)', () => {
  const extensionsOf = (draft: Case['draft']) =>
    readTbs(encodeTbs(leafDraft(ca, draft ?? {}), ca.signer.algorithm)).extensions
  const value = Buffer.from('0500', 'hex')
  expect(extensionsOf(shortDraft)).toContainEqual({ oid: '2.5.29.56', critical: false, value })
  expect(hasNoRevAvail(extensionsOf(shortDraft))).toBe(true)
  expect(hasNoRevAvail(extensionsOf({}))).toBe(false)
})

describe('bytes that are no certificate-to-be', () => {
  test('are a finding', () => {
    expect(lintCertificate(Buffer.from('3000', 'hex'), { type: 'server', issuer: ca.fields, now })).toEqual([
      { check: 'readable', severity: 'error', detail: expect.any(String), source: 'RFC 5280 4.1' },
    ])
  })

  test('never throw, at random and mutated', () => {
    const plain = encodeTbs(
      leafDraft(ca, { mustStaple: true, policies: ['1.2.3'], ocspNoCheck: true, noRevAvail: true }),
      ca.signer.algorithm,
    )
    const attempt = (tbs: Buffer) => {
      for (const type of ['server', 'ca'] as const)
        expect(Array.isArray(lintCertificate(tbs, { type, issuer: constrained.fields, now }))).toBe(true)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => attempt(Buffer.from(bytes))),
      { numRuns: 200 },
    )
    fc.assert(
      fc.property(fc.nat(plain.length - 1), fc.nat(255), (at, octet) => {
        const mutant = Buffer.from(plain)
        mutant[at] = octet
        attempt(mutant)
      }),
      { numRuns: 1500 },
    )
  })
})
