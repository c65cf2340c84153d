import { type CryptoKey, decodeJwt, type JWTPayload, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Authentication } from '../../src/core/login/authentication.ts'
import { createAuthentication } from '../../src/core/login/authentication.ts'
import { isSafeUrl } from '../../src/core/login/oidcFetch.ts'
import type { OidcSettings } from '../../src/core/login/oidcSettings.ts'
import { findBySubject, userAtLogin } from '../../src/core/login/oidcUser.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import {
  audience,
  type ForgingProvider,
  signed,
  startForger,
  startProvider,
  type TestedProvider,
} from '../helpers/openidProvider.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { createWorld, type World } from '../helpers/world.ts'

const redirectUri = 'https://countersign.test/callback'
const place = { source: '192.0.2.9' }
const base = {
  redirectUri,
  scopes: ['openid', 'profile'],
  tokenTypes: ['at+jwt'],
  nameClaim: 'preferred_username',
  roles: { pki: 'approvers' },
  rolesClaim: 'groups',
  organizations: {},
  audience,
} satisfies Partial<OidcSettings>

describe.each(databases)('an OpenID provider, on $name', ({ open }) => {
  let world: World
  let people: People
  let provider: TestedProvider
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    provider = await startProvider(redirectUri)
  })
  afterAll(async () => {
    await provider.close()
    await close()
  })

  function authentication(more: Partial<OidcSettings> = {}) {
    const { issuer, clientId, clientSecret } = provider
    const made = createAuthentication({ ...world.it, oidc: { ...base, issuer, clientId, clientSecret, ...more } })
    const { oidc } = made
    if (!oidc) throw new Error('no provider')
    return { ...made, oidc }
  }
  const parameters = (url: URL) => Object.fromEntries(url.searchParams) as { code: string; state: string; iss?: string }

  test('whoever it knows and nobody here is linked to does not get in', async () => {
    const { oidc } = authentication()
    const { url, cookie } = await oidc.begin()
    const back = await provider.logIn(url, 'olga')
    const finish = oidc.finish(parameters(back), { cookie, place })
    await expect(finish).rejects.toMatchObject(failure('forbidden', /links a user/))
  })
  test('a linked user logs in by the code flow, and has the roles that it tells', async () => {
    await people.as(people.root).identities.bind('alice', { kind: 'oidc', issuer: provider.issuer, subject: 'olga' })
    const { oidc, session } = authentication()
    const begun = await oidc.begin({ returnTo: '/console?x=1' })
    const asked = new URL(begun.url).searchParams
    expect([asked.get('code_challenge_method'), asked.get('response_type'), asked.get('scope')]).toEqual([
      'S256',
      'code',
      'openid profile',
    ])
    const back = parameters(await provider.logIn(begun.url, 'olga'))
    const finished = await oidc.finish(back, { cookie: begun.cookie, place })
    expect(finished).toMatchObject({ returnTo: '/console?x=1', requester: { kind: 'user', name: 'alice' } })
    expect(await session(finished.secret)).toMatchObject({ name: 'alice' })
    expect((await people.as(people.alice).identities.me()).roles).toEqual(['approvers'])
    expect(await people.as(people.alice).identities.sessions()).toMatchObject([{ method: 'oidc', source: '192.0.2.9' }])
    // The code is good once.
    const again = oidc.finish(back, { cookie: begun.cookie, place })
    await expect(again).rejects.toMatchObject(failure('unauthenticated', /did not take the code/))
  })
  test('nothing but what this browser began is taken', async () => {
    const { oidc } = authentication()
    const [mine, other] = [await oidc.begin(), await oidc.begin()]
    const back = parameters(await provider.logIn(mine.url, 'olga'))
    const finish = (callback: object, cookie: string | undefined) => oidc.finish(callback, { cookie, place })
    const cases: [object, string | undefined][] = [
      [back, undefined],
      [back, ''],
      [back, 'x.y.z'],
      [back, other.cookie],
      [{ ...back, state: other.url }, mine.cookie],
      [{ ...back, state: undefined }, mine.cookie],
      [{ ...back, iss: 'https://another.example' }, mine.cookie],
      [{ ...back, iss: undefined }, mine.cookie],
      [{ ...back, code: undefined }, mine.cookie],
      [{ ...back, error: 'access_denied' }, mine.cookie],
    ]
    for (const [callback, cookie] of cases)
      await expect(finish(callback, cookie)).rejects.toMatchObject(failure('unauthenticated'))
    world.time.pass(601_000)
    await expect(finish(back, mine.cookie)).rejects.toMatchObject(failure('unauthenticated'))
    world.time.pass(-601_000)
  })
  test('PKCE: a code is no good with another verifier', async () => {
    const { oidc } = authentication()
    const [mine, other] = [await oidc.begin(), await oidc.begin()]
    const url = new URL(mine.url)
    url.searchParams.set('state', new URL(other.url).searchParams.get('state') ?? '')
    const back = parameters(await provider.logIn(url.href, 'olga'))
    const finish = oidc.finish(back, { cookie: other.cookie, place })
    await expect(finish).rejects.toMatchObject(failure('unauthenticated', /code/))
  })
  test('it sends nobody elsewhere afterwards', async () => {
    const { oidc } = authentication()
    for (const returnTo of [
      'https://evil.example',
      '//evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '/a\nb',
    ]) {
      const begun = await oidc.begin({ returnTo })
      const back = parameters(await provider.logIn(begun.url, 'olga'))
      expect((await oidc.finish(back, { cookie: begun.cookie, place })).returnTo).toBe('/')
    }
  })
  test('users are made where the configuration says so, and a name that is taken gives nobody its user', async () => {
    const { oidc } = authentication({ provision: { organization: 'default', roles: ['readers'] } })
    const log = async (name: string) => {
      const { url, cookie } = await oidc.begin()
      return oidc.finish(parameters(await provider.logIn(url, name)), { cookie, place })
    }
    expect((await log('peter')).requester.name).toBe('peter')
    expect((await log('peter')).requester.name).toBe('peter')
    const [peter] = (await people.as(people.chief).admin.users()).filter(({ name }) => name === 'peter')
    expect(peter).toMatchObject({ organization: 'default', roles: ['readers'], admin: false, superuser: false })
    await expect(log('admin')).rejects.toMatchObject(failure('forbidden', /admin already/))
    await expect(log('no name')).rejects.toMatchObject(failure('forbidden', /preferred_username/))
    await people.as(people.chief).admin.changeUser('peter', { enabled: false })
    await expect(log('peter')).rejects.toMatchObject(failure('forbidden', /disabled/))
  })
  test.each(['olga\u0000', 'ol\u001bga', '\ud800'])('a subject that no database keeps is nobody: %j', async (sub) => {
    const settings = { ...base, issuer: provider.issuer, clientId: 'c' }
    const login = transaction(world.it.db, (db) => userAtLogin(db, settings, { sub }, new Date()))
    await expect(login).rejects.toMatchObject(failure('forbidden', /nobody can have/))
    expect(await findBySubject(world.it.db, provider.issuer, sub)).toBeUndefined()
  })
  test('a program’s access token speaks for the user whom its subject is linked to', async () => {
    const { bearer } = authentication()
    const token = await provider.tokenFor(audience)
    expect(await bearer(token)).toBeUndefined()
    const subject = decodeJwt(token).sub ?? ''
    await people.as(people.root).identities.bind('alice', { kind: 'oidc', issuer: provider.issuer, subject })
    expect(await bearer(token)).toMatchObject({ kind: 'user', name: 'alice', people: [people.alice.id] })
    expect(await bearer(await provider.tokenFor('https://another.test/api'))).toBeUndefined()
    expect(await authentication({ audience: 'another' }).bearer(token)).toBeUndefined()
    world.time.pass(3_600_000)
    expect(await bearer(token)).toBeUndefined()
    world.time.pass(-3_600_000)
  })
  test('that is not there is said so, and nothing is believed', async () => {
    const { oidc } = authentication({ issuer: 'http://127.0.0.1:9' })
    await expect(oidc.begin()).rejects.toMatchObject(failure('unavailable'))
    const renamed = authentication({ issuer: provider.issuer.replace('127.0.0.1', 'localhost') })
    await expect(renamed.oidc.begin()).rejects.toMatchObject(failure('unavailable'))
  })
})

describe('bearer tokens', () => {
  let world: World
  let forger: ForgingProvider
  let key: CryptoKey
  let speaks: Authentication
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await (databases[0] as (typeof databases)[number]).open()
    close = opened.close
    world = await createWorld(opened.db)
    const people = await createPeople(world)
    forger = await startForger()
    key = await forger.addKey('one')
    await people.as(people.root).identities.bind('alice', { kind: 'oidc', issuer: forger.issuer, subject: 'robot' })
    speaks = make()
  })
  afterAll(async () => {
    await forger.close()
    await close()
  })
  const make = (more: Partial<OidcSettings> = {}) =>
    createAuthentication({ ...world.it, oidc: { ...base, issuer: forger.issuer, clientId: 'c', ...more } })
  const now = () => Math.floor(world.time.now.getTime() / 1000)
  const good = () => ({ iss: forger.issuer, aud: audience, sub: 'robot', iat: now(), exp: now() + 300 })
  const name = async (token: string) => (await speaks.bearer(token))?.name

  test('are good when they are', async () => {
    expect(await name(await signed(good(), { key, kid: 'one' }))).toBe('alice')
    expect(
      await name(await signed({ ...good(), aud: ['x', audience] }, { key, kid: 'one', typ: 'application/AT+JWT' })),
    ).toBe('alice')
    for (const alg of ['RS256', 'PS256', 'ES384', 'EdDSA']) {
      const other = await forger.addKey(alg, alg)
      world.time.pass(61_000)
      expect(await name(await signed(good(), { key: other, kid: alg, alg }))).toBe('alice')
    }
  })
  test('have a minute’s tolerance, and no more', async () => {
    const with_ = (claims: object) => signed({ ...good(), ...claims }, { key, kid: 'one' }).then(name)
    expect(await with_({ exp: now() - 59 })).toBe('alice')
    expect(await with_({ exp: now() - 60 })).toBeUndefined()
    expect(await with_({ nbf: now() + 60 })).toBe('alice')
    expect(await with_({ nbf: now() + 61 })).toBeUndefined()
  })
  test.each([
    ['of another audience', { aud: 'https://another.test' }, {}],
    ['without an audience', { aud: undefined }, {}],
    ['of another issuer', { iss: 'https://another.test' }, {}],
    ['without an issuer', { iss: undefined }, {}],
    ['without an end', { exp: undefined }, {}],
    ['without a subject', { sub: undefined }, {}],
    ['of a subject that is nobody', { sub: 'nobody' }, {}],
    ['of a subject with a NUL', { sub: 'robot\0' }, {}],
    ['that are bound to a key', { cnf: { jkt: 'x' } }, {}],
    ['that are ID tokens by their type', {}, { typ: 'JWT' }],
    ['of no type', {}, { typ: undefined }],
    ['with an extension that must be understood', {}, { crit: ['x'], x: 1 }],
    ['of a key that is not there', {}, { kid: 'two' }],
  ])('%s are refused', async (_, claims, header) => {
    const token = await signed({ ...good(), ...claims } as JWTPayload, { key, kid: 'one', ...header } as never).catch(
      () => signed(good(), { key, kid: 'none' }),
    )
    expect(await name(token)).toBeUndefined()
  })
  test('without a signature, with one by the public key as a secret, or with a changed one are refused', async () => {
    expect(await name(new UnsecuredJWT(good()).encode())).toBeUndefined()
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt","kid":"one"}').toString('base64url')}.${Buffer.from(JSON.stringify(good())).toString('base64url')}.`
    expect(await name(none)).toBeUndefined()
    forger.keys.push({ kty: 'oct', k: 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', kid: 'secret', alg: 'HS256' })
    world.time.pass(601_000)
    const secret = Buffer.from('c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0', 'base64url')
    expect(await name(await signed(good(), { key: secret, kid: 'secret', alg: 'HS256' }))).toBeUndefined()
    const token = await signed(good(), { key, kid: 'one' })
    const [head, , tail] = token.split('.')
    const forged = Buffer.from(JSON.stringify({ ...good(), sub: 'robot', x: 1 })).toString('base64url')
    expect(await name(`${head}.${forged}.${tail}`)).toBeUndefined()
    for (const text of ['', 'x', 'a.b.c', '...', 'e30.e30.', `${'A'.repeat(20_000)}.b.c`])
      expect(await name(text)).toBeUndefined()
  })
  test('of a new key are good at once, of one that was taken away never again, and made-up keys are asked for once a minute', async () => {
    const rotated = await forger.addKey('next')
    forger.keys.splice(0, forger.keys.length - 1)
    world.time.pass(61_000)
    expect(await name(await signed(good(), { key: rotated, kid: 'next' }))).toBe('alice')
    expect(await name(await signed(good(), { key, kid: 'one' }))).toBeUndefined()
    const before = forger.asked.keys
    for (let i = 0; i < 20; i++) expect(await name(await signed(good(), { key, kid: `made up ${i}` }))).toBeUndefined()
    expect(forger.asked.keys).toBe(before)
    world.time.pass(61_000)
    for (let i = 0; i < 20; i++) await name(await signed(good(), { key, kid: `made up ${i}` }))
    expect(forger.asked.keys).toBe(before + 1)
  })
  test('are refused where none are configured, and of another type where that is', async () => {
    const token = await signed(good(), { key, kid: 'one', typ: 'JWT' })
    expect(await make({ tokenTypes: ['jwt'] }).bearer(token)).toBeUndefined()
    const { audience: _, ...without } = base
    const plain = createAuthentication({ ...world.it, oidc: { ...without, issuer: forger.issuer, clientId: 'c' } })
    expect(await plain.bearer(token)).toBeUndefined()
    expect(await world.core.authentication.bearer(token)).toBeUndefined()
  })
  test('while the keys cannot be had nobody is let in', async () => {
    const gone = make()
    const token = await signed(good(), { key, kid: 'one' })
    await forger.close()
    await expect(gone.bearer(token)).rejects.toMatchObject(failure('unavailable'))
  })
})

test.each([
  ['https://id.example.org', true],
  ['http://localhost:8080', true],
  ['http://127.0.0.1:8080', true],
  ['http://[::1]:8080', true],
  ['http://id.example.org', false],
  ['http://127.0.0.1.example.org', false],
  ['http://localhost.example.org', false],
  ['https://user@id.example.org', false],
  ['file:///etc/passwd', false],
  ['', false],
])('%s is asked: %s', (url, safe) => {
  expect(isSafeUrl(url)).toBe(safe)
})
