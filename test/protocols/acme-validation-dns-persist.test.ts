import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { accountHash, judgeRecords, type PersistTerms } from '../../protocols/acme/dnsPersist01.ts'
import { ValidationFailure } from '../../protocols/acme/outcome.ts'
import type { DnsServer } from '../helpers/dnsServer.ts'
import { challengeFor, startDns, validatorWith } from '../helpers/validation.ts'

// The inputs of draft-ietf-acme-dns-persist-02 section 10.2.
const KEY = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'
const OLD_KEY = 'AzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'
const ACCOUNT = 'https://ca.example/acct/123'
const PREFIX = 'https://ca.example/account-hash/'
const FQDN_HASH = '5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw'
const ANY_HASH = 'NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug'
const URI = `${PREFIX}sha-256/${FQDN_HASH}`
const NOW = new Date('2026-10-01T00:00:00Z')
const SECOND = NOW.getTime() / 1000

const terms: PersistTerms = {
  issuers: ['authority.example', 'ca.example.net'],
  accountUrl: ACCOUNT,
  prefix: PREFIX,
  thumbprints: [KEY, OLD_KEY],
  wildcard: false,
  now: NOW,
}

const judge = (values: string[], change: Partial<PersistTerms & { wide: boolean }> = {}) =>
  judgeRecords(values, 'example.com', { ...terms, wide: false, ...change })

function refusal(values: string[], change: Partial<PersistTerms & { wide: boolean }> = {}): string {
  try {
    judge(values, change)
    return 'taken'
  } catch (error) {
    return error instanceof ValidationFailure ? `${error.type}: ${error.message}` : String(error)
  }
}

describe('section 4.1: the hashed URI', () => {
  test('is the one of the test vectors in section 10.2', () => {
    expect(accountHash('example.com', KEY, ACCOUNT)).toBe(FQDN_HASH)
    expect(accountHash('*', KEY, ACCOUNT)).toBe(ANY_HASH)
  })

  test.each([
    ['for the name', `authority.example; accounturi=${URI}`],
    ['for any name', `authority.example; accounturi=${PREFIX}sha-256/${ANY_HASH}`],
    [
      'made with an earlier key',
      `authority.example; accounturi=${PREFIX}sha-256/${accountHash('example.com', OLD_KEY, ACCOUNT)}`,
    ],
    ['by our other name, in upper case', `CA.EXAMPLE.NET ;accounturi = ${URI} `],
    ['with parameters that nobody knows', `authority.example; a=b; accounturi=${URI}; PERSISTFOREVER=1`],
    ['with a policy that nobody knows', `authority.example; accounturi=${URI}; policy=narrow`],
  ])('is taken %s', (_what, value) => {
    expect(judge([value])).toEqual({ until: undefined })
  })

  test.each([
    ['another account', accountHash('example.com', KEY, `${ACCOUNT}4`)],
    ['another name', accountHash('www.example.com', KEY, ACCOUNT)],
    ['another key', accountHash('example.com', `B${KEY.slice(1)}`, ACCOUNT)],
    ['other letters', FQDN_HASH.toLowerCase()],
  ])('of %s is unauthorized', (_what, hash) => {
    expect(refusal([`authority.example; accounturi=${PREFIX}sha-256/${hash}`])).toMatch(/^unauthorized: /)
  })

  test.each([
    ['an account URL in clear, as -01 had it', ACCOUNT],
    ['another prefix', URI.replace('ca.', 'cb.')],
    ['another algorithm', `${PREFIX}sha-512/${FQDN_HASH}`],
    ['an algorithm in other letters', `${PREFIX}SHA-256/${FQDN_HASH}`],
    ['a padded hash', `${URI}=`],
    ['a short hash', URI.slice(0, -2)],
    ['a hash and more', `${URI}/x`],
    ['nothing', ''],
  ])('that is %s is malformed (section 9.3.1)', (_what, uri) => {
    expect(refusal([`authority.example; accounturi=${uri}`])).toMatch(
      /^malformed: a TXT record of _validation-persist\.example\.com /,
    )
  })
})

describe('section 4.1: the other parameters', () => {
  test('persistUntil ends the proof, and the record with it', () => {
    const until = (text: string) => `authority.example; accounturi=${URI}; persistUntil=${text}`
    expect(judge([until(`${SECOND + 60}`)])).toEqual({ until: NOW.getTime() + 60_000 })
    expect(judge([until(`${SECOND}`)])).toEqual({ until: NOW.getTime() })
    expect(judge([until('99999999999999999999')])).toEqual({ until: undefined })
    expect(refusal([until(`${SECOND - 1}`)])).toMatch(/^unauthorized: .*ended/)
    expect(refusal([until('-1')])).toMatch(/^unauthorized: .*ended/)
    for (const text of ['', '1e9', '0x10', '12.5', 'never', '+5'])
      expect(refusal([until(text)])).toMatch(/^malformed: .*no integer/)
  })

  test('a record that lasts longer wins', () => {
    const record = (more: string) => `authority.example; accounturi=${URI}${more}`
    const values = [record(`; persistUntil=${SECOND + 60}`), record(`; persistUntil=${SECOND + 90}`)]
    expect(judge(values)).toEqual({ until: NOW.getTime() + 90_000 })
    expect(judge([...values, record('')])).toEqual({ until: undefined })
  })

  test.each(['wildcard', 'WildCard'])('policy=%s is what a wildcard needs', (policy) => {
    expect(judge([`authority.example; accounturi=${URI}; POLICY=${policy}`], { wide: true })).toEqual({
      until: undefined,
    })
  })

  test.each(['', '; policy=', '; policy=wild', '; policy=wildcards'])('%j is no wildcard', (policy) => {
    expect(refusal([`authority.example; accounturi=${URI}${policy}`], { wide: true })).toMatch(
      /^unauthorized: .*policy=wildcard/,
    )
  })

  test.each([
    ['a parameter twice', `authority.example; accounturi=${URI}; a=1; A=2`],
    ['no accounturi', 'authority.example'],
    ['a semicolon at its end', `authority.example; accounturi=${URI};`],
    ['a parameter without a value', `authority.example; accounturi=${URI}; policy`],
  ])('%s is malformed', (_what, value) => {
    expect(refusal([value])).toMatch(/^malformed: /)
  })
})

describe('section 4.3: several issuers', () => {
  const right = `authority.example; accounturi=${URI}`
  test('records of others are passed over, whatever is in them', () => {
    expect(judge(['ca2.example; accounturi=x; accounturi=y', '%%%', 'v=spf1 -all', right])).toEqual({
      until: undefined,
    })
  })
  test('a record of ours that is wrong does not spoil one that is right', () => {
    expect(judge(['authority.example', `${right}; persistUntil=1`, right])).toEqual({ until: undefined })
  })
  test.each([[[]], [['ca2.example; accounturi=x']], [['v=spf1 -all']]])(
    'none for us among %j is unauthorized',
    (values) => {
      expect(refusal(values)).toMatch(
        /^unauthorized: no TXT record .* names "authority\.example" or "ca\.example\.net"/,
      )
    },
  )
})

test('random texts are taken or refused, nothing else', () => {
  const part = fc.constantFrom(
    'authority.example',
    ';',
    ' ',
    'accounturi',
    '=',
    URI,
    PREFIX,
    'persistUntil',
    '9',
    '-',
    'policy',
    'wildcard',
    'é',
    '/',
  )
  fc.assert(
    fc.property(
      fc.array(
        fc.array(part).map((parts) => parts.join('')),
        { maxLength: 4 },
      ),
      fc.boolean(),
      (values, wide) => /^(taken|malformed: |unauthorized: )/.test(refusal(values, { wide })),
    ),
    { numRuns: 500 },
  )
})

describe('validation over DNS', () => {
  const validate = (dns: DnsServer, name: string, change: Partial<PersistTerms> = {}) =>
    validatorWith({ resolver: dns.address, timeoutMs: 200 }).validate({
      ...challengeFor('dns-persist-01', name),
      persist: { ...terms, ...change },
    })
  const anyName = `authority.example; accounturi=${PREFIX}sha-256/${ANY_HASH}`

  test('asks at _validation-persist, joins strings, and passes the end on', async () => {
    const dns = await startDns()
    const text = `authority.example; accounturi=${URI}; persistUntil=${SECOND + 60}`
    dns.set('_validation-persist.example.com', { TXT: [[text.slice(0, 70), text.slice(70)]] })
    expect(await validate(dns, 'example.com')).toEqual({ ok: true, until: NOW.getTime() + 60_000 })
    expect(dns.asked.map(({ name }) => name)).toEqual(['_validation-persist.example.com'])
  })

  test('section 6: a record above the name counts with policy=wildcard, and only then', async () => {
    const dns = await startDns()
    dns.set('_validation-persist.example.com', { TXT: [`authority.example; accounturi=${URI}; policy=wildcard`] })
    expect(await validate(dns, 'server.dept.example.com')).toEqual({ ok: true })
    expect(await validate(dns, 'dept.example.com', { wildcard: true })).toEqual({ ok: true })
    dns.set('_validation-persist.example.com', { TXT: [`authority.example; accounturi=${URI}`] })
    expect(await validate(dns, 'example.com')).toEqual({ ok: true })
    expect(await validate(dns, 'server.dept.example.com')).toMatchObject({ ok: false })
    expect(await validate(dns, 'example.com', { wildcard: true })).toMatchObject({
      ok: false,
      error: { type: 'unauthorized' },
    })
    expect(await validate(dns, 'otherexample.com')).toMatchObject({ ok: false })
  })

  test('the hash above is that of the name with the record, not of the one that is proved', async () => {
    const dns = await startDns()
    const wrong = `${PREFIX}sha-256/${accountHash('www.example.com', KEY, ACCOUNT)}`
    dns.set('_validation-persist.example.com', { TXT: [`authority.example; accounturi=${wrong}; policy=wildcard`] })
    expect(await validate(dns, 'www.example.com')).toMatchObject({ ok: false })
  })

  test('nothing at the top of the tree speaks for everybody', async () => {
    const dns = await startDns()
    dns.set('_validation-persist.com', { TXT: [`${anyName}; policy=wildcard`] })
    expect(await validate(dns, 'example.com')).toMatchObject({ ok: false, error: { type: 'dns' } })
    expect(dns.asked.map(({ name }) => name)).not.toContain('_validation-persist.com')
  })

  test('what cannot be looked up proves nothing', async () => {
    const dns = await startDns()
    dns.set('_validation-persist.example.com', { rcode: 'SERVFAIL' })
    expect(await validate(dns, 'example.com')).toMatchObject({ ok: false, error: { type: 'dns' } })
  })
})
