import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readOnionCaa } from '../../protocols/acme/onionCaa.ts'
import { validateOnionCsr01 } from '../../protocols/acme/onionCsr01.ts'
import { isOnion, onionAddress, readOnion } from '../../protocols/acme/onionName.ts'
import { seq, tlv } from '../../src/pki/der.ts'
import { newOnion, onionCsr } from '../helpers/onion.ts'

const DAY = 86_400_000

describe('RFC 9799 section 2: an identifier', () => {
  test.each([
    'bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.onion',
    'www.bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.onion',
    'a.b.5anebu2glyc235wbbop3m2ukzlaptpkq333vdtdvcjpigyb7x2i2m2qd.onion',
  ])('%s is a version 3 address', (name) => {
    expect(isOnion(name)).toBe(true)
    const read = readOnion(name)
    expect(read).toMatchObject({ address: name.split('.').slice(-2).join('.') })
    expect('publicKey' in read && onionAddress(read.publicKey)).toBe(name.split('.').slice(-2).join('.'))
  })

  test.each([
    ['onion', 'no version 3'],
    ['example.onion', 'no version 3'],
    ['expyuzz4wqqyqhjn.onion', 'version 2'],
    ['www.expyuzz4wqqyqhjn.onion', 'version 2'],
    ['bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccraa.onion', 'version 0'],
    ['cbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.onion', 'checksum'],
    ['bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccrad.www.onion', 'no version 3'],
    ['bbcweb3hytmzhn5d532owbu6oqadra5z3ar726vq5kgwwn6aucdccra1.onion', 'no version 3'],
  ])('%s is none', (name, fault) => {
    expect(readOnion(name)).toEqual({ fault: expect.stringContaining(fault) })
  })

  test('each key has its address', () => {
    const { address, publicKey } = newOnion()
    const octets = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
    expect(onionAddress(octets)).toBe(address)
    expect(readOnion(address)).toEqual({ address, publicKey: octets })
  })

  test.each(['onion.test', 'myonion', 'a.onions'])('%s is another name', (name) => {
    expect(isOnion(name)).toBe(false)
  })
})

describe('RFC 9799 section 3.2: onion-csr-01', () => {
  const service = newOnion()
  const other = newOnion()
  const nonce = randomBytes(24)
  const now = Date.now()
  const validate = (csr: Buffer, change: { name?: string; nonceAt?: number } = {}) => {
    const { name = service.address, nonceAt = now } = change
    return validateOnionCsr01({ name, csr, nonce, nonceAt, now })
  }

  test.each(['', 'www.', 'a.b.'])('is proved for %s and the address by its key', (below) => {
    expect(validate(onionCsr(service, { caNonce: nonce }), { name: `${below}${service.address}` })).toEqual({
      ok: true,
    })
  })

  test('the subject MUST NOT be judged', () => {
    // Not even a Name: a BMPString of an odd number of octets in an attribute that there is not.
    expect(validate(onionCsr(service, { caNonce: nonce, subject: seq(tlv(0x1e, Buffer.of(1))) }))).toEqual({ ok: true })
  })

  test('a nonce of 30 days is good, an older one is not', () => {
    const csr = onionCsr(service, { caNonce: nonce })
    expect(validate(csr, { nonceAt: now - 30 * DAY })).toEqual({ ok: true })
    expect(validate(csr, { nonceAt: now - 30 * DAY - 1 })).toMatchObject({
      ok: false,
      retry: false,
      error: { type: 'unauthorized', detail: expect.stringContaining('30 days') },
    })
  })

  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  test.each<[string, Buffer, string]>([
    ['the key of another service', onionCsr(other, { caNonce: nonce }), 'unauthorized'],
    ['a key of another kind', onionCsr(service, { caNonce: nonce, publicKey: ec.publicKey }), 'unauthorized'],
    ['another one’s signature', onionCsr(service, { caNonce: nonce, signer: other.privateKey }), 'unauthorized'],
    ['another nonce', onionCsr(service, { caNonce: randomBytes(24) }), 'unauthorized'],
    ['the nonce in base64', onionCsr(service, { caNonce: Buffer.from(nonce.toString('base64')) }), 'unauthorized'],
    ['no nonce', onionCsr(service, {}), 'unauthorized'],
    ['two nonces in one attribute', onionCsr(service, { caNonce: [nonce, nonce] }), 'badCSR'],
    [
      'no nonce of the applicant',
      onionCsr(service, { caNonce: nonce, applicantNonce: Buffer.alloc(0) }),
      'unauthorized',
    ],
    [
      'a nonce of the applicant with less than 64 bits',
      onionCsr(service, { caNonce: nonce, applicantNonce: Buffer.alloc(7, 1) }),
      'unauthorized',
    ],
    ['version 1', onionCsr(service, { caNonce: nonce, version: 1 }), 'badCSR'],
    ['octets behind it', Buffer.concat([onionCsr(service, { caNonce: nonce }), Buffer.of(0)]), 'badCSR'],
    ['nothing', Buffer.alloc(0), 'badCSR'],
  ])('%s proves nothing', (_what, csr, type) => {
    expect(validate(csr)).toMatchObject({ ok: false, retry: false, error: { type } })
  })

  test('random octets, and a good CSR with one changed, prove nothing', () => {
    const good = onionCsr(service, { caNonce: nonce })
    const refused = (csr: Buffer) => {
      const result = validate(csr)
      return !result.ok && ['badCSR', 'unauthorized'].includes(result.error.type)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => refused(Buffer.from(bytes))))
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const bytes = Buffer.from(good)
        bytes[at] = (bytes[at] ?? 0) ^ change
        return refused(bytes)
      }),
      { numRuns: 300 },
    )
  })
})

describe('RFC 9799 section 6: CAA as a descriptor has it', () => {
  test('is read line by line', () => {
    const text =
      'caa 128 issue "ca.test; validationmethods=onion-csr-01"\ncaa 0 iodef "mailto:a@b.test"\ncaa 1 ISSUE ca.test\n'
    expect(readOnionCaa(text)).toEqual([
      { critical: true, tag: 'issue', value: 'ca.test; validationmethods=onion-csr-01' },
      { critical: false, tag: 'iodef', value: 'mailto:a@b.test' },
      { critical: false, tag: 'issue', value: 'ca.test' },
    ])
    expect(readOnionCaa('caa 0 tbs "a\\"b\\\\c\\065"')).toEqual([{ critical: false, tag: 'tbs', value: 'a"b\\cA' }])
    expect(readOnionCaa('')).toEqual([])
  })

  test.each([
    'caa',
    'caa 0 issue',
    'caa 256 issue x',
    'caa -1 issue x',
    'caa 0 is-sue x',
    'CAA 0 issue x',
    'caa  0 issue x',
    'caa 0 issue a b',
    'caa 0 issue "a',
    'caa 0 issue a\n\ncaa 0 issue b',
    'caa 0 issue a\r\n',
    ' caa 0 issue a',
    'iodef',
  ])('%j is malformed', (text) => {
    expect(readOnionCaa(text)).toBeUndefined()
  })

  test('random texts are records or malformed', () => {
    const part = fc.constantFrom('caa ', '0 ', 'issue ', '"', '\\', '\n', 'a', '128 ', '\\065', '\0')
    fc.assert(
      fc.property(
        fc.array(part).map((parts) => parts.join('')),
        (text) => readOnionCaa(text)?.every(({ tag }) => tag !== '') ?? true,
      ),
    )
  })
})
