import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requestedNames } from '../../src/core/issuance/requestedNames.ts'
import { csrWishes } from '../../src/core/profile/csrAttributes.ts'
import { admit } from '../../src/core/profile/policy.ts'
import { type ProfileSettings, profileSettings, type RaProfile } from '../../src/core/profile/profile.ts'
import { parseCsr } from '../../src/pki/csr.ts'
import { type CsrAttributesForm, encodeCsrAttributes } from '../../src/pki/csrAttributes.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { OID } from '../../src/pki/oid.ts'
import { type Device, obey, readCsrAttributes } from '../helpers/csrAttributes.ts'
import { keyPair } from '../helpers/pkiSamples.ts'

const rsaKeys = new Map<number, KeyObject>()

/** A key of the kind that the answer names; RSA keys are made once for each size. */
function deviceKey({ algorithm, curve, size = 2048 }: Parameters<Device['key']>[0]): KeyObject {
  if (algorithm === OID.ed25519) return keyPair('Ed25519').privateKey
  if (algorithm === OID.ecPublicKey) return keyPair(CURVES[curve ?? ''] ?? 'P-256').privateKey
  const key = rsaKeys.get(size) ?? generateKeyPairSync('rsa', { modulusLength: size }).privateKey
  rsaKeys.set(size, key)
  return key
}

const CURVES: Record<string, 'P-256' | 'P-384' | 'P-521'> = {
  [OID.prime256v1]: 'P-256',
  [OID.secp384r1]: 'P-384',
  [OID.secp521r1]: 'P-521',
}

/** Patterns of a kind with names that fit them: whose a device is, it knows itself. */
const NAMES: Record<Identifier['type'], [pattern: string, name: string][]> = {
  dns: [
    ['**', 'device.example.net'],
    ['.example.org', 'a.b.example.org'],
    ['printer-*.example.org', 'printer-7.example.org'],
    ['gateway.example.org', 'gateway.example.org'],
  ],
  ip: [
    ['0.0.0.0/0', '192.0.2.9'],
    ['2001:db8::/32', '2001:db8::1'],
  ],
  email: [['**', 'someone@example.org']],
  uri: [['**', 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6']],
}

interface Case {
  settings: ProfileSettings
  device: Device
}

const someOf = <T>(list: readonly T[]) => fc.subarray([...list])

/** Templates of each type that can come out well; a type that there is not has no value ever. */
const subjects = fc.record(
  {
    CN: fc.constantFrom('{name}', '{csr.CN}', 'unit {csr.OU}'),
    O: fc.constantFrom('Example', '{csr.O}', '{csr.nonsense}'),
    OU: fc.constantFrom('{csr.OU}', '{name}', 'unit {csr.serialNumber} of {csr.OU}'),
    C: fc.constantFrom('DE', '{csr.C}'),
    serialNumber: fc.constantFrom('{csr.serialNumber}', '{csr.CN}'),
    '2.5.4.45': fc.constantFrom('{csr.OU}', 'fixed'),
    nonsense: fc.constant('{csr.nothing}'),
  },
  { requiredKeys: [] },
)

const cases: fc.Arbitrary<Case> = fc
  .record({
    type: fc.constantFrom('server', 'client', 'dual_purpose', 'ca'),
    rsa: fc.constantFrom(null, { min: 2048, max: 8192 }, { min: 3072, max: 3072 }, { min: 2200, max: 2300 }),
    ec: someOf(['P-256', 'P-384', 'P-521']),
    ed25519: fc.boolean(),
    dns: someOf(NAMES.dns),
    ip: someOf(NAMES.ip),
    email: someOf(NAMES.email),
    uri: someOf(NAMES.uri),
    subject: subjects,
    extraExtensions: fc.constantFrom('refuse', 'ignore'),
    mustStaple: fc.constantFrom('refuse', 'honour'),
  })
  .filter(({ rsa, ec, ed25519 }) => rsa !== null || ec.length > 0 || ed25519)
  .map(({ rsa, ec, ed25519, dns, ip, email, uri, ...certificate }) => {
    const patterns = (fits: [string, string][]) => fits.map(([pattern]) => pattern)
    const names = { dns: patterns(dns), ip: patterns(ip), email: patterns(email), uri: patterns(uri) }
    const settings = profileSettings.parse({ certificate: { ...certificate, names, keys: { rsa, ec, ed25519 } } })
    const [firstDns, firstIp, firstEmail, firstUri] = [dns, ip, email, uri].map(([first]) => first?.[1])
    const own: [Identifier['type'], string | undefined][] = [
      ['dns', firstDns],
      ['ip', firstIp],
      ['email', firstEmail],
      ['uri', firstUri],
    ]
    const device: Device = {
      names: own.flatMap(([type, value]) => (value === undefined ? [] : [{ type, value }])),
      subject: { CN: firstDns ?? 'device 7', serialNumber: 'S-7', OU: 'Lab', O: 'Acme', C: 'FR' },
      key: deviceKey,
      challengePassword: 'of the connection',
    }
    return { settings, device }
  })

describe('a request made by the answer (RFC 9908) is admitted by every profile', () => {
  const now = new Date('2026-06-01T12:00:00Z')

  async function admitted({ settings, device }: Case, form: CsrAttributesForm, bound: boolean) {
    const answer = encodeCsrAttributes(csrWishes({ settings }, { bound }), form)
    const csr = parseCsr(await obey(readCsrAttributes(answer ?? Buffer.alloc(0)), device))
    const identifiers = requestedNames({ settings } as RaProfile, csr)
    return { csr, ...admit(settings, csr, { identifiers }, now) }
  }

  test.each(['list', 'template', 'both'] as const)('%s: nothing refused, nothing left out', async (form) => {
    await fc.assert(
      fc.asyncProperty(cases, fc.boolean(), async (sample, bound) => {
        const { csr, refusals, findings, wanted } = await admitted(sample, form, bound)
        expect(refusals).toEqual([])
        expect(findings).toEqual([])
        expect(csr.challengePassword).toBe(bound ? 'of the connection' : undefined)
        const { type, names } = sample.settings.certificate
        // Lint asks for a name in each server certificate: the answer has asked for one, where the profile certifies any.
        if (type === 'server' && sample.device.names.length > 0) expect(wanted.identifiers.length).toBeGreaterThan(0)
        expect(wanted.identifiers.length).toBeLessThanOrEqual(names.max)
      }),
      { numRuns: 80 },
    )
  })
})

describe('which key is asked for', () => {
  const keyOf = (keys: unknown, key?: 'RSA-3072' | 'P-384' | 'Ed25519') =>
    csrWishes({ settings: profileSettings.parse({ certificate: { keys } }) }, { bound: false, ...(key ? { key } : {}) })
      .key

  test('the first curve, else the least usual size of RSA, else Ed25519', () => {
    expect(keyOf({})).toEqual({ algorithm: 'EC', curve: 'P-256' })
    expect(keyOf({ ec: ['P-521', 'P-384'] })).toEqual({ algorithm: 'EC', curve: 'P-521' })
    expect(keyOf({ ec: [] })).toEqual({ algorithm: 'RSA', size: 2048 })
    expect(keyOf({ ec: [], rsa: { min: 2049, max: 4000 } })).toEqual({ algorithm: 'RSA', size: 3072 })
    expect(keyOf({ ec: [], rsa: { min: 5000, max: 6000 } })).toEqual({ algorithm: 'RSA', size: 5000 })
    expect(keyOf({ ec: [], rsa: null })).toEqual({ algorithm: 'Ed25519' })
    expect(keyOf({ ec: [], rsa: null, ed25519: false })).toBeUndefined()
  })

  test('another by setting, unless the profile does not take it', () => {
    expect(keyOf({}, 'RSA-3072')).toEqual({ algorithm: 'RSA', size: 3072 })
    expect(keyOf({}, 'Ed25519')).toEqual({ algorithm: 'Ed25519' })
    expect(keyOf({ ec: ['P-256'] }, 'P-384')).toEqual({ algorithm: 'EC', curve: 'P-256' })
    expect(keyOf({ rsa: { min: 4096, max: 8192 } }, 'RSA-3072')).toEqual({ algorithm: 'EC', curve: 'P-256' })
  })
})

describe('what else is asked for', () => {
  const wishes = (certificate: unknown, bound = false) =>
    csrWishes({ settings: profileSettings.parse({ certificate }) }, { bound })
  const san = (certificate: unknown) => wishes(certificate).extensions.find(({ oid }) => oid === OID.subjectAltName)

  test('a name: of the one kind that is certified, of any, of one host, or none', () => {
    expect(san({})).toEqual({ oid: OID.subjectAltName, value: Buffer.from('30028200', 'hex'), partial: true })
    expect(san({ names: { dns: [] } })?.value).toEqual(Buffer.from('30028700', 'hex'))
    expect(san({ names: { email: ['**'], uri: ['**'] } })).toEqual({ oid: OID.subjectAltName })
    expect(san({ names: { dns: ['a.test'], ip: [] } })).toEqual({
      oid: OID.subjectAltName,
      value: Buffer.concat([Buffer.from('30088206', 'hex'), Buffer.from('a.test')]),
    })
    expect(san({ names: { dns: [], ip: [] } })).toBeUndefined()
    expect(san({ type: 'client', subject: { CN: '{csr.CN}' } })).toBeUndefined()
    expect(san({ type: 'client' })?.partial).toBe(true)
  })

  test('of the subject, what comes from the client, and with their values what does not', () => {
    expect(wishes({ subject: { CN: '{name}', O: 'Example', OU: '{csr.OU} of {csr.L}', made: 'x' } }).subject).toEqual([
      { type: 'O', value: 'Example' },
      { type: 'OU' },
      { type: 'L' },
    ])
  })

  test('the challengePassword only where the binding is required', () => {
    expect(wishes({}).challengePassword).toBe(false)
    expect(wishes({}, true).challengePassword).toBe(true)
  })
})
