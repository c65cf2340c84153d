import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BouncyCastle, bouncyCastle } from '../helpers/bouncyCastle.ts'
import { verifyBelow } from '../helpers/estCurl.ts'
import { auto, createRsaAuthority, type EstServer, review, SETUP_WITHIN, startEstServer } from '../helpers/estServer.ts'
import { serialOf } from '../helpers/openssl.ts'
import { until } from '../helpers/until.ts'

const waits = { ...review[0], when: 'identifiers.exists(i, i.value.startsWith("waits-"))' }
const issue = [waits, ...auto]

describe('the EST client of Bouncy Castle', () => {
  let server: EstServer
  let client: BouncyCastle

  beforeAll(async () => {
    server = await startEstServer()
    await server.save({ name: 'open', rules: { issue } })
    await server.save({ name: 'bound', rules: { issue }, est: { channelBinding: 'required' } })
    await server.save({ name: 'rsa', authority: await createRsaAuthority(server), rules: { issue } })
    client = await bouncyCastle(server)
  }, SETUP_WITHIN)
  afterAll(() => server.stop())

  const order = (label: string, name: string) => ({ label, dns: name, dn: `CN=${name}` })
  const withPassword = (label: string, name: string) => ({
    ...order(label, name),
    user: 'admin',
    password: server.admin.token,
  })

  it('cacerts: what is below the root, and the root', async () => {
    expect(await client.succeed('cacerts', { label: 'open' })).toMatch(/^ca CN=.*Issuing.*\nca CN=.*Root.*\n$/)
  })

  it.each([
    { label: 'open', alg: 'EC' },
    { label: 'rsa', alg: 'RSA' },
  ])('$alg: enrols by HTTP Basic after a 401, and renews by the certificate with a new key', async ({ label, alg }) => {
    const name = `${alg.toLowerCase()}.localhost`
    const [cert, key, next, nextKey] = ['1.pem', '1.key', '2.pem', '2.key'].map((end) => server.file(`${alg}-${end}`))
    if (!cert || !key || !next || !nextKey) throw new Error('no files')
    const password = await server.challenge(label, name)
    const first = { ...order(label, name), alg, user: 'device', password, newkey: key, out: cert }
    expect(await client.succeed('enroll', first)).toContain(`issued CN=${name}`)
    await verifyBelow(server, { label, cert, name })
    const again = { ...order(label, name), alg, cert, key, newkey: nextKey, out: next }
    expect(await client.succeed('reenroll', again)).toContain(`issued CN=${name}`)
    await verifyBelow(server, { label, cert: next, name })
    expect(await serialOf(next)).not.toBe(await serialOf(cert))
  })

  it('TLS 1.3 too', async () => {
    const name = 'thirteen.localhost'
    expect(await client.succeed('enroll', { ...withPassword('open', name), tls: 'TLSv1.3' })).toContain('issued')
  })

  it('17: reads why a password was refused', async () => {
    const name = 'wrong.localhost'
    const { code, stdout } = await client.run('enroll', { ...order('open', name), user: 'x', password: 'WRONG' })
    expect([code, stdout]).toEqual([1, 'refused 401 the name or the password is not good for this request\n'])
  })

  it.each(['right', undefined])('18: polls until a person approves (channel binding: %s)', async (binding) => {
    const name = binding ? 'waits-bound.localhost' : 'waits-free.localhost'
    const linked = binding ? { ...withPassword('bound', name), binding } : withPassword('open', name)
    const out = server.file(`${name}.pem`)
    const program = client.begin('enroll', { ...linked, polls: '60', out })
    const { id } = await server.waiting(name)
    await until('a poll', async () => program.output().stdout.includes('waits') || undefined)
    await server.approve(id)
    const { code, stdout, stderr } = await program.ended
    expect(code, `${stdout}${stderr}`).toBe(0)
    await verifyBelow(server, { label: linked.label, cert: out, name })
  })

  it('18: reads why a person denied', async () => {
    const name = 'waits-denied.localhost'
    const program = client.begin('enroll', { ...withPassword('open', name), polls: '60' })
    await until('a poll', async () => program.output().stdout.includes('waits') || undefined)
    await server.deny((await server.waiting(name)).id, 'sold')
    expect(await program.ended).toMatchObject({ code: 1, stdout: expect.stringMatching(/refused 403 sold\n$/) })
  })

  describe('RFC 7030 section 3.5: tls-unique', () => {
    const bound = (label: string, binding?: string) =>
      client.run('enroll', { ...withPassword(label, 'bound.localhost'), ...(binding ? { binding } : {}) })

    it('the right one is taken, where it is needed and where it is not', async () => {
      for (const label of ['bound', 'open']) {
        const { code, stdout, stderr } = await bound(label, 'right')
        expect(code, `${stdout}${stderr}`).toBe(0)
      }
    })

    it.each(['wrong', 'replayed'])(
      'EC9: a %s one is refused, where it is needed and where it is not',
      async (binding) => {
        for (const label of ['bound', 'open'])
          expect(await bound(label, binding)).toMatchObject({
            code: 1,
            stdout: 'refused 403 the challengePassword does not link the request to this TLS connection\n',
          })
      },
    )

    it('a missing one is refused where it is needed', async () => {
      const { code, stdout } = await bound('bound')
      expect(code).toBe(1)
      expect(stdout).toContain('refused 403 the request must be linked to its TLS connection')
    })
  })
})
