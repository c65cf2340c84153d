import { FlattenedSign } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, Json } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { bindingOf, type MacKey } from '../helpers/externalAccount.ts'
import { audited, createPeople, type People } from '../helpers/people.ts'

type Draft = { singleUse?: boolean; expiresAt?: Date; profile?: string; identifiers?: unknown; name?: string }

describe.each(databases)('ACME external account binding on $name', ({ open }) => {
  const acme = useAcme(open)
  let people: People

  beforeAll(async () => {
    people = await createPeople(acme.app.world)
    for (const name of ['bound', 'other'])
      await acme.app.world.save(name, { protocols: { acme: { externalAccountRequired: true } } })
  })

  const macKey = async (draft: Draft = {}): Promise<MacKey & { uuid: string }> => {
    const door = people.as(people.chief)
    const { secret, view } = await door.admin.createCredential({ kind: 'eab', profile: 'bound', ...draft })
    return { kid: view.name, secret, uuid: view.uuid }
  }
  const newClient = (profile = 'bound') => acme.app.client({ profile, register: false })
  const register = (client: AcmeClient, binding: unknown) => client.register({ externalAccountBinding: binding })

  const bindNew = async (key: MacKey): Promise<AcmeClient> => {
    const client = await newClient()
    expect((await register(client, bindingOf(client, key))).status).toBe(201)
    return client
  }
  const usedAt = async ({ uuid }: { uuid: string }) => {
    const views = await people.as(people.chief).admin.credentials({ profile: 'bound' })
    return views.find((view) => view.uuid === uuid)?.usedAt
  }

  it('the directory says that a binding is required, and only where it is (section 7.1.1)', async () => {
    const meta = async (profile: string) => (await newClient(profile)).directory.meta
    expect(await meta('bound')).toEqual({ externalAccountRequired: true })
    expect(await meta('default')).toBeUndefined()
  })

  it('wire 27: without a binding there is no account, 403 externalAccountRequired', async () => {
    const client = await newClient()
    expectProblem(await client.register({}), 403, 'externalAccountRequired')
    expectProblem(await client.register({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
  })

  it.each(['HS256', 'HS384', 'HS512'])(
    'section 7.3.4: a binding by %s is verified and shown as it came',
    async (alg) => {
      const client = await newClient()
      const binding = bindingOf(client, await macKey(), { alg })
      const reply = await register(client, binding)
      expect(reply.status).toBe(201)
      expect(reply.json).toMatchObject({ status: 'valid', externalAccountBinding: binding })
      expect((await client.post(client.kid ?? '')).json.externalAccountBinding).toEqual(binding)
      const update = { contact: ['mailto:a@example.org'], externalAccountBinding: { kid: 'other' } }
      expect((await client.post(client.kid ?? '', update)).json.externalAccountBinding).toEqual(binding)
    },
  )

  it('a binding that jose signs is taken', async () => {
    const { kid, secret } = await macKey()
    const client = await newClient()
    const jws = await new FlattenedSign(Buffer.from(JSON.stringify(client.key.jwk)))
      .setProtectedHeader({ alg: 'HS512', kid, url: client.directory.newAccount })
      .sign(Buffer.from(secret, 'base64url'))
    expect((await register(client, jws)).status).toBe(201)
  })

  it('wire 27: the keys are compared by their members, not as text', async () => {
    const client = await newClient()
    const members = Object.entries({ ...client.key.jwk, use: 'sig', kid: 'mine' }).reverse()
    const payload = JSON.stringify(Object.fromEntries(members), undefined, 2)
    expect((await register(client, bindingOf(client, await macKey(), { payload }))).status).toBe(201)
  })

  describe('a key that is good once', () => {
    it.each<[string, (client: AcmeClient, key: MacKey) => unknown]>([
      ['no object', () => 'binding'],
      ['a list', () => []],
      ['null', () => null],
      ['an empty object', () => ({})],
      ['several signatures', (client, key) => bindingOf(client, key, { members: { signatures: [] } })],
      ['an unprotected header', (client, key) => bindingOf(client, key, { members: { header: {} } })],
      ['an empty signature', (client, key) => bindingOf(client, key, { members: { signature: '' } })],
      ['a padded signature', (client, key) => bindingOf(client, key, { members: { signature: 'AAA=' } })],
      ['a payload that is no base64url', (client, key) => bindingOf(client, key, { members: { payload: 'é' } })],
      ['a payload that is no JSON', (client, key) => bindingOf(client, key, { payload: 'key' })],
      ['a nonce', (client, key) => bindingOf(client, key, { header: { nonce: 'AAAA' } })],
      ['no url', (client, key) => bindingOf(client, key, { header: { url: undefined } })],
      ['another url', (client, key) => bindingOf(client, key, { header: { url: client.directory.newOrder } })],
      ['no kid', (client, key) => bindingOf(client, key, { header: { kid: undefined } })],
      ['a kid that is no text', (client, key) => bindingOf(client, key, { header: { kid: 7 } })],
      ['a jwk beside the kid', (client, key) => bindingOf(client, key, { header: { jwk: client.key.jwk } })],
      ['a critical extension', (client, key) => bindingOf(client, key, { header: { crit: ['b64'] } })],
      ['an unencoded payload', (client, key) => bindingOf(client, key, { header: { b64: false } })],
      ['no alg', (client, key) => bindingOf(client, key, { header: { alg: undefined } })],
    ])('wire 27: %s is malformed, 400, and does not use it up', async (_what, make) => {
      const key = await macKey({ singleUse: true })
      const client = await newClient()
      expectProblem(await register(client, make(client, key)), 400, 'malformed', /externalAccountBinding/)
      expect(await usedAt(key)).toBeNull()
      expect((await register(client, bindingOf(client, key))).status).toBe(201)
    })

    it.each(['ES256', 'none', 'HS1', 'constructor'])('wire 27: the algorithm %s is refused, 400', async (alg) => {
      const key = await macKey({ singleUse: true })
      const client = await newClient()
      const reply = await register(client, bindingOf(client, key, { alg }))
      expectProblem(reply, 400, 'badSignatureAlgorithm')
      expect(reply.json.algorithms).toEqual(['HS256', 'HS384', 'HS512'])
      expect(await usedAt(key)).toBeNull()
    })

    it.each<[string, (client: AcmeClient, key: MacKey) => Json]>([
      ['an unknown kid', (client, key) => bindingOf(client, { ...key, kid: 'unknown' })],
      ['another MAC key', (client, key) => bindingOf(client, key, { secret: Buffer.alloc(64).toString('base64url') })],
      ['a shorter MAC', (client, key) => shortened(bindingOf(client, key))],
      [
        'the MAC of another hash',
        (client, key) => mixed(bindingOf(client, key), bindingOf(client, key, { alg: 'HS512' })),
      ],
      ['another account key', (client, key) => bindingOf(client, key, { payload: newKey().jwk })],
    ])('wire 27: %s is unauthorized, 403, and does not use it up', async (_what, make) => {
      const key = await macKey({ singleUse: true })
      const client = await newClient()
      expectProblem(await register(client, make(client, key)), 403, 'unauthorized')
      expect(await usedAt(key)).toBeNull()
      expect((await register(client, bindingOf(client, key))).status).toBe(201)
    })

    it('binds one account and is refused to the next', async () => {
      const key = await macKey({ singleUse: true })
      const first = await bindNew(key)
      const second = await newClient()
      expectProblem(await register(second, bindingOf(second, key)), 403, 'unauthorized', /good once/)
      expectProblem(await second.register({ onlyReturnExisting: true }), 400, 'accountDoesNotExist')
      expect((await first.post(first.kid ?? '')).status).toBe(200)
    })

    it('has one winner of eight at once', async () => {
      const key = await macKey({ singleUse: true })
      const clients = await Promise.all(Array.from({ length: 8 }, () => newClient()))
      const replies = await Promise.all(clients.map((client) => register(client, bindingOf(client, key))))
      expect(replies.map(({ status }) => status).sort()).toEqual([201, ...new Array(7).fill(403)])
      const left = await Promise.all(clients.map((client) => client.register({ onlyReturnExisting: true })))
      expect(left.map(({ status }) => status).sort()).toEqual([200, ...new Array(7).fill(400)])
    })

    it('is used once by one client that asks eight times at once', async () => {
      const key = await macKey({ singleUse: true })
      const accountKey = newKey()
      const clients = await Promise.all(
        Array.from({ length: 8 }, () => acme.app.client({ profile: 'bound', key: accountKey, register: false })),
      )
      const replies = await Promise.all(clients.map((client) => register(client, bindingOf(client, key))))
      expect(replies.map(({ status }) => status).sort()).toEqual([...new Array(7).fill(200), 201])
    })
  })

  it('a key without that limit binds any number of accounts', async () => {
    const key = await macKey({ name: 'acme-corp' })
    expect(key.kid).toBe('acme-corp')
    const [one, two] = [await bindNew(key), await bindNew(key)]
    expect(one.kid).not.toBe(two.kid)
  })

  it('wire 27: a key of another profile is unknown', async () => {
    const client = await newClient()
    const key = await macKey({ profile: 'other' })
    expectProblem(await register(client, bindingOf(client, key)), 403, 'unauthorized', /unknown/)
  })

  it('a key past its time, or revoked, binds nothing, and only who has it learns why', async () => {
    const late = await macKey({ expiresAt: new Date(acme.app.world.time.now.getTime() + 1000) })
    const gone = await macKey()
    await people.as(people.chief).admin.revokeCredential(gone.uuid)
    acme.app.world.time.pass(2000)
    const client = await newClient()
    expectProblem(await register(client, bindingOf(client, late)), 403, 'unauthorized', /past its time/)
    expectProblem(await register(client, bindingOf(client, gone)), 403, 'unauthorized', /revoked/)
    const guessed = { ...gone, secret: late.secret }
    expectProblem(await register(client, bindingOf(client, guessed)), 403, 'unauthorized', /unknown here, or/)
  })

  it('wire 23: a known key gets its account without a binding, or with a wrong one, which uses nothing up', async () => {
    const client = await bindNew(await macKey())
    const { kid, directory } = client
    const next = await macKey({ singleUse: true })
    const shown = (await client.post(kid ?? '')).json.externalAccountBinding
    for (const payload of [{}, { externalAccountBinding: 'x' }, { externalAccountBinding: bindingOf(client, next) }]) {
      const reply = await client.post(directory.newAccount ?? '', payload, { key: client.key })
      expect(reply.status).toBe(200)
      expect(reply.headers.get('location')).toBe(kid)
      expect(reply.json.externalAccountBinding).toEqual(shown)
    }
    expect(await usedAt(next)).toBeNull()
  })

  it('where none is required a binding that comes is verified all the same', async () => {
    await acme.app.world.save('open', {})
    const client = await newClient('open')
    expectProblem(await register(client, {}), 400, 'malformed')
    expectProblem(await register(client, bindingOf(client, await macKey())), 403, 'unauthorized')
    const binding = bindingOf(client, await macKey({ profile: 'open' }))
    expect((await register(client, binding)).json.externalAccountBinding).toEqual(binding)
    const plain = await acme.app.client({ profile: 'open' })
    expect((await plain.post(plain.kid ?? '')).json).not.toHaveProperty('externalAccountBinding')
  })

  it('the audit trail has who used it, and no key', async () => {
    const key = await macKey()
    const client = await bindNew(key)
    const [account, used] = await Promise.all([
      audited(acme.app.world, 'account.created'),
      audited(acme.app.world, 'credential.used'),
    ])
    const uuid = client.kid?.split('/').pop()
    expect(account.at(-1)).toMatchObject({
      subject_kind: 'account',
      actor: { kind: 'acme-account', ref: uuid },
      details: { account: uuid, profile: 'bound', thumbprint: client.key.thumbprint },
    })
    expect(used.at(-1)).toMatchObject({ actor: { ref: uuid }, details: { kind: 'eab', name: key.kid } })
    const everything = await withTables<CoreTables>(acme.app.host.db).selectFrom('audit_events').selectAll().execute()
    expect(JSON.stringify(everything)).not.toContain(key.secret)
  })

  it('the accounts of a deactivated client do not free the key', async () => {
    const key = await macKey({ singleUse: true })
    const client = await bindNew(key)
    await client.post(client.kid ?? '', { status: 'deactivated' })
    const next = await newClient()
    expectProblem(await register(next, bindingOf(next, key)), 403, 'unauthorized')
    expect((await audited(acme.app.world, 'account.deactivated')).at(-1)?.actor.ref).toBe(client.kid?.split('/').pop())
  })

  it('a binding of the wrong size is a problem document and no failure', async () => {
    const client = await newClient()
    const key = await macKey()
    const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`
    const inside = JSON.stringify(bindingOf(client, key)).replace('{', `{"x":${deep},`)
    for (const text of [deep, inside]) {
      const reply = await client.post(client.directory.newAccount ?? '', `{"externalAccountBinding":${text}}`)
      expectProblem(reply, 400, 'malformed')
    }
    const long = { ...key, kid: 'k'.repeat(30_000) }
    expectProblem(await register(client, bindingOf(client, long)), 403, 'unauthorized')
    const nul = { ...key, kid: 'a\u0000b' }
    expectProblem(await register(client, bindingOf(client, nul)), 403, 'unauthorized')
  })
})

function shortened(binding: Json): Json {
  return { ...binding, signature: String(binding.signature).slice(0, 20) }
}

/** The header of one with the MAC of the other. */
function mixed(one: Json, other: Json): Json {
  return { ...one, signature: other.signature }
}
