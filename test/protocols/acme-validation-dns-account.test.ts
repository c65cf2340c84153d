import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { accountLabel } from '../../protocols/acme/dnsAccount01.ts'
import type { DnsServer } from '../helpers/dnsServer.ts'
import { challengeFor, KEY_AUTHORIZATION, startDns, validatorWith } from '../helpers/validation.ts'

const ACCOUNT = 'https://example.com/acme/acct/ExampleAccount'
const AT = '_ujmmovf2vn55tgye._acme-challenge.example.org'
const RIGHT = createHash('sha256').update(KEY_AUTHORIZATION).digest('base64url')

function validate(dns: DnsServer, accountUrl = ACCOUNT) {
  const challenge = { ...challengeFor('dns-account-01', 'example.org'), accountUrl }
  return validatorWith({ resolver: dns.address, timeoutMs: 200 }).validate(challenge)
}

describe('draft-ietf-acme-dns-account-label-03, server validation', () => {
  test('the label is the one of the draft’s example', () => {
    expect(`${accountLabel(ACCOUNT)}._acme-challenge.example.org`).toBe(AT)
  })

  test('takes the digest at the name of the account, among others', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: ['old', RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
    expect(dns.asked.map(({ name, type }) => `${name} ${type}`)).toEqual([`${AT} TXT`])
  })

  test('follows a CNAME', async () => {
    const dns = await startDns({ recursive: false })
    dns.set(AT, { CNAME: 'a.dns.test' })
    dns.set('a.dns.test', { TXT: [RIGHT] })
    expect(await validate(dns)).toEqual({ ok: true })
  })

  test('refuses the record of another account, of dns-01, and says which account it looked for', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [RIGHT] })
    dns.set('_acme-challenge.example.org', { TXT: [RIGHT] })
    const other = `${ACCOUNT}2`
    expect(await validate(dns, other)).toMatchObject({
      ok: false,
      retry: true,
      error: { type: 'dns', detail: expect.stringContaining(`account ${other})`) },
    })
  })

  test('refuses another digest', async () => {
    const dns = await startDns()
    dns.set(AT, { TXT: [KEY_AUTHORIZATION] })
    expect(await validate(dns)).toMatchObject({ ok: false, error: { type: 'incorrectResponse' } })
  })
})
