import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkCaa } from '../../protocols/acme/caa.ts'
import { createDeadline } from '../../protocols/acme/deadline.ts'
import { createDnsClient } from '../../protocols/acme/dnsClient.ts'
import { RECORD } from '../../protocols/acme/dnsMessage.ts'
import { examineResolver } from '../../protocols/acme/resolverCheck.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import type { Json } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { openSqlite } from '../helpers/databases.ts'
import { type SignedZone, startUnbound, type Unbound } from '../helpers/unbound.ts'
import { newCsr } from '../helpers/world.ts'

/** The account's URL is known only when it is there: the zone names it afterwards. */
const zones = (accountUrl = 'https://acme.test/none'): SignedZone[] => [
  {
    name: '',
    records: [
      'www.secure A 127.0.0.1',
      'secure CAA 0 issue "ca.test"',
      'forbidden.secure CAA 0 issue "other.test"',
      'forbidden.secure A 127.0.0.1',
      'critical.secure CAA 128 tbs "Unknown"',
      'alias.secure CNAME forbidden.secure',
      `bound.secure CAA 0 issue "ca.test; accounturi=${accountUrl}; validationmethods=http-01"`,
      'bound.secure A 127.0.0.1',
      'free A 127.0.0.1',
    ],
  },
  {
    name: 'bogus',
    signed: true,
    secure: true,
    records: ['@ CAA 0 issue "other.test"', 'www A 127.0.0.1', 'www CAA 0 issue "other.test"'],
    tamper: (text) => text.replaceAll('"other.test"', '"ca.test"'),
  },
  {
    // Somebody takes the record away, and cannot prove that there is none.
    name: 'stripped',
    signed: true,
    secure: true,
    records: ['@ CAA 0 issue "other.test"'],
    tamper: (text) => text.replace(/^.*\sCAA\s+(?:0 issue|13 ).*\n/gm, ''),
  },
  { name: 'island', signed: true, records: ['@ CAA 0 issue "ca.test"'] },
  { name: 'plain', records: ['@ CAA 0 issue "ca.test"', 'forbidden CAA 0 issue ";"'] },
]

describe('CAA over unbound, which validates DNSSEC', () => {
  let validating: Unbound
  let blind: Unbound
  beforeAll(async () => {
    validating = await startUnbound(zones())
    blind = await startUnbound(zones(), { validates: false })
  })
  afterAll(async () => {
    await validating?.stop()
    await blind?.stop()
  })

  async function ask({ address }: Unbound, name: string) {
    const deadline = createDeadline(5000)
    try {
      return await createDnsClient(address, 5000).ask(name, RECORD.CAA, deadline)
    } finally {
      deadline.close()
    }
  }

  async function check({ address }: Unbound, name: string) {
    const unvalidated: string[] = []
    const asked = { name, wildcard: false, method: 'http-01' }
    const failures = await checkCaa([asked], {
      dns: createDnsClient(address, 5000),
      issuers: ['ca.test'],
      accountUrl: 'https://acme.test/account',
      resolverValidates: true,
      timeoutMs: 5000,
      unvalidated: (owner) => unvalidated.push(owner),
    })
    return { error: failures.get(asked)?.error, unvalidated }
  }

  it('AD comes with records, with the proof that there are none, and with the proof that a name does not exist', async () => {
    expect(await ask(validating, 'secure')).toMatchObject({
      authenticated: true,
      signed: true,
      records: [expect.anything()],
    })
    expect(await ask(validating, 'www.secure')).toMatchObject({ authenticated: true, records: [] })
    expect(await ask(validating, 'none.secure')).toMatchObject({ authenticated: true, records: [] })
    expect(await ask(validating, 'alias.secure')).toMatchObject({ authenticated: true, records: [expect.anything()] })
    expect(await ask(validating, 'plain')).toMatchObject({
      authenticated: false,
      signed: false,
      records: [expect.anything()],
    })
  })

  it.each(['www.secure', 'a.b.www.secure', 'free', 'plain', 'www.plain'])('%s may be certified', async (name) => {
    expect(await check(validating, name)).toEqual({ error: undefined, unvalidated: [] })
  })

  it.each(['forbidden.secure', 'www.forbidden.secure', 'alias.secure', 'critical.secure', 'forbidden.plain'])(
    '%s may not',
    async (name) => {
      expect(await check(validating, name)).toMatchObject({ error: { type: 'caa' } })
    },
  )

  it('records that were changed on the way refuse (RFC 8659 section 5.4); a resolver that does not validate believes them', async () => {
    for (const name of ['bogus', 'www.bogus', 'new.bogus'])
      expect(await check(validating, name)).toMatchObject({
        error: { type: 'dns', detail: expect.stringContaining('SERVFAIL') },
      })
    expect(await check(blind, 'bogus')).toEqual({ error: undefined, unvalidated: ['bogus'] })
  })

  it('records that were taken away refuse (RFC 8659 section 6.4); a resolver that does not validate knows of none', async () => {
    expect(await check(validating, 'stripped')).toMatchObject({
      error: { type: 'dns', detail: expect.stringContaining('SERVFAIL') },
    })
    expect(await check(blind, 'stripped')).toEqual({ error: undefined, unvalidated: [] })
  })

  it('a zone that is signed and that no zone above vouches for counts as it is, and the log says so', async () => {
    expect(await check(validating, 'island')).toEqual({ error: undefined, unvalidated: ['island'] })
  })

  it('doctor sees which of them validates', async () => {
    const config = { http01Port: 80, tlsAlpn01Port: 443, networks: '' }
    const examine = async (more: object) => (await examineResolver({ ...config, ...more }))[0]
    expect(await examine({ resolver: validating.address })).toMatchObject({
      state: 'ok',
      detail: `${validating.address} validates`,
    })
    expect(await examine({ resolver: blind.address })).toMatchObject({
      state: 'warn',
      detail: expect.stringContaining('shows no AD for the root zone, which is signed'),
    })
    expect(await examine({ resolver: validating.address, resolverValidates: false })).toMatchObject({
      state: 'warn',
      detail: expect.stringContaining('COUNTERSIGN_RESOLVER_VALIDATES is off'),
    })
  })
})

describe('issuance with CAA over unbound', () => {
  const key = newKey()
  let unbound: Unbound | undefined
  let opened: Awaited<ReturnType<typeof openSqlite>>
  let acme: AcmeApp

  beforeAll(async () => {
    opened = await openSqlite()
    const before = await startUnbound(zones())
    acme = await createAcmeApp(opened.db, { resolver: before.address })
    await acme.world.save('caa', { protocols: { acme: { caa: { domains: ['ca.test'] } } } })
    const { kid } = await acme.client({ profile: 'caa', key })
    await before.stop()
    // In its place, with a zone that names the account.
    unbound = await startUnbound(zones(kid), { port: before.port })
  })
  afterAll(async () => {
    await acme?.close()
    await unbound?.stop()
    await opened?.close()
  })

  const first = async (name: string, by: { key?: ReturnType<typeof newKey> } = {}) => {
    const client = await acme.client({ profile: 'caa', ...by })
    const { order } = await acme.ready([name], { client })
    const { json } = await client.post(order.authorizations[0] ?? '')
    return { client, order, challenge: (json.challenges as Json[])[0] }
  }

  it('RFC 8657: the account that the signed zone names gets its certificate, another one does not', async () => {
    const { client, order, challenge } = await first('bound.secure', { key })
    expect(challenge).toMatchObject({ status: 'valid' })
    expect((await client.finalize(order, (await newCsr(['bound.secure'])).der)).json).toMatchObject({ status: 'valid' })
    const other = await first('bound.secure')
    expect(other.challenge).toMatchObject({
      status: 'invalid',
      error: { type: 'urn:ietf:params:acme:error:caa', detail: expect.stringContaining('another account') },
    })
  })

  it('a name without records above its own is free, a forbidden one is not', async () => {
    expect((await first('free')).challenge).toMatchObject({ status: 'valid' })
    expect((await first('forbidden.secure')).challenge).toMatchObject({
      status: 'invalid',
      error: { type: 'urn:ietf:params:acme:error:caa' },
    })
  })
})
