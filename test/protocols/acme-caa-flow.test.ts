import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import type { AcmeClient, AcmeOrder, Json, Reply } from '../helpers/acmeClient.ts'
import { databases } from '../helpers/databases.ts'
import { type DnsServer, startDnsServer } from '../helpers/dnsServer.ts'
import { newCsr } from '../helpers/world.ts'

const HOUR = 3_600_000
const HOST = { A: ['127.0.0.1'] }
const NAMES = ['one.example.test', 'two.example.test']
const forbid = { CAA: [{ tag: 'issue', value: 'other.test' }] }
const permit = { CAA: [{ tag: 'issue', value: 'ca.test' }] }

describe.each(databases)('CAA on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let dns: DnsServer
  let acme: AcmeApp
  beforeAll(async () => {
    opened = await open()
    dns = await startDnsServer()
    acme = await createAcmeApp(opened.db, { resolver: dns.address })
    const caa = { domains: ['ca.test'] }
    await acme.world.save('caa', { protocols: { acme: { caa } } })
    await acme.world.save('off', { protocols: { acme: { caa: { ...caa, enforce: 'off' } } } })
    await acme.world.save('below', {
      protocols: { acme: { caa, subdomainAuthorization: 'any', challenges: ['http-01'] } },
    })
  })
  afterAll(async () => {
    await acme.close()
    await dns.close()
    await opened.close()
  })
  beforeEach(() => {
    for (const name of ['one.example.test', 'two.example.test', 'example.test']) dns.set(name, HOST)
    dns.asked.length = 0
  })

  const caaQuestions = () => dns.asked.filter(({ type }) => type === 'CAA').map(({ name }) => name)
  const challengeOf = async (client: AcmeClient, order: AcmeOrder, at = 0) => {
    const { json } = await client.post(order.authorizations[at] ?? '')
    return (json.challenges as Json[])[0]
  }
  const finalize = async (client: AcmeClient, order: AcmeOrder, names = NAMES): Promise<Reply> => {
    // Nonces do not live as long as the tests let pass.
    await client.get(client.directory.newNonce ?? '', 'HEAD')
    return client.finalize(order, (await newCsr(names)).der)
  }

  it('RFC 8555 section 7.1.1: caaIdentities are shown where CAA is checked, and only there', async () => {
    expect((await acme.client({ profile: 'caa' })).directory.meta).toMatchObject({ caaIdentities: ['ca.test'] })
    expect((await acme.client({ profile: 'off' })).directory).not.toHaveProperty('meta')
    expect((await acme.client()).directory).not.toHaveProperty('meta')
  })

  it.each(['off', 'default'])('is not looked for under profile %s', async (profile) => {
    dns.set('example.test', { ...HOST, ...forbid })
    const { client, order } = await acme.ready(NAMES, { profile })
    expect((await finalize(client, order)).json).toMatchObject({ status: 'valid' })
    expect(caaQuestions()).toEqual([])
  })

  it('is looked for when a name was proved, and not again within eight hours', async () => {
    const { client, order } = await acme.ready(NAMES, { profile: 'caa' })
    expect(caaQuestions().slice(0, 3)).toEqual(['one.example.test', 'example.test', 'test'])
    const asked = caaQuestions().length
    acme.world.time.pass(8 * HOUR - 1000)
    expect((await finalize(client, order)).json).toMatchObject({ status: 'valid' })
    expect(caaQuestions()).toHaveLength(asked)
  })

  it('that forbids makes the challenge invalid: caa 403, with the name in the order', async () => {
    dns.set('two.example.test', { ...HOST, ...forbid })
    const { client, order } = await acme.ready(NAMES, { profile: 'caa' })
    expect(await challengeOf(client, order, 0)).toMatchObject({ status: 'valid' })
    expect(await challengeOf(client, order, 1)).toMatchObject({
      status: 'invalid',
      error: { type: 'urn:ietf:params:acme:error:caa', status: 403, detail: expect.stringContaining('"other.test"') },
    })
    expect((await client.post(order.url)).json).toMatchObject({
      status: 'invalid',
      error: {
        type: 'urn:ietf:params:acme:error:caa',
        subproblems: [{ identifier: { type: 'dns', value: 'two.example.test' } }],
      },
    })
  })

  it('RFC 8657: knows its accounts by their URLs, and the method that proved the name', async () => {
    const client = await acme.client({ profile: 'caa' })
    const property = (value: string) => ({ ...HOST, CAA: [{ tag: 'issue', value: `ca.test; ${value}` }] })
    dns.set('one.example.test', property(`accounturi=${client.kid}; validationmethods=http-01`))
    dns.set('two.example.test', property(`accounturi=${client.kid}; validationmethods=dns-01`))
    const { order } = await acme.ready(NAMES, { client })
    expect(await challengeOf(client, order, 0)).toMatchObject({ status: 'valid' })
    expect(await challengeOf(client, order, 1)).toMatchObject({ status: 'invalid' })
    const other = await acme.client({ profile: 'caa' })
    const foreign = await acme.ready(['one.example.test'], { client: other })
    expect(await challengeOf(other, foreign.order)).toMatchObject({ status: 'invalid' })
  })

  it('that cannot be looked up leaves the name unproved, for a while', async () => {
    dns.set('example.test', { ...HOST, rcode: 'SERVFAIL' })
    const { client, order } = await acme.ready(['one.example.test'], { profile: 'caa' })
    expect(await challengeOf(client, order)).toMatchObject({ status: 'processing' })
    dns.set('example.test', permit)
    acme.world.time.pass(6000)
    await acme.runJobs()
    expect(await challengeOf(client, order)).toMatchObject({ status: 'valid' })
  })

  it('is looked for again before issuing, after eight hours: a refusal names each name and leaves the order ready', async () => {
    const { client, order } = await acme.ready(NAMES, { profile: 'caa' })
    acme.world.time.pass(8 * HOUR + 1000)
    dns.set('example.test', { ...HOST, ...forbid })
    dns.set('two.example.test', { ...HOST, ...permit })
    const refused = await finalize(client, order)
    expectProblem(refused, 403, 'caa', /one\.example\.test/)
    expect(refused.json.subproblems).toMatchObject([
      { type: 'urn:ietf:params:acme:error:caa', identifier: { type: 'dns', value: 'one.example.test' } },
    ])
    expect((await client.post(order.url)).json).toMatchObject({ status: 'ready' })
    dns.set('example.test', { ...HOST, ...permit })
    dns.asked.length = 0
    expect((await finalize(client, order)).json).toMatchObject({ status: 'valid' })
    // The other one was found good a moment ago.
    expect(caaQuestions()).toEqual(['one.example.test', 'example.test'])
  })

  it('that cannot be looked up before issuing refuses: dns, and compound beside a caa', async () => {
    const { client, order } = await acme.ready(NAMES, { profile: 'caa' })
    acme.world.time.pass(9 * HOUR)
    dns.set('two.example.test', { ...HOST, rcode: 'SERVFAIL' })
    dns.set('one.example.test', { ...HOST, ...forbid })
    const both = await finalize(client, order)
    expectProblem(both, 403, 'compound')
    expect(both.json.subproblems).toMatchObject([
      { type: 'urn:ietf:params:acme:error:caa' },
      { type: 'urn:ietf:params:acme:error:dns' },
    ])
    dns.set('one.example.test', { ...HOST, ...permit })
    expectProblem(await finalize(client, order), 400, 'dns', /SERVFAIL/)
  })

  it('is looked for before issuing where it was switched on after the proof', async () => {
    await acme.world.save('later', { protocols: { acme: {} } })
    const { client, order } = await acme.ready(NAMES, { profile: 'later' })
    dns.set('example.test', { ...HOST, ...forbid })
    await acme.world.save('later', { protocols: { acme: { caa: { domains: ['ca.test'] } } } })
    expectProblem(await finalize(client, order), 403, 'caa')
  })

  it('RFC 9444: is looked for at each name below the one that was proved, and not at that one', async () => {
    const client = await acme.client({ profile: 'below' })
    acme.serveChallenges(client)
    const identifiers = NAMES.map((value) => ({ type: 'dns', value, ancestorDomain: 'example.test' }))
    const order = await client.order(identifiers)
    dns.set('example.test', { ...HOST, ...forbid })
    dns.set('one.example.test', { ...HOST, ...permit })
    await client.answer(order, 'http-01')
    expect(await challengeOf(client, order)).toMatchObject({ status: 'valid' })
    const refused = await finalize(client, order)
    expectProblem(refused, 403, 'caa')
    expect(refused.json.subproblems).toMatchObject([{ identifier: { value: 'two.example.test' } }])
    // That the one may is no word about the other, though one authorization serves both.
    expectProblem(await finalize(client, order), 403, 'caa')
  })
})
