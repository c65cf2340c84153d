import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { withTables } from '../../src/db/tables.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { AcmeClient } from '../helpers/acmeClient.ts'
import { type KeyKind, newKey } from '../helpers/acmeKeys.ts'
import { databases } from '../helpers/databases.ts'

describe.each(databases)('ACME revocation on $name (RFC 8555 section 7.6, wire 49)', ({ open }) => {
  const acme = useAcme(open)

  async function issued(names: string[], options: { profile?: string; kind?: KeyKind } = {}) {
    const { profile = 'default', kind = 'ES256' } = options
    const key = newKey(kind)
    const { client, order } = await acme.app.ready(names, { profile })
    const identifiers = names.map((value) => ({ type: 'dns' as const, value }))
    const csr = await writeCsr({ subject: [], identifiers }, signerFor(key.privateKey))
    const done = await client.finalize(order, csr)
    const { raw } = new X509Certificate((await client.post(String(done.json.certificate))).text)
    return { client, key, certificate: raw.toString('base64url'), url: client.directory.revokeCert ?? '' }
  }

  async function stored(certificate: string) {
    const fingerprint = new X509Certificate(Buffer.from(certificate, 'base64url')).fingerprint256
      .replaceAll(':', '')
      .toLowerCase()
    return withTables<{ certificates: { fingerprint: string; status: string; revocation_reason: string | null } }>(
      acme.app.host.db,
    )
      .selectFrom('certificates')
      .select(['status', 'revocation_reason'])
      .where('fingerprint', '=', fingerprint)
      .executeTakeFirst()
  }

  it('by the account that ordered it: 200 with an empty body, once; without a reason none is stored', async () => {
    const { client, certificate, url } = await issued(['own.localhost'])
    const reply = await client.post(url, { certificate })
    expect([reply.status, reply.text]).toEqual([200, ''])
    expect(reply.headers.get('replay-nonce')).toBeTruthy()
    expect(await stored(certificate)).toEqual({ status: 'revoked', revocation_reason: null })
    expectProblem(await client.post(url, { certificate }), 400, 'alreadyRevoked')
  })

  it.each(['ES256', 'RS256', 'EdDSA'] satisfies KeyKind[])(
    'by the certificate’s own %s key, without any account',
    async (kind) => {
      const { key, certificate, url, client } = await issued(['key.localhost'], { kind })
      await client.post(client.kid ?? '', { status: 'deactivated' })
      const nobody = await new AcmeClient(client.directoryUrl, acme.app.transport, key).load()
      expect((await nobody.post(url, { certificate, reason: 1 })).status).toBe(200)
      expect(await stored(certificate)).toEqual({ status: 'revoked', revocation_reason: 'keyCompromise' })
    },
  )

  it('of what has no revocation information: refused with the day on which it ends; a compromised key is blocked (RFC 9608)', async () => {
    await acme.app.world.save('short', {
      settings: { certificate: { noRevAvail: true, validity: { default: '3d', max: '3d' } } },
    })
    const { client, key, certificate, url } = await issued(['short.localhost'], { profile: 'short' })
    const end = new Date(new X509Certificate(Buffer.from(certificate, 'base64url')).validTo).toISOString().slice(0, 19)
    expectProblem(await client.post(url, { certificate }), 400, 'malformed', new RegExp(`noRevAvail.*ends on ${end}`))
    const holder = await new AcmeClient(client.directoryUrl, acme.app.transport, key).load()
    const reply = await holder.post(url, { certificate, reason: 1 })
    expectProblem(reply, 400, 'malformed', /its key is blocked/)
    expect((await stored(certificate))?.status).toBe('issued')
  })

  it('by an account that holds valid authorizations for all its names, and by no other', async () => {
    const { certificate, url } = await issued(['x.localhost', 'y.localhost'])
    const other = await acme.app.client()
    expectProblem(await other.post(url, { certificate }), 403, 'unauthorized')
    await acme.app.ready(['x.localhost'], { client: other })
    expectProblem(await other.post(url, { certificate }), 403, 'unauthorized')
    const { order } = await acme.app.ready(['y.localhost'], { client: other })
    await other.post(order.authorizations[0] ?? '', { status: 'deactivated' })
    expectProblem(await other.post(url, { certificate }), 403, 'unauthorized')
    await acme.app.ready(['y.localhost'], { client: other })
    expect((await other.post(url, { certificate })).status).toBe(200)
  })

  it('not by another key, nor by an account of another profile', async () => {
    await acme.app.world.save('elsewhere', {})
    const { certificate, url, client } = await issued(['safe.localhost'])
    const stranger = await acme.app.client({ register: false })
    expectProblem(await stranger.post(url, { certificate }), 403, 'unauthorized', /jwk/)
    expectProblem(await client.post(url, { certificate }, { key: client.key }), 403, 'unauthorized', /jwk/)
    const { client: other } = await acme.app.ready(['safe.localhost'], { profile: 'elsewhere' })
    expectProblem(await other.post(other.directory.revokeCert ?? '', { certificate }), 404, 'malformed')
    expect((await stored(certificate))?.status).toBe('issued')
  })

  it('what is not a certificate of ours, to the last bit, is not found', async () => {
    const { certificate, url, client } = await issued(['bits.localhost'])
    const changed = Buffer.from(certificate, 'base64url')
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
    for (const other of [
      changed,
      Buffer.alloc(0),
      Buffer.from('3000', 'hex'),
      Buffer.concat([Buffer.from(certificate, 'base64url'), Buffer.of(0)]),
    ])
      expectProblem(await client.post(url, { certificate: other.toString('base64url') }), 404, 'malformed')
    for (const payload of [
      {},
      { certificate: 5 },
      { certificate: `${certificate}==` },
      { certificate, reason: '1' },
      { certificate, reason: 1.5 },
    ])
      expectProblem(await client.post(url, payload), 400, 'malformed')
  })

  it.each([2, 6, 7, 8, 10, 99, -1])(
    'the reason %i is badRevocationReason, naming those that are allowed',
    async (reason) => {
      const { certificate, url, client } = await issued(['reason.localhost'])
      expectProblem(await client.post(url, { certificate, reason }), 400, 'badRevocationReason', /keyCompromise/)
    },
  )

  it.each([
    [3, 'affiliationChanged'],
    [4, 'superseded'],
    [5, 'cessationOfOperation'],
    [9, 'privilegeWithdrawn'],
  ])('the reason %i is stored as %s', async (reason, name) => {
    const { certificate, url, client } = await issued(['reason.localhost'])
    expect((await client.post(url, { certificate, reason })).status).toBe(200)
    expect(await stored(certificate)).toEqual({ status: 'revoked', revocation_reason: name })
  })

  it('one that waits for approval is refused until it is done; a denied one says why', async () => {
    const rules = { issue: [{ name: 'all', auto: true }], revoke: [{ name: 'people', require: [{ owner: true }] }] }
    await acme.app.world.save('guarded', { rules })
    const { certificate, url, client } = await issued(['guarded.localhost'], { profile: 'guarded' })
    const waiting = await client.post(url, { certificate })
    expectProblem(waiting, 403, 'unauthorized', /waits for approval/)
    expect(Number(waiting.headers.get('retry-after'))).toBeGreaterThan(0)
    expectProblem(await client.post(url, { certificate }), 403, 'unauthorized', /waits for approval/)
    expect((await stored(certificate))?.status).toBe('issued')
  })

  it('keyCompromise proved by the key itself never waits', async () => {
    await acme.app.world.save('strict', {
      rules: { issue: [{ name: 'all', auto: true }], revoke: [{ name: 'no', deny: 'never' }] },
    })
    const { certificate, url, client, key } = await issued(['strict.localhost'], { profile: 'strict' })
    expectProblem(await client.post(url, { certificate, reason: 1 }), 403, 'unauthorized', /never/)
    expect((await client.post(url, { certificate, reason: 1 }, { key })).status).toBe(200)
  })
})
