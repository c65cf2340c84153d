import { beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { auto, type Place, useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** What an RA profile asks of certificate requests: what clients fill in, and what they bring. */

const used = useRaApp()
let place: Place
let one: string

beforeAll(async () => {
  const { app } = used
  const subject = Object.fromEntries(['CN', 'O', 'OU'].map((type) => [type, `{csr.${type}}`]))
  const settings = { certificate: { subject } }
  place = await app.save('asking', { settings, rules: { issue: auto } })
  one = `/v1/authorities/${place.authority}/raProfiles/${place.profile}`
})

const change = (body: unknown, by = used.app.admin) => used.app.call('patch', `${one}/requestAttributes`, { by, body })
const organization = {
  name: 'organization',
  contentType: 'string',
  content: [{ data: 'Shop' }, { data: 'Bank' }],
  properties: { label: 'Company', required: true, list: true },
}
const unit = { name: 'organizationalUnit', content: [{ data: 'Web' }], properties: { readOnly: true } }
const name = { name: 'commonName', constraints: [{ type: 'regExp', data: '[a-z.]+', errorMessage: 'small letters' }] }

describe('the request attributes of an RA profile', () => {
  it('are told with the profile, and asked of whoever has a request made', async () => {
    const { app } = used
    const plain = {
      requestAttributes: [],
      mergeMode: 'merge',
      valueSourceBindings: [],
      externalCsrValidationStrict: false,
    }
    expect((await app.call('get', one)).json.certificateRequestAttributes).toEqual(plain)
    const asked = async (mergeMode: string) => {
      const { status, json } = await change({ requestAttributes: [organization, unit, name], mergeMode })
      expect([status, json.certificateRequestAttributes?.mergeMode]).toEqual([200, mergeMode])
      const { json: all } = await app.call('get', `/v1/certificates/csr/attributes?raProfileUuid=${place.profile}`)
      return all
    }
    expect(await asked('merge')).toHaveLength(7)
    const all = await asked('staticOnly')
    expect(all.map((one: { name: string }) => one.name)).toEqual(['commonName', 'organizationalUnit', 'organization'])
    expect(all[2]).toMatchObject({
      content: [{ data: 'Shop' }, { data: 'Bank' }],
      properties: { label: 'Company', required: true, list: true },
    })
    const { json } = await change({ mergeMode: 'merge' })
    expect(json.certificateRequestAttributes.requestAttributes).toHaveLength(3)
    expect(json.description).toBe('')
  })

  it('hold for what a key of the server signs: defaults and what is fixed come with it', async () => {
    const { app } = used
    const by = app.admin
    await change({ requestAttributes: [organization, unit, name], mergeMode: 'merge' })
    const [{ uuid: store }] = (await app.call('get', '/v1/tokens')).json
    const profiles = `/v1/tokens/${store}/tokenProfiles`
    const attributes = [{ name: 'keySpecs', content: [{ data: 'P-256' }] }]
    const made = await app.call('post', profiles, { by, body: { name: 'web', enabled: true, attributes } })
    const tokenProfileUuid = made.json.uuid
    const body = { name: 'key', attributes: [], enabled: true }
    const key = await app.call('post', `${profiles}/${tokenProfileUuid}/keys/keyPair`, { by, body })
    const order = (values: Record<string, string>) => {
      const csrAttributes = Object.entries(values).map(([name, data]) => ({ name, content: [{ data }] }))
      const body = { attributes: [], keyUuid: key.json.uuid, tokenProfileUuid, csrAttributes }
      return app.call('post', `${place.path}/certificates`, { by, body })
    }
    const names = { commonName: 'a.test', subjectAltName: 'DNS:a.test' }
    expect((await order(names)).json).toEqual(['Attribute organization is required'])
    expect((await order({ ...names, organization: 'Other' })).json[0]).toMatch(/one of Shop, Bank/)
    expect((await order({ ...names, organization: 'Shop', organizationalUnit: 'Mail' })).json[0]).toMatch(/fixed/)
    expect((await order({ ...names, organization: 'Shop', commonName: 'A' })).json[0]).toMatch(/small letters/)
    const { status, json } = await order({ ...names, organization: 'Shop' })
    expect(status).toBe(200)
    const { subject } = readCertificate(Buffer.from(json.certificateData, 'base64'))
    expect(nameText(subject).split(',').sort()).toEqual(['CN=a.test', 'O=Shop', 'OU=Web'])
  })

  it('hold for requests that clients bring where they are strict, and not where they are not', async () => {
    const { app } = used
    const order = async (subject: Record<string, string>) => {
      const request = (await newCsr(['b.test'], { subject })).der.toString('base64')
      return app.call('post', `${place.path}/certificates`, { body: { request, attributes: [] } })
    }
    await change({ requestAttributes: [organization, unit, name], externalCsrValidationStrict: false })
    expect((await order({ CN: 'b.test' })).status).toBe(200)
    await change({ externalCsrValidationStrict: true })
    expect((await order({ CN: 'b.test' })).json).toEqual(['Attribute organization is required'])
    expect((await order({ CN: 'b.test', O: 'Other' })).status).toBe(422)
    expect((await order({ CN: 'b.test', O: 'Shop', OU: 'Mail' })).status).toBe(422)
    expect((await order({ CN: 'b.test', O: 'Shop', OU: 'Web' })).status).toBe(200)
    await change({ mergeMode: 'staticOnly' })
    expect((await order({ CN: 'b.test', O: 'Shop', OU: 'Web' })).json).toEqual([
      'Attribute subjectAltName is not known here',
    ])
    await change({ requestAttributes: [], mergeMode: 'merge', externalCsrValidationStrict: false })
  })

  it.each([
    ['a name that requests do not have', { requestAttributes: [{ name: 'colour' }] }, 422],
    ['the same name twice', { requestAttributes: [name, name] }, 422],
    ['another content type', { requestAttributes: [{ ...name, contentType: 'integer' }] }, 422],
    ['several values', { requestAttributes: [{ ...name, properties: { multiSelect: true } }] }, 422],
    ['a mapping', { requestAttributes: [{ ...name, fieldMapping: { fieldType: 'rdn' } }] }, 422],
    ['a source of values', { requestAttributes: [{ ...name, valueSource: { type: 'collection' } }] }, 422],
    ['bindings', { valueSourceBindings: [{ attributeName: 'commonName' }] }, 422],
    [
      'a fixed one without its value',
      { requestAttributes: [{ name: 'country', properties: { readOnly: true } }] },
      422,
    ],
    [
      'an expression that is none',
      { requestAttributes: [{ ...name, constraints: [{ type: 'regExp', data: '(' }] }] },
      422,
    ],
    ['an unknown mode', { mergeMode: 'all' }, 400],
  ])('are refused with %s', async (_, body, status) => {
    const before = (await used.app.call('get', one)).json
    expect((await change(body)).status).toBe(status)
    expect((await used.app.call('get', one)).json).toEqual(before)
  })

  it.each([
    ['of the whole', { mergMode: 'merge' }, 'mergMode'],
    [
      'of an attribute',
      { requestAttributes: [{ ...name, contenttype: 'string' }] },
      'Attribute commonName: contenttype',
    ],
    [
      'of a property',
      { requestAttributes: [{ ...name, properties: { requird: true } }] },
      'Attribute commonName: properties.requird',
    ],
    [
      'of a constraint',
      { requestAttributes: [{ ...name, constraints: [{ type: 'regExp', data: '.', error: 'x' }] }] },
      'Attribute commonName: constraints.error',
    ],
    [
      'of a value',
      { requestAttributes: [{ ...name, content: [{ data: 'x', dta: 'y' }] }] },
      'Attribute commonName: content.dta',
    ],
    [
      'that nothing here heeds',
      { requestAttributes: [{ ...name, attributeCallback: { callbackMethod: 'GET' } }] },
      'Attribute commonName: attributeCallback',
    ],
  ])('are refused with a name %s that is none, and it is said', async (_, body, told) => {
    const before = (await used.app.call('get', one)).json
    const { status, json } = await change(body)
    expect([status, json]).toEqual([422, [expect.stringContaining(told)]])
    expect((await used.app.call('get', one)).json).toEqual(before)
  })

  it('are taken back as they are shown', async () => {
    const set = { requestAttributes: [organization, unit, name], mergeMode: 'staticOnly' }
    const shown = (await change(set)).json.certificateRequestAttributes
    expect(shown.requestAttributes).toHaveLength(3)
    const again = await change(shown)
    expect([again.status, again.json.certificateRequestAttributes]).toEqual([200, shown])
    const more = { schemaVersion: 'v3', fieldMapping: null, valueSource: null, attributeCallback: null }
    const requestAttributes = shown.requestAttributes.map((each: object) => ({ ...each, ...more }))
    expect((await change({ requestAttributes })).status).toBe(200)
    await change({ requestAttributes: [], mergeMode: 'merge' })
  })

  it('are for who has manage, and kept with REST alone', async () => {
    const { app } = used
    expect((await change({ mergeMode: 'merge' }, app.operator)).status).toBe(403)
    expect((await change({ mergeMode: 'merge' }, app.stranger)).status).toBe(404)
    await app.world.save('elsewhere-only', { protocols: { acme: {} } })
    const { uuid } = await app.world.profile('elsewhere-only')
    const path = `/v1/authorities/${place.authority}/raProfiles/${uuid}/requestAttributes`
    expect((await app.call('patch', path, { by: app.admin, body: {} })).status).toBe(422)
  })
})
