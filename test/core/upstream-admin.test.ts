import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { CoreTables } from '../../src/core/tables.ts'
import type { NewUpstreamAuthority } from '../../src/core/upstream/upstreamAdmin.ts'
import { findKeyAuthorization } from '../../src/core/upstream/upstreamProof.ts'
import { withTables } from '../../src/db/tables.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { type SmallAcme, startSmallAcme } from '../helpers/smallAcme.ts'
import { type UpstreamWorld, upstreamWorld } from '../helpers/upstreamWorld.ts'
import { createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('authorities upstream, administered, on $name', ({ open }) => {
  let world: World
  let people: People
  let small: SmallAcme
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    world = await createWorld(opened.db)
    people = await createPeople(world)
    small = await startSmallAcme(world.time.now)
    close = async () => {
      await small.close()
      await opened.close()
    }
  })
  afterAll(() => close())
  afterEach(() => {
    small.meta = {}
    delete small.macKey
    delete small.interfere
  })

  const add = (draft: Partial<NewUpstreamAuthority> = {}, by = people.operator) =>
    by.admin.addUpstreamAuthority({ name: 'new', directory: small.directory, contact: [], agreeTerms: false, ...draft })

  test('need create_ca; a directory without https a superuser', async () => {
    const accounts = small.accounts.length
    await expect(add({}, people.as(people.alice))).rejects.toMatchObject(failure('forbidden'))
    for (const directory of [small.directory, ` ${small.directory}`, small.directory.replace('http', 'ht\ntp')])
      await expect(add({ directory }, people.as(people.chief))).rejects.toMatchObject(failure('forbidden'))
    expect(small.accounts).toHaveLength(accounts)
    await expect(people.as(people.stranger).admin.examineUpstream('upstream')).rejects.toMatchObject(
      failure('notFound'),
    )
  })

  test('terms are agreed to by somebody, never silently', async () => {
    small.meta = { termsOfService: 'https://ca.example/terms' }
    await expect(add()).rejects.toMatchObject({
      code: 'malformed',
      detail: expect.stringContaining('https://ca.example/terms'),
    })
    expect(small.accounts).toEqual([])
  })

  test('an external account is bound, and its key is not kept', async () => {
    const secret = Buffer.from('thirty-two octets of a MAC key !')
    small.meta = { externalAccountRequired: true }
    small.macKey = secret
    await expect(add()).rejects.toMatchObject({
      code: 'malformed',
      detail: expect.stringContaining('external account'),
    })
    const wrong = { kid: 'kid-1', key: Buffer.from('some other key of a MAC').toString('base64url') }
    await expect(add({ externalAccount: wrong })).rejects.toMatchObject({
      code: 'forbidden',
      detail: expect.stringContaining('MAC'),
    })
    await expect(add({ externalAccount: { kid: 'kid-1', key: 'no base64!' } })).rejects.toMatchObject(
      failure('malformed'),
    )
    const key = secret.toString('base64url')
    const view = await add({ name: 'bound', externalAccount: { kid: 'kid-1', key } })
    expect(view).toMatchObject({ kind: 'acme', upstream: { externalAccount: 'kid-1' } })
    expect(small.accounts.at(-1)).toMatchObject({ kid: 'kid-1' })
    const events = await audited(world, 'authority.created')
    expect(JSON.stringify(events)).toContain('bound')
    expect(JSON.stringify(events)).not.toContain(key)
    await expect(add({ name: 'bound', externalAccount: { kid: 'kid-1', key } })).rejects.toMatchObject(
      failure('conflict'),
    )
  })

  test('an account that the CA has lost is found to be lost, and replaced', async () => {
    small.interfere = (resource) =>
      resource === 'newAccount'
        ? {
            status: 400,
            body: { type: 'urn:ietf:params:acme:error:accountDoesNotExist' },
            headers: { 'Content-Type': 'application/problem+json' },
          }
        : undefined
    expect(await people.operator.admin.examineUpstream('bound')).toMatchObject({ known: false })
    delete small.interfere
    const accounts = small.accounts.length
    const view = await people.operator.admin.registerUpstream('bound', { agreeTerms: true })
    expect(view.upstream).toMatchObject({ account: `${small.origin}/account/${accounts}`, externalAccount: null })
    await expect(people.as(people.alice).admin.registerUpstream('bound', { agreeTerms: true })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(people.operator.admin.registerUpstream('issuing', { agreeTerms: true })).rejects.toMatchObject(
      failure('unsupported'),
    )
    await expect(people.operator.admin.examineUpstream('issuing')).rejects.toMatchObject(failure('unsupported'))
  })

  test.each([
    ['http elsewhere', 'http://ca.example/directory', /https/],
    ['a file', 'file:///etc/passwd', /https/],
    ['a password in it', 'https://me:secret@ca.example/', /https/],
    ['no URL', 'ca.example', /https/],
  ])('a directory that is %s is refused', async (_what, directory, detail) => {
    await expect(add({ directory })).rejects.toMatchObject({ code: 'malformed', detail: expect.stringMatching(detail) })
  })

  test.each([
    ['a contact', { contact: ['a@b, c@d'] }],
    ['a contact of two', { contact: ['a@b?bcc=c@d'] }],
    ['a CA file', { caPem: 'no PEM' }],
    ['a name', { name: 'Not A Slug' }],
  ])('%s that cannot be used is refused', async (_what, draft) => {
    await expect(add(draft)).rejects.toMatchObject(failure('malformed'))
  })

  const directoryWith = (change: object) => {
    small.interfere = (resource, reply) =>
      resource === 'directory' ? { ...reply, body: { ...(reply.body as object), ...change } } : undefined
  }

  test('a hostile directory leads nowhere', async () => {
    for (const newOrder of [
      'http://169.254.169.254/latest',
      'http://10.0.0.1/',
      'file:///etc/passwd',
      'gopher://x/',
      '//x',
      7,
    ]) {
      directoryWith({ newOrder })
      await expect(add()).rejects.toMatchObject(failure('unavailable'))
    }
    small.interfere = (resource) =>
      resource === 'directory' ? { status: 302, headers: { Location: small.directory } } : undefined
    await expect(add()).rejects.toMatchObject({ code: 'unavailable', detail: expect.stringContaining('302') })
    for (const body of ['', 'no JSON', '[]', '7', 'null', '{"newNonce":"x"}', 'x'.repeat(600_000)]) {
      small.interfere = (resource, reply) => (resource === 'directory' ? { ...reply, body } : undefined)
      await expect(add()).rejects.toMatchObject(failure('unavailable'))
    }
  })

  test('nor does a hostile order: its links stay at the places of the directory', async () => {
    const at: UpstreamWorld = await upstreamWorld(world, { name: 'hostile' })
    const elsewhere = `${small.origin}/elsewhere`
    const before = small.asked.length
    for (const change of [
      { finalize: elsewhere },
      { authorizations: [elsewhere] },
      { status: 'valid', certificate: elsewhere },
      { status: 'nonsense' },
      { authorizations: 'x' },
    ]) {
      at.small.interfere = (resource, reply) =>
        resource === 'newOrder' || resource.startsWith('order/')
          ? { ...reply, body: { ...(reply.body as object), ...change } }
          : undefined
      const request = await at.order(['hostile.example.org'])
      await at.run()
      expect(await at.read(request)).toMatchObject({
        status: 'signing',
        lastError: expect.stringMatching(/none of its own|order without/),
      })
      await people.operator.approvals.cancel('sign', request.id)
    }
    at.small.interfere = (resource, reply) =>
      resource === 'newOrder' ? { ...reply, headers: { Location: elsewhere } } : undefined
    const request = await at.order(['hostile.example.org'])
    await at.run()
    expect((await at.read(request)).lastError).toMatch(/none of its own/)
    expect(small.asked).toHaveLength(before)
    await at.small.close()
  })

  test('names are proved by http-01 from any node, and by a command over dns-01', async () => {
    const at = await upstreamWorld(world, { name: 'proving', proof: 'http-01' })
    expect((await people.operator.admin.verifyAudit()).problems).toEqual([])
    at.small.authorizations = 'pending'
    const request = await at.order(['http.example.org'])
    await at.run()
    const token = Buffer.from('token of the order 0').toString('base64url')
    const shown = await people.operator.keyAuthorization(token)
    expect(shown).toMatch(new RegExp(`^${token}\\.[\\w-]{43}$`))
    expect(at.small.asked).toContain('challenge/0')
    expect(await findKeyAuthorization(world.it.db, "x' or 1=1 --")).toBeUndefined()
    expect(await findKeyAuthorization(world.it.db, 'A'.repeat(30))).toBeUndefined()
    const [order] = at.small.orders
    if (order) order.status = 'ready'
    await at.run(600_000)
    expect((await at.read(request)).status).toBe('signed')
    expect(await people.operator.keyAuthorization(token)).toBeUndefined()

    await people.operator.admin.changeAuthority('proving', { settings: { upstream: { proof: 'dns-01' } } })
    const waiting = await at.order(['dns.example.org'])
    await at.run()
    expect((await at.read(waiting)).lastError).toMatch(/COUNTERSIGN_DNS_COMMAND/)
    const changes: { action: string; name: string; value: string }[] = []
    world.it.changeDns = async (change) => void changes.push(change)
    await at.run(600_000)
    expect(changes).toEqual([
      { action: 'add', name: '_acme-challenge.dns.example.org', value: expect.stringMatching(/^[\w-]{43}$/) },
    ])
    const last = at.small.orders.at(-1)
    if (last) last.status = 'ready'
    await at.run(600_000)
    expect((await at.read(waiting)).status).toBe('signed')
    expect(changes[1]).toEqual({ ...changes[0], action: 'remove' })
    delete world.it.changeDns
    expect(await withTables<CoreTables>(world.it.db).selectFrom('upstream_proofs').select('id').execute()).toEqual([])
    await at.small.close()
  })

  test('settings of it are for such an authority alone', async () => {
    const change = { settings: { upstream: { proof: 'http-01' } } }
    await expect(people.operator.admin.changeAuthority('issuing', change)).rejects.toMatchObject(failure('malformed'))
    await expect(
      people.operator.admin.changeAuthority('bound', { settings: { upstream: { proof: 'x' } } }),
    ).rejects.toMatchObject(failure('malformed'))
    expect((await people.operator.admin.verifyAudit()).problems).toEqual([])
  })
})
