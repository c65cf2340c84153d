import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { runDueJobs } from '../../src/core/jobs.ts'
import { inventoryUpkeep } from '../../src/reach/locationDelivery.ts'
import { type Person, type Place, useRaApp, waits } from '../helpers/raApp.ts'
import { INVENTORY as ALL, attribute, inventoryOf } from '../helpers/raInventory.ts'

const used = useRaApp()
const { ordered, detail } = inventoryOf(used)

let keeper: Person
beforeAll(async () => {
  keeper = await used.app.person('keeper', { capabilities: ['manage', 'read', 'create_cert', 'revoke_cert'] })
})

describe('locations', () => {
  const FOLDERS = '/v1/entities/folder/locations'
  const folder = (name: string, more: unknown[] = []) => ({
    name,
    enabled: true,
    attributes: [attribute('path', `web/${name}`), ...more],
  })
  let slow: Place

  async function upkeep(): Promise<void> {
    const { it } = used.app.world
    const root = mkdtempSync(join(tmpdir(), 'countersign-location-'))
    const { handlers, chores } = inventoryUpkeep(it, root)
    for (const { run } of chores) await run()
    while ((await runDueJobs({ db: it.db, node: it.node, clock: it.clock, log: it.log, handlers })) > 0);
    rmSync(root, { recursive: true })
  }

  it('take a certificate before it is issued or after, once more, and let it go', async () => {
    const { app } = used
    const by = app.admin
    const { status, json } = await app.call('post', FOLDERS, { by, body: folder('www') })
    expect(status).toBe(201)
    const one = `${FOLDERS}/${json.uuid}`
    slow = await app.save('slow', { rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] } })
    const uuid = await ordered({ path: slow.path })
    const body = { attributes: [attribute('entry', 'server')] }
    const put = await app.call('put', `${one}/certificates/${uuid}`, { by: keeper, body })
    expect(put.json.certificates).toMatchObject([
      { certificateUuid: uuid, state: 'pending_approval', status: 'waiting', entry: 'server' },
    ])
    expect((await app.call('put', `${one}/certificates/${uuid}`, { by: keeper })).status).toBe(200)
    expect((await detail(uuid)).locations).toMatchObject([
      { uuid: json.uuid, name: 'www', entityInstanceName: 'folder' },
    ])
    expect((await app.call('get', `${ALL}/${uuid}/locations`)).json).toMatchObject([
      { uuid: json.uuid, attributes: [{ name: 'path' }], certificates: [{ certificateUuid: uuid }] },
    ])
    const out = await app.call('delete', `${one}/certificates/${uuid}`, { by: keeper })
    expect(out.json.certificates).toEqual([])
    expect((await app.call('delete', `${one}/certificates/${uuid}`, { by: keeper })).status).toBe(404)
    expect((await app.call('put', `${one}/certificates/${uuid}`)).status).toBe(403)
  })

  it('are taken over by a renewal with replaceInLocations', async () => {
    const { app } = used
    const { json } = await app.call('post', FOLDERS, { by: app.admin, body: folder('over') })
    const uuid = await ordered()
    await app.call('put', `${FOLDERS}/${json.uuid}/certificates/${uuid}`, { by: keeper })
    const renew = { body: { replaceInLocations: true } }
    const next = (await app.call('post', `${app.place.path}/certificates/${uuid}/renew`, renew)).json.uuid
    expect((await detail(next)).locations).toMatchObject([{ uuid: json.uuid }])
  })

  it('are listed, shown, changed and deleted; the secret of a webhook is shown once', async () => {
    const { app } = used
    const by = app.admin
    const body = { name: 'hook', enabled: false, attributes: [attribute('url', 'https://hooks.test/x')] }
    const made = await app.call('post', '/v1/entities/webhook/locations', { by, body })
    expect(made.json.secret).toMatch(/^[\w-]{43}$/)
    const one = `/v1/entities/webhook/locations/${made.json.uuid}`
    expect((await app.call('get', one, { by })).text).not.toContain(made.json.secret)
    const { json } = await app.call('post', '/v1/locations', { body: { itemsPerPage: 1, pageNumber: 1 } })
    expect(json).toMatchObject({ locations: [{ name: 'hook', enabled: false }], totalPages: json.totalItems })
    const entity = json.locations[0].entityInstanceUuid
    expect((await app.call('get', `/v1/entities/${entity}/locations/${made.json.uuid}`)).status).toBe(200)
    expect((await app.call('patch', `${one}/enable`, { by })).status).toBe(204)
    const changed = { attributes: [attribute('url', 'https://hooks.test/y')] }
    expect((await app.call('put', one, { by, body: changed })).json).toMatchObject({ enabled: true })
    expect((await app.call('patch', `${one}/disable`, { by })).status).toBe(204)
    expect((await app.call('put', `${one}/certificates/${await ordered()}`, { by })).status).toBe(422)
    expect((await app.call('post', '/v1/entities/webhook/locations', { by, body })).status).toBe(409)
    expect((await app.call('delete', one)).status).toBe(403)
    expect((await app.call('delete', one, { by })).status).toBe(204)
    expect((await app.call('get', one, { by })).status).toBe(404)
  })

  it('say what is known of a certificate there: when it came, as what, from which CSR; the detail names the location', async () => {
    const { app } = used
    const by = app.admin
    const room = attribute('room', 'B 7')
    const body = { ...folder('known'), description: 'the web farm', customAttributes: [room] }
    const { json } = await app.call('post', FOLDERS, { by, body })
    const one = `${FOLDERS}/${json.uuid}`
    const csrAttributes = [attribute('commonName', 'known.test')]
    const uuid = await ordered({ name: 'known.test', csrAttributes })
    const sent = { body: { attributes: [attribute('entry', 'server')] }, by: keeper }
    const put = await app.call('put', `${one}/certificates/${uuid}`, sent)
    expect(put.json.metadata).toEqual([])
    expect(put.json.certificates).toMatchObject([{ metadata: [], pushAttributes: [{ name: 'entry' }] }])
    await upkeep()
    const { fingerprint, metadata, locations } = await detail(uuid)
    const sourceObjects = [{ uuid: json.uuid, name: 'known' }]
    const item = (name: string, ...data: unknown[]) => ({
      ...{ name, type: 'meta', sourceObjects },
      content: data.map((one) => ({ data: one })),
    })
    const at = item('deliveredAt', app.world.time.now.toISOString())
    const files = item('files', 'default/web/known/server.pem', 'default/web/known/server-chain.pem')
    const known = [{ sourceObjectType: 'locations', items: [at, item('fingerprint', fingerprint), files] }]
    expect(metadata).toMatchObject(known)
    const shown = {
      uuid: json.uuid,
      description: 'the web farm',
      customAttributes: [{ ...room, type: 'custom' }],
      supportKeyManagement: false,
      metadata: [{ sourceObjectType: 'locations', items: [at] }],
      certificates: [
        {
          certificateUuid: uuid,
          status: 'pushed',
          withKey: false,
          metadata: known,
          pushAttributes: [{ name: 'entry', content: [{ data: 'server' }] }],
          csrAttributes: [{ name: 'commonName', content: [{ data: 'known.test' }] }],
        },
      ],
    }
    expect(locations).toMatchObject([shown])
    expect((await app.call('get', one)).json).toMatchObject(shown)
    expect((await app.call('get', `${ALL}/${uuid}/locations`)).json).toMatchObject([shown])
    const second = await app.call('post', FOLDERS, { by, body: folder('known-too') })
    await app.call('put', `${FOLDERS}/${second.json.uuid}/certificates/${uuid}`, { by: keeper })
    await upkeep()
    const print = (await detail(uuid)).metadata[0].items.find(({ name }: { name: string }) => name === 'fingerprint')
    // What both say alike is said once.
    expect(print.sourceObjects).toMatchObject([{ name: 'known' }, { name: 'known-too' }])
  })

  it('are described and noted about by who changes them; what is left out stays', async () => {
    const { app } = used
    const by = app.admin
    const { json } = await app.call('post', FOLDERS, { by, body: { ...folder('said'), description: 'first' } })
    const put = async (more: object) => {
      const { name: _, ...body } = { ...folder('said'), ...more }
      return (await app.call('put', `${FOLDERS}/${json.uuid}`, { by, body })).json
    }
    expect(await put({ customAttributes: [attribute('room', 'B 7')] })).toMatchObject({
      description: 'first',
      customAttributes: [{ name: 'room' }],
    })
    expect(await put({ description: 'second' })).toMatchObject({
      description: 'second',
      customAttributes: [{ name: 'room' }],
    })
    expect(await put({ description: '', customAttributes: [] })).toMatchObject({
      description: '',
      customAttributes: [],
    })
  })

  it.each([
    ['a path that goes up', { attributes: [attribute('path', '../etc')] }, 400],
    ['no path', { attributes: [] }, 400],
    ['an attribute that nobody knows', { attributes: [attribute('path', 'x'), attribute('mode', '777')] }, 422],
    ['multiple as text', { attributes: [attribute('path', 'x'), attribute('multiple', 'yes')] }, 422],
    ['a custom attribute without a type', { customAttributes: [{ name: 'a', content: [{ data: 'b' }] }] }, 422],
    ['a custom attribute that is a secret', { customAttributes: [attribute('a', 'b', 'secret')] }, 422],
    ['a name of nearly 1 MiB', { name: 'x'.repeat(1_000_000), attributes: [attribute('path', 'x')] }, 422],
  ])('refuse %s', async (_, more, status) => {
    const { app } = used
    expect((await app.call('post', FOLDERS, { by: app.admin, body: { ...folder('bad'), ...more } })).status).toBe(
      status,
    )
  })

  it('are of their organization, below their kind, and made by administrators alone', async () => {
    const { app } = used
    const { json } = await app.call('post', FOLDERS, { by: app.admin, body: folder('mine') })
    for (const [path, by] of [
      [`${FOLDERS}/${json.uuid}`, app.stranger],
      [`/v1/entities/webhook/locations/${json.uuid}`, app.admin],
      [`/v1/entities/shelf/locations/${json.uuid}`, app.admin],
    ] as const)
      expect((await app.call('get', path, { by })).status).toBe(404)
    expect((await app.call('post', FOLDERS, { body: folder('theirs') })).status).toBe(403)
    expect(
      (await app.call('put', `${FOLDERS}/${json.uuid}/certificates/${await ordered()}`, { by: app.stranger })).status,
    ).toBe(404)
  })
})

it('the audit trail still holds together', async () => {
  const { problems } = await verifyAudit(used.app.world.it.db, used.app.world.it.auditSecret)
  expect(problems).toEqual([])
})
