import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createAuthentication } from '../../src/core/login/authentication.ts'
import { fetchJson } from '../../src/core/login/oidcFetch.ts'
import type { OidcSettings } from '../../src/core/login/oidcSettings.ts'
import { oidcReach } from '../../src/reach/oidcReach.ts'
import { databases } from '../helpers/databases.ts'
import { audience, type ForgingProvider, signed, startForger } from '../helpers/openidProvider.ts'
import { createPeople, failure } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const unavailable = failure('unavailable')

/** Another server of this machine, which a provider's metadata name. */
let asked: string[] = []
let answer: RequestListener = (_, outgoing) => outgoing.end('{"keys":[]}')
const other = createServer((incoming, outgoing) => {
  asked.push(incoming.url ?? '')
  answer(incoming, outgoing)
})
const elsewhere = (path: string, host = 'localhost') => `http://${host}:${(other.address() as AddressInfo).port}${path}`
beforeAll(() => new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  other.closeAllConnections()
  return new Promise((resolve) => other.close(resolve))
})
afterEach(() => {
  asked = []
  answer = (_, outgoing) => outgoing.end('{"keys":[]}')
  vi.useRealTimers()
})

describe('endpoints that the metadata of an OpenID provider name', () => {
  let world: World
  let forger: ForgingProvider
  let token: string
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await (databases[0] as (typeof databases)[number]).open()
    close = opened.close
    world = await createWorld(opened.db)
    forger = await startForger()
    const people = await createPeople(world)
    await people.as(people.root).identities.bind('alice', { kind: 'oidc', issuer: forger.issuer, subject: 'robot' })
    const [now, key] = [Math.floor(world.time.now.getTime() / 1000), await forger.addKey('one')]
    const claims = { iss: forger.issuer, aud: audience, sub: 'robot', iat: now, exp: now + 300 }
    token = await signed(claims, { key, kid: 'one' })
    answer = (_, outgoing) => outgoing.end(JSON.stringify({ keys: forger.keys }))
  })
  afterAll(async () => {
    await forger.close()
    await close()
  })

  function within(networks: string | undefined, metadata: Record<string, string>) {
    forger.elsewhere = metadata
    answer = (_, outgoing) => outgoing.end(JSON.stringify({ keys: forger.keys }))
    const oidc: OidcSettings = {
      issuer: forger.issuer,
      clientId: 'c',
      redirectUri: 'https://countersign.test/callback',
      scopes: ['openid'],
      tokenTypes: ['at+jwt'],
      nameClaim: 'preferred_username',
      roles: {},
      organizations: {},
      audience,
      reach: oidcReach(forger.issuer, networks),
    }
    return createAuthentication({ ...world.it, oidc })
  }

  test.each([
    ['at another name of this machine', () => elsewhere('/jwks'), 'public,private'],
    ['at another address of it', () => elsewhere('/jwks', '127.1.2.3'), 'public,127.0.0.1'],
    ['link-local', () => 'https://169.254.10.10/jwks', undefined],
    ['metadata of a cloud', () => 'https://169.254.169.254/jwks', 'any'],
  ])('are not asked outside the networks: keys %s', async (_, jwks_uri, networks) => {
    await expect(within(networks, { jwks_uri: jwks_uri() }).bearer(token)).rejects.toMatchObject({
      ...unavailable,
      cause: expect.objectContaining({ message: expect.stringContaining('outside the networks that endpoints') }),
    })
    expect(asked).toEqual([])
  })

  test('are not asked outside the networks: the one for tokens, which would get the client’s secret', async () => {
    const { oidc } = within('public', { token_endpoint: elsewhere('/token') })
    if (!oidc) throw new Error('no provider')
    const { url, cookie } = await oidc.begin()
    const state = new URL(url).searchParams.get('state') ?? ''
    await expect(oidc.finish({ code: 'x', state }, { cookie, place: { source: '192.0.2.1' } })).rejects.toMatchObject(
      unavailable,
    )
    expect(asked).toEqual([])
  })

  test.each([
    ['at the issuer’s own host, whatever the networks', '127.0.0.1', 'public'],
    ['on loopback, where the issuer is', 'localhost', undefined],
    ['in a network that is named', 'localhost', '127.0.0.0/8,::1'],
  ])('are asked %s', async (_, host, networks) => {
    const { bearer } = within(networks, { jwks_uri: elsewhere('/jwks', host) })
    expect(await bearer(token)).toMatchObject({ name: 'alice' })
    expect(asked).toEqual(['/jwks'])
  })
})

describe('where the issuer is elsewhere', () => {
  const reach = oidcReach('https://id.example.org/realms/pki')

  test.each(['127.0.0.1', '[::1]', '0.0.0.0', '169.254.1.1', '[fe80::1]', '169.254.169.254', '[::ffff:127.0.0.1]'])(
    '%s is not asked',
    (host) => expect(reach(host)?.refusal(host)).toBeInstanceOf(Error),
  )
  test.each(['10.1.2.3', '8.8.8.8', 'other.example.org'])('%s may be asked', (host) =>
    expect(reach(host)?.refusal(host)).toBeUndefined(),
  )
  test('its own host is what the operator named', () => expect(reach('id.example.org')).toBeUndefined())
})

describe('an answer of a provider', () => {
  const get = () => fetchJson(elsewhere('/x', '127.0.0.1'))
  const because = (message: RegExp) => ({
    ...unavailable,
    cause: expect.objectContaining({ message: expect.stringMatching(message) }),
  })

  test('leads nowhere else', async () => {
    answer = (_, outgoing) => outgoing.writeHead(302, { location: elsewhere('/y') }).end('{}')
    await expect(get()).rejects.toMatchObject(because(/leads elsewhere/))
    expect(asked).toEqual(['/x'])
  })
  test.each([
    ['as long as it may be', 256 * 1024, true],
    ['longer', 256 * 1024 + 1, false],
  ])('%s', async (_, length, good) => {
    answer = (_, outgoing) => outgoing.end(JSON.stringify('x'.repeat(length - 2)))
    if (good) expect((await get()).status).toBe(200)
    else await expect(get()).rejects.toMatchObject(because(/more than/))
  })
  test('that does not come in time, or breaks off, is none', async () => {
    answer = (_, outgoing) => {
      outgoing.write('{')
      vi.advanceTimersByTime(5_000)
    }
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    await expect(get()).rejects.toMatchObject(because(/within 5 seconds/))
    vi.useRealTimers()
    answer = (_, outgoing) => {
      outgoing.writeHead(200, { 'content-length': '9' }).write('{')
      outgoing.destroy()
    }
    await expect(get()).rejects.toMatchObject(unavailable)
  })
})
