import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ValidationResult } from '../../protocols/acme/outcome.ts'
import type { DnsServer } from '../helpers/dnsServer.ts'
import { challengeFor, closedPort, KEY_AUTHORIZATION, startDns, validatorWith } from '../helpers/validation.ts'

const AT = '_acme-challenge.www.test'
const RIGHT = createHash('sha256').update(KEY_AUTHORIZATION).digest('base64url')

function validate(dns: Pick<DnsServer, 'address'>, timeoutMs = 200): Promise<ValidationResult> {
  return validatorWith({ resolver: dns.address, timeoutMs }).validate(challengeFor('dns-01', 'www.test'))
}

function detailOf(result: ValidationResult): string {
  return result.ok ? '' : `${result.error.type}: ${result.error.detail}`
}

describe('takes', () => {
  test('wire 44: the digest at _acme-challenge, and asks for nothing else (RFC 8555 section 8.4)', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
    expect(dns.asked).toMatchObject([{ name: AT, type: 'TXT', transport: 'udp' }])
  })

  test('wire 44: any one of several records', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: ['old', 'v=spf1 -all', RIGHT, 'other'] })
    expect(await validate(dns)).toEqual({ ok: true })
  })

  test('wire 44: a record in several strings', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [[RIGHT.slice(0, 20), '', RIGHT.slice(20)]] })
    expect(await validate(dns)).toEqual({ ok: true })
  })

  test('an answer too large for UDP', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [...Array.from({ length: 40 }, (_, n) => `${n}`.repeat(60)), RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
    expect(dns.asked.map(({ transport }) => transport)).toEqual(['udp', 'tcp'])
  })

  test('wire 44: the target of a CNAME that the resolver follows', async () => {
    const dns = await startDns()
    dns.set(AT, { CNAME: 'a.dns.test' })
    dns.set('a.dns.test', { TXT: [RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
  })

  test('the target of CNAMEs that only an authoritative server hands out', async () => {
    const dns = await startDns({ recursive: false })
    dns.set(AT, { CNAME: 'a.dns.test' })
    dns.set('a.dns.test', { CNAME: 'b.dns.test' })
    dns.set('b.dns.test', { TXT: [RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
  })

  test('wire 44: a record that appears while it waits', async () => {
    const dns = await startDns()
    let asked = 0
    dns.set(AT, ({ type }) => (type !== 'TXT' ? {} : { TXT: asked++ > 1 ? [RIGHT] : ['old'] }))
    expect(await validate(dns, 1000)).toEqual({ ok: true })
    expect(asked).toBe(3)
  })

  test('an answer that is late', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [RIGHT], delayMs: 50 })
    expect(await validate(dns, 1000)).toEqual({ ok: true })
  })
})

describe('refuses', () => {
  test('other values, and shows three of them', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: ['one', `${'x'.repeat(200)}`, 'tab\there', 'four', 'five'] })
    const result = await validate(dns)
    expect(result).toMatchObject({ ok: false, retry: true })
    expect(detailOf(result)).toBe(
      `incorrectResponse: the TXT records of ${AT} are "one", "${'x'.repeat(99)}…", "tab\\there" and 2 more; expected "${RIGHT}"`,
    )
  })

  test.each([
    ['the key authorization itself', KEY_AUTHORIZATION],
    ['the digest in hex', createHash('sha256').update(KEY_AUTHORIZATION).digest('hex')],
    ['the digest with padding', `${RIGHT}=`],
    ['the digest in quotes', `"${RIGHT}"`],
  ])('%s', async (_, value) => {
    const dns = await startDns()
    dns.set(AT, { TXT: [value] })
    expect(await validate(dns)).toMatchObject({ ok: false, error: { type: 'incorrectResponse' } })
  })

  test('a value at the name itself', async () => {
    const dns = await startDns()
    dns.set('www.test', { TXT: [RIGHT] })
    expect(detailOf(await validate(dns))).toBe(`dns: ${AT} does not exist (NXDOMAIN), so it has no TXT record`)
  })

  test.each([
    ['no TXT record', { A: ['127.0.0.1'] }, `${AT} has no TXT record`],
    [
      'a failing server',
      { rcode: 'SERVFAIL' as const },
      `the name server failed (SERVFAIL) when asked for TXT of ${AT}`,
    ],
    ['a silent server', { drop: true }, 'the name server'],
  ])('%s', async (_, zone, words) => {
    const dns = await startDns()
    dns.set(AT, zone)
    const result = await validate(dns)
    expect(result).toMatchObject({ ok: false, error: { type: 'dns' }, retry: true })
    expect(detailOf(result)).toContain(words)
  })

  test('a circle of CNAMEs', async () => {
    const dns = await startDns({ recursive: false })
    dns.set(AT, { CNAME: 'a.dns.test' })
    dns.set('a.dns.test', { CNAME: AT })
    expect(detailOf(await validate(dns))).toBe(`dns: more than 8 CNAME records follow each other from ${AT}`)
  })

  test('a server that is not there', async () => {
    const result = await validate({ address: `127.0.0.1:${await closedPort()}` })
    expect(result).toMatchObject({ ok: false, error: { type: 'dns' }, retry: true })
  })

  test('an address (RFC 8738 section 7), without a question', async () => {
    const dns = await startDns()
    const validator = validatorWith({ resolver: dns.address })
    expect(await validator.validate(challengeFor('dns-01', '127.0.0.1'))).toMatchObject({
      ok: false,
      error: { type: 'malformed', detail: 'dns-01 is not for IP addresses (RFC 8738 section 7)' },
      retry: false,
    })
    expect(dns.asked).toEqual([])
  })
})
