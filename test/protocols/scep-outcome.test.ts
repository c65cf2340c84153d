import { createHash, createHmac } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { asRequester, findUser } from '../../src/core/identity/identity.ts'
import { databases } from '../helpers/databases.ts'
import { auto, createScepApp, type ScepApp, waits } from '../helpers/scepApp.ts'
import { device, leafOf } from '../helpers/scepClient.ts'

const day = 86_400_000
type Told = { event: string; transactionId: string; [name: string]: unknown }

describe.each(databases)('what becomes of an order that a webhook allowed, on $name', ({ open }) => {
  let app: ScepApp
  let close: () => Promise<void>
  let server: Server
  let secret: string
  let told: Told[] = []
  let status = 200
  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString()
        const { 'x-countersign-timestamp': time, 'x-countersign-signature': signature } = request.headers
        const key = Buffer.from(secret, 'base64url')
        expect(signature).toBe(`v1=${createHmac('sha256', key).update(`${time}.${body}`).digest('hex')}`)
        const message = JSON.parse(body) as Told
        told.push(message)
        if (message.event === 'decide') response.end(JSON.stringify({ allow: true, identity: 'a phone' }))
        else response.writeHead(status).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { db, close: closeDatabase } = await open()
    close = closeDatabase
    app = await createScepApp(db)
    const webhook = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
    const { core, it } = app.world
    await app.save('phones', { webhook }, { rules: { issue: auto } })
    await app.save('people', { webhook }, { rules: { issue: waits } })
    const names = { certificate: { names: { dns: ['.example.org'] } } }
    await app.save('narrow', { webhook }, { rules: { issue: auto }, settings: names })
    const admin = await findUser(it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    ;({ secret } = await core.as(asRequester(admin)).admin.createWebhookSecret('phones'))
  })
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await app.close()
    await close()
  })
  beforeEach(() => {
    told = []
    status = 200
  })

  async function newSecret(profile: string): Promise<void> {
    const admin = await findUser(app.world.it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    ;({ secret } = await app.world.core.as(asRequester(admin)).admin.createWebhookSecret(profile))
  }
  const enrol = (profile: string, cn: string) =>
    app.enrol(device('outcome'), { subject: { CN: cn }, profile, challenge: 'x'.repeat(700), transactionId: cn })
  const outcomes = () => told.filter(({ event }) => event !== 'decide')
  async function pass(milliseconds: number) {
    app.world.time.pass(milliseconds)
    return app.runJobs()
  }

  it('40: issued: thumbprint, serial, end and issuer, once, beside the transaction', async () => {
    const leaf = leafOf(await enrol('phones', 'issued.example.org'))
    expect(outcomes()).toEqual([])
    expect(await pass(1_000)).toBe(1)
    expect(outcomes()).toEqual([
      {
        version: 1,
        event: 'issued',
        profile: 'phones',
        transactionId: 'issued.example.org',
        spkiSha256: createHash('sha256').update(leaf.spki).digest('hex'),
        certificate: {
          serial: leaf.serial,
          thumbprint: createHash('sha1').update(leaf.der).digest('hex').toUpperCase(),
          sha256: createHash('sha256').update(leaf.der).digest('hex'),
          subject: 'CN=issued.example.org',
          issuer: 'CN=countersign Issuing CA',
          notBefore: leaf.notBefore.toISOString(),
          notAfter: leaf.notAfter.toISOString(),
          der: leaf.der.toString('base64'),
        },
      },
    ])
    expect(await pass(day)).toBe(0)
  })

  it('41: a device that repeats itself is not asked about again, and told of once', async () => {
    const { serial } = leafOf(await enrol('phones', 'again.example.org'))
    for (let at = 0; at < 3; at++) expect(leafOf(await enrol('phones', 'again.example.org')).serial).toBe(serial)
    expect(told.map(({ event }) => event)).toEqual(['decide'])
    await pass(1_000)
    await pass(day)
    expect(told.map(({ event }) => event)).toEqual(['decide', 'issued'])
  })

  it('40: a webhook that does not answer is told again, until it does', async () => {
    await enrol('phones', 'down.example.org')
    status = 503
    for (let at = 0; at < 5; at++) await pass(20_000)
    const tries = outcomes().length
    expect(tries).toBeGreaterThan(2)
    status = 204
    await pass(3_600_000)
    await pass(3_600_000)
    expect(outcomes()).toHaveLength(tries + 1)
  })

  it('after seven days it is given up', async () => {
    await enrol('phones', 'given-up.example.org')
    status = 500
    await pass(1_000)
    await pass(7 * day)
    const tries = outcomes().length
    for (let at = 0; at < 3; at++) await pass(3_600_000)
    expect(outcomes()).toHaveLength(tries)
    expect(await pass(day)).toBe(0)
  })

  it('what people decide days later is told: approved, and denied with the reason', async () => {
    await newSecret('people')
    expect((await enrol('people', 'waits.example.org')).pkiStatus).toBe('PENDING')
    for (let at = 0; at < 30; at++) await pass(3_600_000)
    expect(outcomes()).toEqual([])
    await app.vote()
    await pass(600_000)
    expect(outcomes()).toMatchObject([{ event: 'issued', transactionId: 'waits.example.org' }])
    told = []
    await enrol('people', 'denied.example.org')
    await app.vote({ verdict: 'deny', reason: 'this phone was sold' })
    await pass(600_000)
    expect(outcomes()).toMatchObject([
      {
        event: 'failed',
        transactionId: 'denied.example.org',
        status: 'denied',
        reason: 'this phone was sold',
        hresult: 0x20000001,
      },
    ])
  })

  it('a profile that serves nobody for a while, or asks nobody, has it told afterwards', async () => {
    const webhook = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
    const rules = { issue: auto }
    await app.save('paused', { webhook }, { rules })
    await newSecret('paused')
    expect((await enrol('paused', 'paused.example.org')).pkiStatus).toBe('SUCCESS')
    await app.world.save('paused', { rules, protocols: {} })
    await pass(1_000)
    await pass(600_000)
    await app.save('paused', {}, { rules })
    await pass(600_000)
    expect(outcomes()).toEqual([])
    await app.save('paused', { webhook }, { rules })
    await pass(600_000)
    expect(outcomes()).toMatchObject([{ event: 'issued', transactionId: 'paused.example.org' }])
  })

  it('a refusal by policy is told, and one without any record too', async () => {
    await newSecret('narrow')
    expect((await enrol('narrow', 'a.example.com')).pkiStatus).toBe('FAILURE')
    await pass(1_000)
    expect(outcomes()).toMatchObject([
      { event: 'failed', status: 'denied', reason: expect.stringContaining('a.example.com') },
    ])
    told = []
    const by = device('blocked')
    const admin = app.world.core.as(
      asRequester((await findUser(app.world.it.db, { name: 'admin' })) ?? app.approver),
    ).admin
    await admin.blockKey({
      spkiSha256: createHash('sha256')
        .update(leafOf(await enrolBy(by, 'before')).spki)
        .digest('hex'),
      reason: 'lost',
    })
    told = []
    expect((await enrolBy(by, 'after')).pkiStatus).toBe('FAILURE')
    await pass(1_000)
    expect(outcomes().find(({ event }) => event === 'failed')).toMatchObject({ status: 'refused', hresult: 0x20000005 })
  })
  const enrolBy = (by: ReturnType<typeof device>, name: string) =>
    app.enrol(by, { subject: { CN: `${name}.example.org` }, profile: 'narrow', challenge: 'blob', transactionId: name })

  it('a challenge of the profile’s own concerns no webhook', async () => {
    const admin = await findUser(app.world.it.db, { name: 'admin' })
    if (!admin) throw new Error('no administrator')
    const { challenge } = await app.world.core.as(asRequester(admin)).admin.createChallenge({ profile: 'phones' })
    const asked = { subject: { CN: 'own.example.org' }, profile: 'phones', challenge, transactionId: 'own' }
    expect((await app.enrol(device('outcome'), asked)).pkiStatus).toBe('SUCCESS')
    await pass(day)
    expect(told).toEqual([])
  })
})
