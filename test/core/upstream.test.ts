import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import { endLeases } from '../../src/core/upkeep/resume.ts'
import { runUpstream } from '../../src/core/upstream/upstream.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { databases } from '../helpers/databases.ts'
import { createPeople, failure, type People } from '../helpers/people.ts'
import { acmeProblem } from '../helpers/smallAcme.ts'
import { type UpstreamWorld, upstreamWorld } from '../helpers/upstreamWorld.ts'
import { acmeAccount, createWorld, type World } from '../helpers/world.ts'

describe.each(databases)('an authority whose certificates a CA upstream signs, on $name', ({ open }) => {
  let world: World
  let people: People
  let at: UpstreamWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    world = await createWorld(opened.db)
    people = await createPeople(world)
    at = await upstreamWorld(world, { name: 'upstream' })
    close = async () => {
      await at.small.close()
      await opened.close()
    }
  })
  afterAll(() => close())

  const door = () => world.core.as(acmeAccount())
  const certificateOf = async ({ id }: { id: number }) => {
    const certificate = await findCertificate(world.it.db, { id })
    if (!certificate) throw new Error('no certificate')
    return certificate
  }
  const calm = () => {
    delete at.small.interfere
    at.small.authorizations = 'valid'
    at.small.issues = 'at once'
  }

  test('is shown with its CA, and with no CRL or OCSP of ours', async () => {
    const shown = await people.operator.admin.authority('upstream')
    expect(shown).toMatchObject({
      kind: 'acme',
      crlUrl: null,
      ocspUrl: null,
      upstream: {
        directory: at.small.directory,
        account: `${at.small.origin}/account/0`,
        contact: ['mailto:pki@example.org'],
        externalAccount: null,
      },
    })
    expect(at.small.accounts[0]).toMatchObject({ contact: ['mailto:pki@example.org'], termsOfServiceAgreed: true })
    expect(await people.operator.admin.examineUpstream('upstream')).toMatchObject({ known: true, revokes: true })
  })

  test('an order that is allowed waits in signing, and its certificate comes with the chain', async () => {
    calm()
    const request = await at.order(['a.example.org', 'b.example.org'])
    expect(request.status).toBe('signing')
    expect(await at.run()).toBe(1)
    expect(await at.read(request)).toMatchObject({ status: 'signed' })
    const certificate = await certificateOf(request)
    const fields = readCertificate(certificate.der)
    expect(fields.identifiers.map(({ value }) => value)).toEqual(['a.example.org', 'b.example.org'])
    expect(verifyIssuedBy(fields, at.small.ca.fields)).toBe(true)
    expect(await door().chain(certificate)).toEqual([at.small.ca.fields.der])
    expect(at.small.orders).toHaveLength(1)
    // What tells of its revocation is the CA's.
    await expect(people.operator.crl({ authority: 'upstream' })).rejects.toMatchObject(failure('unsupported'))
    const again = await at.order(['a.example.org'])
    await at.run()
    expect((await certificateOf(again)).authorityCertificateId).toBe(certificate.authorityCertificateId)
    expect(await at.run()).toBe(0)
  })

  test('nothing goes there before people have approved, nor what was denied', async () => {
    calm()
    const rules = { issue: [{ name: 'people', require: [{ users: ['chief', 'admin'] }] }] }
    const profile = await world.save('asked', { authority: at.id, rules })
    const orders = at.small.orders.length
    const request = await at.order(['c.example.org'], { profile })
    expect(request.status).toBe('requested')
    expect(await at.run()).toBe(0)
    expect(at.small.orders).toHaveLength(orders)
    const { approvals } = people.as(people.root)
    const { hash } = await approvals.review('sign', request.id)
    await approvals.vote('sign', request.id, { verdict: 'approve', hash })
    expect((await at.read(request)).status).toBe('signing')
    await at.run()
    expect((await at.read(request)).status).toBe('signed')
  })

  test('a CA that takes its time is polled, by its Retry-After or ever more seldom', async () => {
    calm()
    at.small.issues = 'later'
    const request = await at.order(['slow.example.org'])
    await at.run()
    expect(await at.read(request)).toMatchObject({ status: 'signing' })
    at.small.interfere = (resource, reply) =>
      resource.startsWith('order/') ? { ...reply, headers: { ...reply.headers, 'Retry-After': '120' } } : undefined
    expect(await at.run(5_000)).toBe(1)
    const asked = at.small.asked.length
    expect(await at.run(119_000)).toBe(0)
    expect(at.small.asked).toHaveLength(asked)
    const order = at.small.orders.at(-1)
    if (!order) throw new Error('no order')
    await at.small.issue(order)
    expect(await at.run(2_000)).toBe(1)
    expect((await at.read(request)).status).toBe('signed')
    expect(at.small.asked.filter((resource) => resource === `finalize/${order.id}`)).toHaveLength(1)
  })

  test('after a crash at any step it goes on with the same order, and no certificate is lost', async () => {
    calm()
    for (const cut of ['order', 'finalize', 'certificate']) {
      const orders = at.small.orders.length
      const request = await at.order([`${cut}.crash.example.org`])
      let gone = false
      // Answered there, and never seen here: the connection breaks behind it.
      at.small.interfere = async (resource, reply) => {
        if (cut === 'order' ? resource.startsWith('finalize') : resource.startsWith(cut)) gone = true
        if (!gone) return undefined
        if (cut === 'order') return { status: 502 }
        return { ...reply, status: 502, body: 'gone' }
      }
      await at.run()
      expect(await at.read(request), cut).toMatchObject({ status: 'signing', lastError: expect.stringMatching(/502/) })
      calm()
      await at.run(600_000)
      expect(await at.read(request), cut).toMatchObject({ status: 'signed' })
      expect((await at.read(request)).lastError).toBeUndefined()
      expect(at.small.orders).toHaveLength(orders + 1)
    }
  })

  test('a process that was killed in the middle leaves a lease that runs out; of two one works', async () => {
    calm()
    const request = await at.order(['killed.example.org'])
    let both: Promise<number[]> | undefined
    at.small.interfere = async (resource) => {
      if (resource !== 'newOrder' || both) return undefined
      both = Promise.all([runUpstream({ ...world.it, node: 'another' }), runUpstream(world.it)])
      expect(await both).toEqual([0, 0])
      return { status: 500 }
    }
    await at.run()
    expect((await at.read(request)).status).toBe('signing')
    calm()
    await endLeases(world.it)
    await at.run(600_000)
    expect((await at.read(request)).status).toBe('signed')
  })

  test('a CA that is down, busy or in trouble is asked again later, and the request says why', async () => {
    calm()
    const request = await at.order(['down.example.org'])
    await at.small.down()
    await at.run()
    expect((await at.read(request)).lastError).toMatch(/cannot be reached: .*ECONNREFUSED/)
    expect(await at.run(1_000)).toBe(0)
    await at.small.up()
    at.small.interfere = (resource) =>
      resource === 'newOrder'
        ? {
            ...acmeProblem('rateLimited', 'too many orders', 429),
            headers: { 'Content-Type': 'application/problem+json', 'Retry-After': '1000' },
          }
        : undefined
    await at.run(60_000)
    expect((await at.read(request)).lastError).toBe('the upstream CA refused: too many orders (rateLimited)')
    calm()
    expect(await at.run(990_000)).toBe(0)
    expect(await at.run(20_000)).toBe(1)
    expect((await at.read(request)).status).toBe('signed')
  })

  test('a nonce that is refused is replaced, a few times', async () => {
    calm()
    let refusals = 3
    at.small.interfere = (resource) =>
      resource === 'newOrder' && refusals-- > 0 ? acmeProblem('badNonce', 'another, please') : undefined
    const request = await at.order(['nonce.example.org'])
    await at.run()
    expect((await at.read(request)).status).toBe('signed')
    at.small.interfere = (resource) =>
      resource === 'newOrder' ? acmeProblem('badNonce', 'another, please') : undefined
    const never = await at.order(['nonce.example.org'])
    const asked = at.small.asked.length
    await at.run()
    expect(await at.read(never)).toMatchObject({ status: 'signing', lastError: expect.stringContaining('badNonce') })
    expect(at.small.asked.length - asked).toBeLessThan(8)
    calm()
    await at.run(600_000)
  })
})
