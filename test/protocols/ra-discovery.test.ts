import { afterAll, describe, expect, it } from 'vitest'
import { runDiscoveries } from '../../src/core/discovery/discoveryRun.ts'
import { discoveryReach } from '../../src/reach/discoveryReach.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { useRaApp } from '../helpers/raApp.ts'
import { type TlsPlace, tlsPlace } from '../helpers/tlsPlaces.ts'

const used = useRaApp()
const ALL = '/v1/countersign/discoveries'

describe('discoveries over REST', () => {
  const reach = discoveryReach({ networks: 'loopback' })
  let place: TlsPlace | undefined
  afterAll(() => place?.close())

  it('are made, run, read and deleted, and what they found is in the inventory', async () => {
    const { app } = used
    const { world, admin: by } = app
    const ca = await foreignCa(world.time.now)
    const { pem } = await ca.issue()
    place = await tlsPlace({ cert: pem + ca.certificate, key: pem })
    const made = await app.call('post', ALL, { by, body: { name: 'here', targets: [place.text] } })
    expect(made).toMatchObject({ status: 201, json: { name: 'here', enabled: true, owner: { name: 'root' } } })
    const path = `${ALL}/${made.json.uuid}`
    expect(await app.call('post', `${path}/run`, { by })).toMatchObject({
      status: 202,
      json: { run: { running: true } },
    })
    expect(await app.call('post', `${path}/run`, { by })).toMatchObject({ status: 409 })
    await runDiscoveries(world.it, reach)
    const [shown] = (await app.call('get', ALL, { by })).json
    expect(shown.run).toMatchObject({ running: false, found: 1, newCertificates: 2, looked: 1, places: 1 })
    const places = (await app.call('get', `${path}/places?limit=1`, { by })).json
    expect(places).toMatchObject({ places: [{ place: place.text, outcome: 'found', certificates: 2 }] })

    const all = (await app.call('post', '/v1/certificates', { by, body: {} })).json.certificates
    const found = all.find((one: { commonName: string }) => one.commonName === 'somebody')
    const seen = await app.call('get', `/v1/countersign/certificates/${found.uuid}/sightings`, { by })
    const discoveries = [{ uuid: made.json.uuid, name: 'here' }]
    expect(seen.json).toMatchObject([{ place: place.text, position: 0, discoveries }])
    expect((await app.call('get', `/v1/certificates/${found.uuid}`, { by })).json.metadata).toMatchObject([
      {
        sourceObjectType: 'discoveries',
        items: [{ name: 'place', type: 'meta', content: [{ data: place.text }], sourceObjects: discoveries }],
      },
    ])
    const history = (await app.call('get', `/v1/certificates/${found.uuid}/history`, { by })).json
    expect(history.map(({ event }: { event: string }) => event)).toContain('Certificate Discovered')
    const trail = await app.call('get', '/v1/countersign/audit?subjectKind=discovery', { by })
    const actions = trail.json.events.map(({ action }: { action: string }) => action)
    expect(actions).toEqual(['discovery.ran', 'discovery.run_asked', 'discovery.created'])

    const changed = await app.call('patch', path, { by, body: { name: 'there', intervalHours: 24, owner: null } })
    expect(changed.json).toMatchObject({ name: 'there', intervalHours: 24 })
    expect(changed.json.owner).toBeUndefined()
    expect((await app.call('delete', path, { by })).status).toBe(204)
    expect((await app.call('get', path, { by })).status).toBe(404)
    expect((await app.call('get', `/v1/certificates/${found.uuid}`, { by })).status).toBe(200)
  })

  it.each([
    [{ name: 'x', targets: ['10.0.0.0/8'] }, 'a network has at most'],
    [{ name: 'x', targets: ['folder:../etc'] }, 'a path is made of names'],
    [{ name: 'x', targets: [] }, 'targets'],
    [{ name: 'x' }, 'targets'],
    [{ name: 'x', targets: ['a.test'], intervalHours: 0 }, 'intervalHours'],
    [{ name: 'x', targets: ['a.test'], more: 1 }, 'more'],
  ])('%j is refused with what is wrong', async (body, said) => {
    const { status, text } = await used.app.call('post', ALL, { by: used.app.admin, body })
    expect([400, 422]).toContain(status)
    expect(text).toContain(said)
  })
})
