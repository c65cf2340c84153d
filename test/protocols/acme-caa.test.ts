import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type CaaName, checkCaa } from '../../protocols/acme/caa.ts'
import { caaRefusal } from '../../protocols/acme/caaPolicy.ts'
import { parseIssueValue, readCaa } from '../../protocols/acme/caaRecord.ts'
import { createDnsClient } from '../../protocols/acme/dnsClient.ts'
import type { DnsServer } from '../helpers/dnsServer.ts'
import { startDns } from '../helpers/validation.ts'

const ACCOUNT = 'https://acme.test/acme/default/account/1'
const ours = { method: 'http-01', issuers: ['ca.test', 'ca2.test'], accountUrl: ACCOUNT, resolverValidates: true }

const issue = (value: string) => ({ critical: false, tag: 'issue', value })
const wild = (value: string) => ({ critical: false, tag: 'issuewild', value })

describe('RFC 8659 section 4.1: a record', () => {
  test('has flags, a tag without case, and the rest as its value', () => {
    expect(readCaa(Buffer.from('\x80\x05IsSueca.test', 'latin1'))).toEqual({
      critical: true,
      tag: 'issue',
      value: 'ca.test',
    })
    expect(readCaa(Buffer.from('\x7f\x03tbs', 'latin1'))).toEqual({ critical: false, tag: 'tbs', value: '' })
  })

  test.each(['', '\x00', '\x00\x00', '\x00\x00issue', '\x00\x06issue'])('%j is none', (bytes) => {
    expect(readCaa(Buffer.from(bytes, 'latin1'))).toBeUndefined()
  })
})

describe('RFC 8659 section 4.2: an issue-value', () => {
  test.each<[string, string, [string, string][]]>([
    ['ca.test', 'ca.test', []],
    [' \tCA.Test ', 'ca.test', []],
    ['ca.test;', 'ca.test', []],
    ['ca.test ; ', 'ca.test', []],
    [';', '', []],
    ['', '', []],
    [' ; a=b', '', [['a', 'b']]],
    ['ca.test; a=b', 'ca.test', [['a', 'b']]],
    [
      'ca.test;a=;b = c=d ',
      'ca.test',
      [
        ['a', ''],
        ['b', 'c=d'],
      ],
    ],
    ['c--a.test; account-URI=!~', 'c--a.test', [['account-uri', '!~']]],
  ])('%j', (text, issuer, parameters) => {
    expect(parseIssueValue(text)).toEqual({ issuer, parameters: parameters.map(([tag, value]) => ({ tag, value })) })
  })

  test.each([
    '%%%%%',
    'ca.test.',
    '.test',
    'ca..test',
    '-a.test',
    'a-.test',
    'ca test',
    'ca.test a=b',
    'ca.test; a',
    'ca.test; =b',
    'ca.test; a=b;',
    'ca.test;; a=b',
    'ca.test; a=b c',
    'ca.test; a=\xe9',
    'ca_.test',
    'ca.test\0evil',
    'cä.test',
    `ca.test; a=${'x'.repeat(5000)}`,
  ])('%j is malformed', (text) => {
    expect(parseIssueValue(text)).toBeUndefined()
  })

  test('is read or malformed, whatever the text, and quickly', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '-', '.', ';', '=', ' ', '\t', '\0', 'é') }), (text) => {
        const value = parseIssueValue(text)
        return value === undefined || /^[a-z0-9.-]*$/.test(value.issuer)
      }),
      { numRuns: 500 },
    )
    const started = performance.now()
    parseIssueValue(`${'a-'.repeat(2000)}.`)
    parseIssueValue(`${' '.repeat(4000)}!`)
    expect(performance.now() - started).toBeLessThan(100)
  })
})

describe('RFC 8659 section 4: a record set', () => {
  test.each<[string, Parameters<typeof caaRefusal>[0]]>([
    ['nothing', []],
    ['us', [issue('ca.test')]],
    ['us by our other name, in upper case', [issue('CA2.TEST')]],
    ['others and us', [issue('other.test'), issue('ca.test')]],
    ['nobody and us: additive (section 4.2)', [issue(';'), issue('ca.test')]],
    ['only reports', [{ critical: true, tag: 'iodef', value: 'mailto:a@b.test' }]],
    ['only e-mail (RFC 9495)', [{ critical: true, tag: 'issuemail', value: ';' }]],
    ['an unknown property that is not critical', [{ critical: false, tag: 'tbs', value: '' }]],
    ['wildcards of others alone', [wild('other.test')]],
    ['us, with a parameter that only others know', [issue('ca.test; account=230123')]],
    ['our account', [issue(`ca.test; accounturi=${ACCOUNT}`)]],
    ['our method', [issue('ca.test; validationmethods=dns-01,http-01')]],
    ['our account with our method', [issue(`ca.test; validationmethods=http-01; accounturi=${ACCOUNT}`)]],
  ])('that names %s allows', (_what, properties) => {
    expect(caaRefusal(properties, { ...ours, wildcard: false })).toBeUndefined()
  })

  test.each<[string, Parameters<typeof caaRefusal>[0], RegExp]>([
    ['nobody', [issue(';')], /nobody/],
    ['others', [issue('other.test')], /"other.test"/],
    ['a name above ours', [issue('test')], /"test"/],
    ['what is malformed', [issue('%%%%%')], /malformed/],
    ['us, malformed at its end', [issue('ca.test; a=b;')], /malformed/],
    [
      'us, and a critical unknown property (section 4.5)',
      [issue('ca.test'), { critical: true, tag: 'tbs', value: 'Unknown' }],
      /"tbs" is critical/,
    ],
    ['another account', [issue(`ca.test; accounturi=${ACCOUNT}2`)], /another account/],
    ['our account in other letters', [issue(`ca.test; accounturi=${ACCOUNT.toUpperCase()}`)], /another account/],
    ['our account and an end that we do not write', [issue(`ca.test; accounturi=${ACCOUNT}/`)], /another account/],
    ['what is no URI', [issue('ca.test; accounturi=1')], /another account/],
    ['no account', [issue('ca.test; accounturi=')], /another account/],
    [
      'our account twice (RFC 8657 section 3)',
      [issue(`ca.test; accounturi=${ACCOUNT}; accounturi=${ACCOUNT}`)],
      /more than one accounturi/,
    ],
    [
      'our account in a tag of other case, and another',
      [issue(`ca.test; AccountURI=${ACCOUNT}; accounturi=x:y`)],
      /more than one/,
    ],
    ['our account at another authority', [issue(`other.test; accounturi=${ACCOUNT}`)], /not this authority/],
    ['another method', [issue('ca.test; validationmethods=dns-01')], /does not allow validation by http-01/],
    ['our method in other letters', [issue('ca.test; validationmethods=HTTP-01')], /http-01/],
    ['no method', [issue('ca.test; validationmethods=')], /http-01/],
    ['malformed methods', [issue('ca.test; validationmethods=http-01,')], /malformed/],
    ['methods twice', [issue('ca.test; validationmethods=http-01; validationmethods=http-01')], /more than one/],
  ])('that names %s forbids', (_what, properties, reason) => {
    expect(caaRefusal(properties, { ...ours, wildcard: false })).toMatch(reason)
  })

  test.each<[string, Parameters<typeof caaRefusal>[0], boolean]>([
    ['issue us', [issue('ca.test')], true],
    ['issue us, issuewild others', [issue('ca.test'), wild('other.test')], false],
    ['issue us, issuewild nobody', [issue('ca.test'), wild(';')], false],
    ['issue others, issuewild us', [issue('other.test'), wild('ca.test')], true],
    ['issue nobody', [issue(';')], false],
  ])('section 4.3, for a wildcard: %s', (_what, properties, allowed) => {
    expect(caaRefusal(properties, { ...ours, wildcard: true }) === undefined).toBe(allowed)
  })

  test('every method that is offered can be allowed by its name (RFC 8657 section 4)', () => {
    for (const method of ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01', 'onion-csr-01'])
      expect(
        caaRefusal([issue(`ca.test; validationmethods=${method}`)], { ...ours, method, wildcard: false }),
      ).toBeUndefined()
  })

  test('RFC 8657 section 5.6: parameters are not supported where the resolver is not trusted to validate', () => {
    const blind = { ...ours, wildcard: false, resolverValidates: false }
    expect(caaRefusal([issue('ca.test')], blind)).toBeUndefined()
    expect(caaRefusal([issue(`ca.test; accounturi=${ACCOUNT}`)], blind)).toMatch(/not trusted/)
    expect(caaRefusal([issue('ca.test; validationmethods=http-01')], blind)).toMatch(/not trusted/)
  })
})

async function check(dns: DnsServer, names: (string | CaaName)[]) {
  const asked = names.map((name) => (typeof name === 'string' ? { name, wildcard: false, method: 'http-01' } : name))
  const terms = { ...ours, dns: createDnsClient(dns.address, 1000), timeoutMs: 1000 }
  const failures = await checkCaa(asked, terms)
  return asked.map((name) => failures.get(name)?.error)
}

describe('RFC 8659 section 3: the relevant record set', () => {
  test('is looked for up to the top-level domain, and not at the root', async () => {
    const dns = await startDns()
    expect(await check(dns, ['x.y.z'])).toEqual([undefined])
    expect(dns.asked.map(({ name, type }) => `${name} ${type}`)).toEqual(['x.y.z CAA', 'y.z CAA', 'z CAA'])
  })

  test('is the nearest one, and ends the search', async () => {
    const dns = await startDns()
    dns.set('b.c', { CAA: [{ tag: 'issue', value: 'ca.test' }] })
    dns.set('c', { CAA: [{ tag: 'issue', value: ';' }] })
    expect(await check(dns, ['a.b.c'])).toEqual([undefined])
    expect(dns.asked.map(({ name }) => name)).toEqual(['a.b.c', 'b.c'])
  })

  test('is that of the end of an alias, and what is above the alias does not count (section 7)', async () => {
    const dns = await startDns()
    dns.set('www.a.test', { CNAME: 'web.host.example' })
    dns.set('host.example', { CAA: [{ tag: 'issue', value: ';' }] })
    dns.set('a.test', { CAA: [{ tag: 'issue', value: 'ca.test' }] })
    expect(await check(dns, ['www.a.test'])).toEqual([undefined])
    dns.set('web.host.example', { CAA: [{ tag: 'issue', value: ';' }] })
    expect(await check(dns, ['www.a.test'])).toMatchObject([
      { type: 'caa', detail: expect.stringContaining('www.a.test') },
    ])
  })

  test('is checked for every name, each owner asked once', async () => {
    const dns = await startDns()
    dns.set('bad.test', { CAA: [{ tag: 'issue', value: 'other.test' }] })
    dns.set('wild.test', { CAA: [{ tag: 'issuewild', value: ';' }] })
    const star = { name: 'wild.test', wildcard: true, method: 'dns-01' }
    const problems = await check(dns, ['a.good.test', 'b.good.test', 'a.bad.test', 'wild.test', star])
    expect(problems).toMatchObject([
      undefined,
      undefined,
      { type: 'caa' },
      undefined,
      { type: 'caa', detail: expect.stringContaining('*.wild.test') },
    ])
    const asked = dns.asked.map(({ name }) => name)
    expect(asked).toHaveLength(new Set(asked).size)
  })

  test('that is critical and unknown forbids', async () => {
    const dns = await startDns()
    dns.set('new.test', {
      CAA: [
        { tag: 'issue', value: 'ca.test' },
        { tag: 'tbs', value: 'Unknown', critical: true },
      ],
    })
    expect(await check(dns, ['new.test'])).toMatchObject([{ type: 'caa', detail: expect.stringContaining('"tbs"') }])
  })

  test.each(['www.a.test', 'a.test', 'test'])(
    'SERVFAIL at %s refuses: what stands there is not known',
    async (broken) => {
      const dns = await startDns()
      dns.set(broken, { rcode: 'SERVFAIL' })
      expect(await check(dns, ['www.a.test'])).toMatchObject([
        { type: 'dns', detail: expect.stringContaining(`SERVFAIL) when asked for CAA of ${broken}`) },
      ])
    },
  )

  test('silence refuses', async () => {
    const dns = await startDns()
    dns.set('a.test', { drop: true })
    expect(await check(dns, ['www.a.test'])).toMatchObject([{ type: 'dns' }])
  })

  test('a record that cannot be read refuses', async () => {
    const dns = await startDns()
    dns.set('a.test', { CAA: [{ tag: '', value: 'x' }] })
    expect(await check(dns, ['a.test'])).toMatchObject([
      { type: 'dns', detail: expect.stringContaining('cannot be read') },
    ])
  })

  test('names below localhost are not looked for (RFC 6761 section 6.3)', async () => {
    const dns = await startDns()
    expect(await check(dns, ['a.localhost', 'localhost'])).toEqual([undefined, undefined])
    expect(dns.asked).toEqual([])
  })
})
