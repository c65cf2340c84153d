import { describe, expect, it } from 'vitest'
import { useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const NONE = '01890000-0000-7000-8000-000000000000'

const below = () => `/v1/authorities/${used.app.place.authority}/raProfiles`

async function made(name: string, more: Record<string, unknown> = {}): Promise<string> {
  const { app } = used
  const body = { name, attributes: [], ...more }
  const { json, status } = await app.call('post', below(), { by: app.admin, body })
  expect(status).toBe(201)
  return json.uuid
}

const setting = (data: unknown) => [{ name: 'settings', contentType: 'object', content: [{ data }] }]

describe('RA profiles', () => {
  it('are made below their authority, disabled and with no rule but the owner’s approval', async () => {
    const { app } = used
    const settings = { certificate: { names: { dns: ['.inside.test'] } } }
    const body = { name: 'web', description: 'for servers', attributes: setting(settings) }
    const answer = await app.call('post', below(), { by: app.admin, body })
    expect(answer.status).toBe(201)
    expect(answer.headers.get('location')).toBe(`https://ra.test/api${below()}/${answer.json.uuid}`)
    const shown = await app.call('get', `/v1/raProfiles/${answer.json.uuid}`)
    expect(shown.json).toMatchObject({
      name: 'web',
      description: 'for servers',
      enabled: false,
      legacyAuthority: false,
      authorityInstanceUuid: app.place.authority,
      authorityInstanceName: 'issuing',
      enabledProtocols: [],
      customAttributes: [],
      attributes: [{ name: 'settings', contentType: 'object', content: [{ data: settings }] }],
    })
    expect((await app.world.profile('web')).rules.issue).toEqual([])
  })

  it('are listed, all or the enabled ones, and below their authority', async () => {
    const { app } = used
    const uuid = await made('listed')
    const uuids = async (path: string) => (await app.call('get', path)).json.map((one: { uuid: string }) => one.uuid)
    expect(await uuids('/v1/raProfiles')).toContain(uuid)
    expect(await uuids('/v1/raProfiles?enabled=false')).toContain(uuid)
    expect(await uuids('/v1/raProfiles?enabled=true')).not.toContain(uuid)
    expect(await uuids(below())).toContain(uuid)
    expect((await app.call('get', '/v1/raProfiles?enabled=maybe')).status).toBe(400)
  })

  it('are changed, enabled and disabled, one and many', async () => {
    const { app } = used
    const uuid = await made('moving')
    const one = `${below()}/${uuid}`
    const by = app.admin
    const edited = await app.call('put', one, {
      by,
      body: { description: 'new', attributes: setting({ repeatWindow: '1h' }) },
    })
    expect(edited.json).toMatchObject({ description: 'new', name: 'moving' })
    const kept = await app.call('put', one, { by, body: { attributes: [], enabled: true } })
    expect(kept.json).toMatchObject({
      enabled: true,
      description: 'new',
      attributes: [{ content: [{ data: { repeatWindow: '1h' } }] }],
    })
    const enabled = async () => (await app.call('get', one)).json.enabled
    for (const [path, body, is] of [
      [`${one}/disable`, undefined, false],
      [`${one}/enable`, undefined, true],
      ['/v1/raProfiles/disable', [uuid, uuid], false],
      ['/v1/raProfiles/enable', [uuid], true],
    ] as const) {
      expect((await app.call('patch', path, { by, body })).status).toBe(204)
      expect(await enabled()).toBe(is)
    }
  })

  it('say how their certificates are validated', async () => {
    const { app } = used
    const uuid = await made('validated')
    const path = `${below()}/${uuid}/validation`
    const { json } = await app.call('patch', path, { by: app.admin, body: { enabled: true, frequency: 7 } })
    expect(json.certificateValidationSettings).toEqual({ enabled: true, frequency: 7, expiringThreshold: 30 })
    expect((await app.call('patch', path, { by: app.admin, body: { frequency: 0 } })).status).toBe(422)
    expect((await app.call('patch', path, { body: { enabled: false } })).status).toBe(403)
  })

  it('name what clients fill in, also one that was written down as {}', async () => {
    const { app } = used
    await app.world.save('bare', { protocols: { ra: {} } })
    const { uuid } = await app.world.profile('bare')
    const issue = await app.call('get', `${below()}/${uuid}/attributes/issue`)
    expect(issue.json.map(({ name }: { name: string }) => name)).toEqual(['validity'])
    expect((await app.call('get', `${below()}/${uuid}/attributes/revoke`)).json).toEqual([])
    expect((await app.call('get', `${below()}/${uuid}/complianceProfiles`)).json).toEqual([])
  })

  it('are deleted while nothing was ordered over them, and their name is free again', async () => {
    const { app } = used
    const by = app.admin
    const first = await made('gone')
    expect((await app.call('delete', `${below()}/${first}`, { by })).status).toBe(204)
    expect((await app.call('get', `/v1/raProfiles/${first}`)).status).toBe(404)
    const second = await made('gone')
    expect((await app.call('delete', `/v1/raProfiles/${second}`, { by })).status).toBe(204)
    const third = await made('gone')
    expect((await app.call('delete', '/v1/raProfiles', { by, body: [third] })).status).toBe(204)
    expect((await app.call('delete', `/v1/raProfiles/${third}`, { by })).status).toBe(404)
  })
})

describe('RA profiles refuse', () => {
  it('to be deleted once something was ordered: disable it instead', async () => {
    const { app } = used
    const { path, profile } = await app.save('ordered')
    const csr = await newCsr(['x.test'], { subject: { CN: 'x.test' } })
    await app.call('post', `${path}/certificates`, { body: { request: csr.der.toString('base64'), attributes: [] } })
    const answer = await app.call('delete', `/v1/raProfiles/${profile}`, { by: app.admin })
    expect(answer.status).toBe(422)
    expect(answer.json[0]).toContain('disable it instead')
  })

  it.each([
    ['a name that stands in no URL', { name: 'Not A Slug', attributes: [] }, 422],
    ['a name that is taken', { name: 'rest', attributes: [] }, 409],
    ['no name', { attributes: [] }, 422],
    ['no attributes', { name: 'fine' }, 422],
    ['an attribute that nobody knows', { name: 'fine', attributes: [{ name: 'endEntityProfile' }] }, 422],
    ['settings that are no object', { name: 'fine', attributes: setting('x') }, 422],
    ['settings that mean nothing', { name: 'fine', attributes: setting({ certificate: { colour: 'red' } }) }, 422],
    ['custom attributes', { name: 'fine', attributes: [], customAttributes: [{ name: 'a' }] }, 422],
    ['a name that is a number', { name: 7, attributes: [] }, 400],
  ])('%s', async (_, body, status) => {
    const { app } = used
    expect((await app.call('post', below(), { by: app.admin, body })).status).toBe(status)
  })

  it('who may not manage', async () => {
    const { app } = used
    const one = `${below()}/${app.place.profile}`
    const body = { name: 'mine', attributes: [] }
    for (const [method, path, sent] of [
      ['post', below(), { body }],
      ['put', one, { body: { attributes: [], description: 'x' } }],
      ['delete', one, {}],
      ['patch', `${one}/disable`, {}],
      ['patch', '/v1/raProfiles/disable', { body: [app.place.profile] }],
      ['patch', `${one}/protocols/est/activate`, {}],
      ['patch', `${one}/protocols/scep/deactivate`, {}],
    ] as const)
      expect([path, (await app.call(method, path, sent)).status]).toEqual([path, 403])
  })

  it('another organization, another authority, and what is not there, alike', async () => {
    const { app } = used
    const one = `${below()}/${app.place.profile}`
    const foreign = one.replace(app.place.authority, NONE)
    for (const tail of [
      '',
      '/attributes/issue',
      '/approvalProfiles',
      '/caCertificates',
      '/protocols/acme',
      '/protocols/est',
    ]) {
      const answers = await Promise.all([
        app.call('get', `${one}${tail}`, { by: app.stranger }),
        app.call('get', `${foreign}${tail}`),
        app.call('get', `${one.replace(app.place.profile, NONE)}${tail}`),
      ])
      for (const { status, json } of answers) {
        expect([tail, status]).toEqual([tail, 404])
        expect(json).toEqual(answers[0]?.json)
      }
    }
    expect((await app.call('get', '/v1/raProfiles', { by: app.stranger })).json).toEqual([])
    const disabled = await app.call('patch', `${one}/disable`, { by: app.stranger })
    expect(disabled.status).toBe(404)
  })
})

describe('authorities', () => {
  it('are listed and shown, with the certificates above', async () => {
    const { app } = used
    const all = await app.call('get', '/v1/authorities')
    expect(all.json.map(({ name }: { name: string }) => name)).toEqual(['issuing', 'root'])
    const one = `/v1/authorities/${app.place.authority}`
    expect((await app.call('get', one)).json).toMatchObject({ name: 'issuing', kind: 'local', status: 'connected' })
    const chain = await app.call('get', `${one}/caCertificates`)
    expect(chain.json.map(({ subjectType }: { subjectType: string }) => subjectType)).toEqual([
      'intermediateCa',
      'rootCa',
    ])
    expect(await app.call('get', `${below()}/${app.place.profile}/caCertificates`)).toMatchObject({ json: chain.json })
  })

  it('are disabled by who manages them only, and seen by their organization only', async () => {
    const { app } = used
    const one = `/v1/authorities/${app.place.authority}`
    expect((await app.call('patch', `${one}/disable`)).status).toBe(403)
    expect((await app.call('get', one, { by: app.stranger })).status).toBe(404)
    expect((await app.call('get', '/v1/authorities', { by: app.stranger })).json).toEqual([])
    expect((await app.call('patch', `${one}/disable`, { by: app.admin })).status).toBe(204)
    expect((await app.call('get', one)).json.status).toBe('disabled')
    expect((await app.call('patch', `${one}/enable`, { by: app.admin })).status).toBe(204)
  })
})
