import { createHash, X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RequestKind } from '../../src/core/approval/approval.ts'
import type { User } from '../../src/core/identity/identity.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { type AcmeClient, type AcmeOrder, expectStatus } from '../helpers/acmeClient.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'
import { bindingOf } from '../helpers/externalAccount.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { newCsr } from '../helpers/world.ts'

const eab = { acme: { externalAccountRequired: true } }
const someone = [{ name: 'people', require: [{ users: ['alice', 'chief'] }] }]

describe.each(databases)('what an ACME account bound to a credential may, on $name', ({ open }) => {
  const acme = useAcme(open)
  let people: People

  beforeAll(async () => {
    people = await createPeople(acme.app.world)
    await acme.app.world.save('bound', { protocols: eab })
    await acme.app.world.save('review', { protocols: eab, rules: { issue: someone, revoke: someone } })
    const entitled = [{ name: 'known names', when: 'entitled', auto: true }, ...someone]
    await acme.app.world.save('entitled', { protocols: eab, rules: { issue: entitled } })
    await people.give(people.alice, 'manage')
  })

  async function bound(profile: string, by: User, identifiers?: unknown) {
    const draft = { kind: 'eab', profile, singleUse: true, ...(identifiers ? { identifiers } : {}) } as const
    const { secret, view } = await people.as(by).admin.createCredential(draft)
    const client = await acme.app.client({ profile, register: false })
    const binding = bindingOf(client, { kid: view.name, secret })
    expectStatus(await client.register({ externalAccountBinding: binding }), 201)
    acme.app.serveChallenges(client)
    return { client, uuid: view.uuid }
  }

  async function prove(client: AcmeClient, names: string[]): Promise<AcmeOrder> {
    const order = await client.order(names)
    await client.answer(order, 'http-01')
    return order
  }
  const finalize = async (client: AcmeClient, order: AcmeOrder, name: string) =>
    client.finalize(order, (await newCsr([name])).der)

  /** DER of the leaf. */
  async function download(client: AcmeClient, url: unknown): Promise<Buffer> {
    return new X509Certificate(expectStatus(await client.post(String(url)), 200).text).raw
  }

  async function issued(client: AcmeClient, name: string): Promise<Buffer> {
    const { json } = expectStatus(await finalize(client, await prove(client, [name]), name), 200)
    return download(client, json.certificate)
  }

  async function requestOf({ url }: AcmeOrder): Promise<number> {
    const ref = url.split('/').pop() ?? ''
    return (await people.as(people.chief).findSignRequest({ protocol: 'acme', ref }))?.id ?? 0
  }
  const newOrder = (client: AcmeClient, names: { type: string; value: string }[]) =>
    client.post(client.directory.newOrder ?? '', { identifiers: names })
  const dns = (value: string) => ({ type: 'dns', value })

  async function vote(user: User, kind: RequestKind, id: number): Promise<{ status: string }> {
    const { approvals } = people.as(user)
    const { hash } = await approvals.review(kind, id)
    return approvals.vote(kind, id, { verdict: 'approve', hash })
  }

  it('orders the names that the credential is for, and no others: a subproblem for each', async () => {
    const allowed = { dns: ['.team.localhost'], ip: ['192.0.2.0/24'], wildcards: false }
    const { client } = await bound('bound', people.chief, allowed)
    expect((await newOrder(client, [dns('a.team.localhost'), { type: 'ip', value: '192.0.2.9' }])).status).toBe(201)
    const outside = [dns('team.localhost'), dns('*.a.team.localhost'), { type: 'ip', value: '198.51.100.1' }]
    const reply = await newOrder(client, [dns('b.team.localhost'), ...outside])
    expectProblem(reply, 403, 'rejectedIdentifier')
    expect(reply.json.subproblems).toEqual(
      outside.map((identifier) => ({
        type: 'urn:ietf:params:acme:error:rejectedIdentifier',
        detail: expect.stringContaining('the credential'),
        identifier,
      })),
    )
  })

  it('a credential for names of one kind is for none of another', async () => {
    const { client } = await bound('bound', people.chief, { dns: ['**'] })
    expectProblem(await newOrder(client, [{ type: 'ip', value: '127.0.0.1' }]), 403, 'rejectedIdentifier', /no ip/)
  })

  it('the names are looked at again at finalize, and the order stays ready', async () => {
    const { client, uuid } = await bound('bound', people.chief, { dns: ['**'] })
    const order = await prove(client, ['narrowed.localhost'])
    const narrow = (patterns: string[]) =>
      transaction(acme.app.host.db, (db) =>
        withTables<CoreTables>(db)
          .updateTable('credentials')
          .set({ identifiers: JSON.stringify({ dns: patterns }) })
          .where('uuid', '=', uuid)
          .execute(),
      )
    await narrow(['.elsewhere.localhost'])
    const refused = await finalize(client, order, 'narrowed.localhost')
    expectProblem(refused, 403, 'rejectedIdentifier')
    expect(refused.json.subproblems).toMatchObject([{ identifier: dns('narrowed.localhost') }])
    expect((await client.post(order.url)).json.status).toBe('ready')
    await narrow(['narrowed.localhost'])
    expect((await finalize(client, order, 'narrowed.localhost')).json.status).toBe('valid')
  })

  it('after its revocation: no new order, no finalize; what was issued can be fetched and revoked', async () => {
    const { client, uuid } = await bound('bound', people.chief)
    const certificate = await issued(client, 'before.localhost')
    const order = await prove(client, ['open.localhost'])
    await people.as(people.chief).admin.revokeCredential(uuid)
    expectProblem(await newOrder(client, [dns('after.localhost')]), 403, 'unauthorized', /was revoked/)
    expectProblem(await finalize(client, order, 'open.localhost'), 403, 'unauthorized', /was revoked/)
    expect((await client.post(order.url)).json.status).toBe('ready')
    const payload = { certificate: certificate.toString('base64url') }
    expect((await client.post(client.directory.revokeCert ?? '', payload)).status).toBe(200)
  })

  it('its end is the end of enrolling with it, not of the accounts', async () => {
    const door = people.as(people.chief)
    const expiresAt = new Date(acme.app.world.time.now.getTime() + 60_000)
    const { secret, view } = await door.admin.createCredential({ kind: 'eab', profile: 'bound', expiresAt })
    const client = await acme.app.client({ profile: 'bound', register: false })
    await client.register({ externalAccountBinding: bindingOf(client, { kid: view.name, secret }) })
    acme.app.world.time.pass(120_000)
    acme.app.serveChallenges(client)
    expect((await issued(client, 'later.localhost')).length).toBeGreaterThan(100)
  })

  it('rules may let pass at once what was ordered with a credential for these names', async () => {
    const named = await bound('entitled', people.chief, { dns: ['.known.localhost'] })
    const order = await prove(named.client, ['a.known.localhost'])
    expect((await finalize(named.client, order, 'a.known.localhost')).json.status).toBe('valid')
    const open = await bound('entitled', people.chief)
    const other = await prove(open.client, ['b.known.localhost'])
    expect((await finalize(open.client, other, 'b.known.localhost')).json.status).toBe('processing')
  })

  describe('the approval of whoever made the key', () => {
    async function waiting(name: string) {
      const { client } = await bound('review', people.alice)
      const order = await prove(client, [name])
      expect((await finalize(client, order, name)).json.status).toBe('processing')
      return { client, order, id: await requestOf(order) }
    }

    it('is refused for an order; another one’s is taken', async () => {
      const { client, order, id } = await waiting('own.localhost')
      expect((await people.as(people.chief).approvals.review('sign', id)).mayApprove).toEqual(['chief'])
      await expect(vote(people.alice, 'sign', id)).rejects.toMatchObject(failure('forbidden', /behind this request/))
      const { approvals } = people.as(people.alice)
      const { hash } = await approvals.review('sign', id)
      const override = { verdict: 'approve', hash, override: true, reason: 'mine' } as const
      await expect(approvals.vote('sign', id, override)).rejects.toMatchObject(failure('forbidden', /behind/))
      expect((await client.post(order.url)).json.status).toBe('processing')
      await vote(people.chief, 'sign', id)
      expect((await client.post(order.url)).json.status).toBe('valid')
    })

    async function revocable(name: string) {
      const { client } = await bound('review', people.alice)
      const order = await prove(client, [name])
      const key = newKey()
      const identifiers = [{ type: 'dns', value: name } as const]
      await client.finalize(order, await writeCsr({ subject: [], identifiers }, signerFor(key.privateKey)))
      await vote(people.chief, 'sign', await requestOf(order))
      const der = await download(client, (await client.post(order.url)).json.certificate)
      const payload = { certificate: der.toString('base64url') }
      const fingerprint = createHash('sha256').update(der).digest('hex')
      const certificate = await people.as(people.chief).findCertificate({ fingerprint })
      return { client, key, payload, certificateId: certificate?.id ?? 0 }
    }

    it.each(['account', 'key of the certificate'])('is refused for a revocation by the %s', async (by) => {
      const { client, key, payload, certificateId } = await revocable(`${by.replaceAll(' ', '-')}.localhost`)
      const revoke = () => client.post(client.directory.revokeCert ?? '', payload, by === 'account' ? {} : { key })
      expectProblem(await revoke(), 403, 'unauthorized', /waits for approval/)
      const { id } = await withTables<CoreTables>(acme.app.host.db)
        .selectFrom('revoke_requests')
        .select('id')
        .where('certificate_id', '=', certificateId)
        .executeTakeFirstOrThrow()
      await expect(vote(people.alice, 'revoke', id)).rejects.toMatchObject(failure('forbidden', /behind/))
      expect(await vote(people.chief, 'revoke', id)).toEqual({ status: 'revoked' })
      expectProblem(await revoke(), 400, 'alreadyRevoked')
    })
  })
})
