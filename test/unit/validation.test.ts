import { beforeAll, describe, expect, test } from 'vitest'
import { type ValidationInput, validate } from '../../src/core/inventory/validation.ts'
import type { CertificateDraft } from '../../src/pki/certificate.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { type ForeignCa, foreignCa } from '../helpers/foreignCa.ts'

const now = new Date('2027-03-01T08:00:00Z')
const day = 86_400_000
const at = (days: number) => new Date(now.getTime() + days * day)

describe('the validation of a certificate', () => {
  let ca: ForeignCa
  let other: ForeignCa
  beforeAll(async () => {
    ca = await foreignCa(now, { name: 'CA' })
    other = await foreignCa(now, { name: 'Other CA' })
  })
  const chainOf = ({ fields }: ForeignCa, trusted = true) => ({
    issuers: [{ fields, ours: false, trusted }],
    complete: true,
  })
  async function look(draft: Partial<CertificateDraft> = {}, more: Partial<ValidationInput> = {}) {
    const { der } = await ca.issue(draft)
    const usual = {
      status: 'issued',
      foreign: true,
      chain: chainOf(ca),
      withdrawn: false,
      expiringThreshold: 30,
    } as const
    return validate({ der, now, ...usual, ...more })
  }

  test('is valid when all that could be checked is', async () => {
    const { status, checks } = await look()
    expect(status).toBe('valid')
    expect(Object.fromEntries(Object.entries(checks).map(([name, result]) => [name, result.status]))).toEqual({
      certificate_chain: 'valid',
      signature: 'valid',
      certificate_validity: 'valid',
      ocsp_verification: 'not_checked',
      crl_verification: 'not_checked',
      basic_constraints: 'valid',
      key_usage: 'valid',
    })
  })

  test.each<[string, Partial<CertificateDraft>, Partial<ValidationInput>, string, string]>([
    ['not begun', { notBefore: at(1) }, {}, 'inactive', 'certificate_validity'],
    ['ended', {}, { now: at(91) }, 'expired', 'certificate_validity'],
    ['near its end', {}, { now: at(61) }, 'expiring', 'certificate_validity'],
    ['revoked', {}, { foreign: false, status: 'revoked' }, 'revoked', 'ocsp_verification'],
    ['on hold', {}, { foreign: false, status: 'hold' }, 'revoked', 'crl_verification'],
    ['revoked and ended', {}, { foreign: false, status: 'revoked', now: at(91) }, 'revoked', 'ocsp_verification'],
    ['of a revoked authority', {}, { foreign: false, withdrawn: true }, 'invalid', 'certificate_chain'],
    ['of an incomplete chain', {}, { chain: { issuers: [], complete: false } }, 'invalid', 'certificate_chain'],
    ['a signer without being a CA', { keyUsage: ['keyCertSign'] }, {}, 'invalid', 'basic_constraints'],
    ['a CA that may not sign', { type: 'ca', keyUsage: ['cRLSign'] }, {}, 'invalid', 'key_usage'],
  ])('%s', async (_, draft, more, status, check) => {
    const found = await look(draft, more)
    expect(found.status).toBe(status)
    expect(found.checks[check as keyof typeof found.checks].status).toBe(status)
  })

  test('says of what others have issued whether their root is trusted, and of ours only who has issued it', async () => {
    expect((await look({}, { chain: chainOf(ca, false) })).status).toBe('invalid')
    expect((await look({}, { chain: chainOf(ca, false), foreign: false })).status).toBe('valid')
  })

  test('finds a signature by another key, and a path that is too long', async () => {
    expect((await look({}, { chain: chainOf(other) })).checks.signature.status).toBe('invalid')
    const short = await foreignCa(now, { name: 'CA', more: { pathLength: 0 } })
    const below = await short.issue({ type: 'ca', keyUsage: ['keyCertSign'] })
    const usual = { status: 'issued', foreign: true, withdrawn: false, expiringThreshold: 30, now } as const
    const found = validate({ der: below.der, ...usual, chain: chainOf(short) })
    expect(found.checks.basic_constraints).toEqual({ status: 'invalid', message: 'the path below CN=CA is too long' })
    const ended = validate({ der: below.der, ...usual, chain: chainOf(short), now: at(5 * 366) })
    expect(ended.checks.certificate_chain.message).toMatch(/a certificate above it has ended/)
  })

  test('a root is signed by itself', () => {
    const usual = { status: 'issued', foreign: true, withdrawn: false, expiringThreshold: 30, now } as const
    const chain = { issuers: [], complete: true }
    const { checks } = validate({ der: readCertificate(ca.fields.der).der, ...usual, chain })
    expect(checks.signature).toEqual({ status: 'valid', message: 'it is signed by its own key' })
  })
})
