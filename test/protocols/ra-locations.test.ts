import { beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/verify.ts'
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

  it.each([
    ['a path that goes up', { attributes: [attribute('path', '../etc')] }, 400],
    ['no path', { attributes: [] }, 400],
    ['an attribute that nobody knows', { attributes: [attribute('path', 'x'), attribute('mode', '777')] }, 422],
    ['multiple as text', { attributes: [attribute('path', 'x'), attribute('multiple', 'yes')] }, 422],
    ['custom attributes', { attributes: [attribute('path', 'x')], customAttributes: [attribute('a', 'b')] }, 422],
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
