import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { runDueJobs } from '../../src/core/jobs.ts'
import { SIGNATURE_HEADER, TIMESTAMP_HEADER, verifyWebhook } from '../../src/core/webhook/webhookSignature.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { inventoryUpkeep, locationDelivery } from '../../src/reach/locationDelivery.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const hour = 3_600_000
const all = [{ name: 'all', auto: true }]
const rules = {
  issue: [
    { name: 'later', when: 'identifiers.exists(i, i.value.startsWith("later"))', require: [{ users: ['chief'] }] },
    ...all,
  ],
  renew: all,
}

interface Heard {
  headers: Record<string, unknown>
  body: string
}

describe.each(databases)('locations, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  let root: string
  let server: Server
  const heard: Heard[] = []
  let answer = 204
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('web', { rules })
    root = mkdtempSync(join(tmpdir(), 'countersign-location-'))
    server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8')
      request.on('data', (part: string) => {
        body += part
      })
      request.on('end', () => {
        heard.push({ headers: request.headers, body })
        response.writeHead(answer).end()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve))
    await close()
    rmSync(root, { recursive: true, force: true })
  })

  const of = (user = people.chief) => people.as(user).inventory
  async function order(name: string, more: { renews?: number; replaceInLocations?: boolean } = {}) {
    const csr = await newCsr([name])
    const action = more.renews === undefined ? 'issue' : 'renew'
    const draft = { profile: await world.profile('web'), protocol: 'acme', action, csr, refusal: 'store' } as const
    return (await world.core.as(acmeAccount()).sign({ ...draft, identifiers: csr.identifiers, ...more })).request
  }
  async function upkeep(folder: string | undefined = root) {
    const { db, node, clock, log } = world.it
    const { handlers, chores } = inventoryUpkeep(world.it, folder)
    for (const { run } of chores) await run()
    for (let more = 1; more > 0; ) more = await runDueJobs({ db, node, clock, log, handlers })
  }
  let number = 0
  const folder = (path: string, more = {}) =>
    of().locations.add({ name: `folder ${++number}`, kind: 'folder', settings: { path }, ...more })
  const pemOf = (...path: string[]) => pemDecode(readFileSync(join(root, ...path), 'utf8')).map(({ der }) => der)
  const derOf = async (id: number) => (await findCertificate(world.it.db, { id }))?.der
  const entry = async (uuid: string) => (await of().locationsOf(uuid))[0]

  test('a folder gets a certificate and its chain, below its organization', async () => {
    const { uuid: location } = await folder('web/one')
    const { id, uuid } = await order('a.test')
    await of().associate(uuid, { location, entry: 'site' })
    expect(await entry(uuid)).toMatchObject({
      entry: 'site',
      status: 'waiting',
      location: { uuid: location, kind: 'folder' },
    })
    await upkeep()
    const files = ['default/web/one/site.pem', 'default/web/one/site-chain.pem']
    const { fingerprint } = (await findCertificate(world.it.db, { id })) ?? {}
    expect(await entry(uuid)).toMatchObject({
      status: 'pushed',
      pushedAt: world.time.now,
      delivered: { fingerprint, files },
      location: { deliveredAt: world.time.now },
    })
    expect(await of().locations.content(location)).toMatchObject([{ id, delivered: { fingerprint, files } }])
    expect(pemOf('default', 'web', 'one', 'site.pem')).toEqual([await derOf(id)])
    expect(pemOf('default', 'web', 'one', 'site-chain.pem')).toEqual(
      (await of().chain(uuid)).issuers.map(({ der }) => der),
    )
    expect(readdirSync(join(root, 'default', 'web', 'one')).sort()).toEqual(['site-chain.pem', 'site.pem'])
    expect((await audited(world, 'certificate.pushed')).at(-1)).toMatchObject({
      subject_id: id,
      details: { location, entry: 'site' },
    })
  })

  test('what renews it takes its place when it is issued, and not before', async () => {
    const { uuid: location } = await folder('web/two', { multiple: false })
    const first = await order('b.test')
    await of().associate(first.uuid, { location, entry: 'site' })
    await upkeep()
    const other = await order('other.test')
    await expect(of().associate(other.uuid, { location })).rejects.toMatchObject(failure('conflict', /takes one/))
    const beside = await order('b.test', { renews: first.id })
    const next = await order('b.test', { renews: first.id, replaceInLocations: true })
    expect(await entry(beside.uuid)).toBeUndefined()
    expect(await entry(next.uuid)).toMatchObject({ status: 'waiting', entry: 'site' })
    expect(pemOf('default', 'web', 'two', 'site.pem')).toEqual([await derOf(first.id)])
    await upkeep()
    expect(pemOf('default', 'web', 'two', 'site.pem')).toEqual([await derOf(next.id)])
    expect(await entry(next.uuid)).toMatchObject({ status: 'pushed' })
    expect(await entry(first.uuid)).toBeUndefined()
  })

  test('one that is not issued yet waits; one that never will be is given up', async () => {
    const { uuid: location } = await folder('web/three')
    const waiting = await order('later.test')
    await of().associate(waiting.uuid, { location })
    await upkeep()
    expect(await entry(waiting.uuid)).toMatchObject({ status: 'waiting' })
    await people.as(people.chief).approvals.cancel('sign', waiting.id, 'no')
    await upkeep()
    expect(await entry(waiting.uuid)).toMatchObject({ status: 'failed', lastError: 'no certificate was issued' })
  })

  test('a webhook gets a signed message, and again until it takes it', async () => {
    const { port } = server.address() as AddressInfo
    const { uuid: location, secret = '' } = await of().locations.add({
      name: 'hook',
      kind: 'webhook',
      settings: { url: `http://127.0.0.1:${port}/certificates` },
    })
    expect((await of().locations.list()).find(({ uuid }) => uuid === location)).not.toHaveProperty('secret')
    const { id, uuid } = await order('hook.test')
    await of().associate(uuid, { location })
    answer = 500
    await upkeep()
    expect(await entry(uuid)).toMatchObject({ status: 'queued', lastError: 'the webhook answered with the status 500' })
    answer = 302
    world.time.pass(hour)
    await upkeep()
    expect(await entry(uuid)).toMatchObject({ status: 'queued', lastError: 'the webhook answered with the status 302' })
    answer = 200
    world.time.pass(hour)
    await upkeep()
    expect(await entry(uuid)).toMatchObject({ status: 'pushed' })
    expect(heard).toHaveLength(3)
    const { delivered } = (await entry(uuid)) ?? {}
    expect(delivered).toMatchObject({ server: `http://127.0.0.1:${port}` })
    const { headers, body } = heard[2] ?? { headers: {}, body: '' }
    const signed = { timestamp: String(headers[TIMESTAMP_HEADER]), signature: String(headers[SIGNATURE_HEADER]), body }
    expect(verifyWebhook(Buffer.from(secret), signed, world.time.now)).toBe(true)
    const { certificate, chain, ...told } = JSON.parse(body)
    expect(told).toMatchObject({ version: 1, event: 'certificate.located', location: 'hook', uuid })
    // Each message has a number of its own; the one that was taken is known.
    expect(told).toMatchObject({ delivery: delivered?.delivery, fingerprint: delivered?.fingerprint })
    expect(new Set(heard.map(({ body }) => JSON.parse(body).delivery)).size).toBe(3)
    expect(pemDecode(certificate)[0]?.der).toEqual(await derOf(id))
    expect(chain).toHaveLength(2)
  })

  test('a webhook where none may be is not called, and given up after three days, which people are told', async () => {
    const { uuid: location } = await of().locations.add({
      name: 'meta',
      kind: 'webhook',
      settings: { url: 'http://169.254.169.254/x' },
    })
    const { uuid } = await order('meta.test')
    await of().associate(uuid, { location })
    await upkeep()
    expect(await entry(uuid)).toMatchObject({ status: 'queued', lastError: 'a webhook may not be at 169.254.169.254' })
    world.time.pass(73 * hour)
    await upkeep()
    expect(await entry(uuid)).toMatchObject({ status: 'failed' })
    const alerts = await people.as(people.chief).admin.alerts()
    expect(JSON.stringify(alerts)).toContain('could not be put into the location meta')
  })

  test('what the system says of a folder names a path of this server, which who reads the location does not see', async () => {
    const { uuid } = await order('gone.test')
    const { uuid: location } = await folder('gone')
    await of().associate(uuid, { location, entry: 'site' })
    await upkeep(join(root, 'unmounted'))
    const lastError = 'the folder cannot be written (ENOENT); the log of the server says more'
    expect(await entry(uuid)).toMatchObject({ status: 'queued', lastError })
    await of().dissociate(uuid, location)
  })

  test('a folder that is a link, or a file that is none, is not written to', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'countersign-outside-'))
    mkdirSync(join(root, 'default'), { recursive: true })
    symlinkSync(outside, join(root, 'default', 'link'))
    mkdirSync(join(root, 'default', 'plain'))
    writeFileSync(join(outside, 'target'), 'mine')
    symlinkSync(join(outside, 'target'), join(root, 'default', 'plain', 'site.pem'))
    const { uuid } = await order('link.test')
    for (const [path, why] of [
      ['link', /a link to another/],
      ['link/deeper', /a link to another/],
      ['plain', /no plain file/],
    ] as const) {
      const { uuid: location } = await folder(path)
      await of().associate(uuid, { location, entry: 'site' })
      await upkeep()
      expect(await entry(uuid)).toMatchObject({ status: 'queued', lastError: expect.stringMatching(why) })
      await of().dissociate(uuid, location)
    }
    expect(readdirSync(outside)).toEqual(['target'])
    expect(readFileSync(join(outside, 'target'), 'utf8')).toBe('mine')
    rmSync(outside, { recursive: true })
    await expect(locationDelivery(root).folder(['..'], [])).rejects.toThrow(/leads elsewhere/)
    await expect(locationDelivery(root).folder(['a'], [{ name: '../x', content: '' }])).rejects.toThrow(
      /leads elsewhere/,
    )
    await expect(locationDelivery(undefined).folder(['a'], [])).rejects.toThrow(/COUNTERSIGN_LOCATION_FOLDER/)
  })

  test.each<[string, object]>([
    ['a path that goes up', { kind: 'folder', settings: { path: 'a/../b' } }],
    ['a path from the top', { kind: 'folder', settings: { path: '/etc' } }],
    ['a hidden part', { kind: 'folder', settings: { path: 'a/.ssh' } }],
    ['another protocol', { kind: 'webhook', settings: { url: 'ftp://example.org/' } }],
    ['a user in a URL', { kind: 'webhook', settings: { url: 'https://a:b@example.org/' } }],
    ['no settings', { kind: 'webhook' }],
    ['another kind', { kind: 'mail', settings: {} }],
  ])('refused: %s', async (_, draft) => {
    const adding = of().locations.add({ name: 'x', ...draft } as never)
    await expect(adding).rejects.toMatchObject(failure('malformed'))
  })

  test('locations are made by administrators, for their organization alone', async () => {
    await people.give(people.alice, 'manage')
    const { uuid: location, name } = await folder('rights')
    const { uuid } = await order('rights.test')
    const draft = { name, kind: 'folder', settings: { path: 'x' } } as const
    await expect(of().locations.add(draft)).rejects.toMatchObject(failure('conflict'))
    await expect(of(people.alice).locations.add({ ...draft, name: 'y' })).rejects.toMatchObject(failure('forbidden'))
    await expect(of(people.alice).locations.remove(location)).rejects.toMatchObject(failure('forbidden'))
    await expect(of(people.stranger).locations.change(location, { enabled: false })).rejects.toMatchObject(
      failure('notFound'),
    )
    expect(await of(people.stranger).locations.list()).toEqual([])
    await of(people.alice).associate(uuid, { location, entry: 'a' })
    await expect(of().associate(uuid, { location })).rejects.toMatchObject(failure('conflict', /already/))
    const second = await order('rights.test')
    await expect(of().associate(second.uuid, { location, entry: 'a' })).rejects.toMatchObject(
      failure('conflict', /another certificate/),
    )
    for (const entry of ['../a', 'a-chain', 'a-Chain'])
      await expect(of().associate(second.uuid, { location, entry })).rejects.toMatchObject(failure('malformed'))
    await of().locations.change(location, { enabled: false, settings: { path: 'elsewhere' } })
    await expect(of().associate(second.uuid, { location })).rejects.toMatchObject(failure('conflict', /switched off/))
    await of().locations.remove(location)
    expect(await of().locationsOf(uuid)).toEqual([])
    await expect(of().dissociate(uuid, location)).rejects.toMatchObject(failure('notFound'))
  })

  test('the whole URL of a webhook is for administrators, and not in the audit trail', async () => {
    const url = 'https://hooks.test/services/T0/s3cr3t?key=s3cr3t'
    const { uuid } = await of().locations.add({ name: 'secret', kind: 'webhook', settings: { url } })
    await of().locations.change(uuid, { settings: { url } })
    const seen = async (user = people.chief) => (await of(user).locations.list()).find((one) => one.uuid === uuid)
    expect(await seen()).toMatchObject({ settings: { url } })
    expect(await seen(people.alice)).toMatchObject({ settings: { url: 'https://hooks.test' } })
    const told = [...(await audited(world, 'location.created')), ...(await audited(world, 'location.changed'))]
    expect(JSON.stringify(told)).toContain('https://hooks.test')
    expect(JSON.stringify(told)).not.toContain('s3cr3t')
  })

  test('the audit trail agrees with all of it', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
