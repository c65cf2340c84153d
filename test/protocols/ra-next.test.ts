import { describe, expect, it } from 'vitest'
import { nameOf } from '../../src/pki/name.ts'
import { buildCrmf } from '../helpers/cmc.ts'
import { ecKey } from '../helpers/csrs.ts'
import { alternatives, doorOf, useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** What renew and rekey take besides a PKCS #10. */

const used = useRaApp()

const crmf = (host: string, key: ReturnType<typeof ecKey>) => ({
  request: buildCrmf({
    key,
    subject: nameOf({ CN: host }),
    identifiers: [{ type: 'dns', value: host }],
  }).toString('base64'),
  format: 'crmf',
  attributes: [],
})
const post = (path: string, body: object, by = used.app.operator) =>
  used.app.call('post', `${used.app.place.path}/certificates${path}`, { body, by })
const detail = async (uuid: string) => (await used.app.call('get', `/v1/certificates/${uuid}`)).json

describe('the next certificate', () => {
  it('is ordered by CRMF: of the same key to renew, of another to rekey', async () => {
    const key = ecKey()
    const { uuid } = (await post('', crmf('crmf.test', key))).json
    const other = crmf('crmf.test', ecKey())
    const renewed = await post(`/${uuid}/renew`, crmf('crmf.test', key))
    const rekeyed = await post(`/${uuid}/rekey`, other)
    for (const { json } of [renewed, rekeyed])
      expect(await detail(json.uuid)).toMatchObject({
        state: 'issued',
        sourceCertificateUuid: uuid,
        certificateRequest: { certificateRequestFormat: 'crmf' },
      })
    expect((await post(`/${uuid}/renew`, other)).status).toBe(422)
    expect((await post(`/${uuid}/rekey`, crmf('crmf.test', key))).status).toBe(422)
    // Without a format it is pkcs10.
    expect((await post(`/${uuid}/rekey`, { ...other, format: undefined })).status).toBe(400)
  })

  it('takes the place in locations with a rekey too, where that is asked', async () => {
    const { inventory } = doorOf(used.app, used.app.admin)
    const { uuid: location } = await inventory.locations.add({ name: 'web', kind: 'folder', settings: { path: 'web' } })
    const csr = async () => (await newCsr(['moved.test'], { subject: { CN: 'moved.test' } })).der.toString('base64')
    const { uuid } = (await post('', { request: await csr(), attributes: [] })).json
    await inventory.associate(uuid, { location, entry: 'site' })
    const beside = await post(`/${uuid}/rekey`, { request: await csr() })
    const next = await post(`/${uuid}/rekey`, { request: await csr(), replaceInLocations: true })
    expect((await detail(beside.json.uuid)).locations).toEqual([])
    expect((await detail(next.json.uuid)).locations).toMatchObject([
      { uuid: location, certificates: [{ entry: 'site' }] },
    ])
  })

  it('of a key that is held here is asked for by the digest that signatureAttributes name', async () => {
    const { app } = used
    const keeper = await app.person('keeper', { capabilities: ['manage', 'create_cert', 'read'] })
    const store = (await app.call('get', '/v1/tokens')).json[0].uuid
    const attributes = [{ name: 'keySpecs', content: [{ data: 'P-256' }, { data: 'RSA-2048' }] }]
    const profile = { name: 'rsa', enabled: true, attributes }
    const made = await app.call('post', `/v1/tokens/${store}/tokenProfiles`, { by: app.admin, body: profile })
    const keys = `/v1/tokens/${store}/tokenProfiles/${made.json.uuid}/keys/keyPair`
    let keysMade = 0
    const key = async (spec: string): Promise<{ keyUuid: string; tokenProfileUuid: string }> => {
      const { json } = await app.call('post', keys, {
        by: keeper,
        body: {
          name: `${spec} ${++keysMade}`,
          attributes: [{ name: 'keySpec', content: [{ data: spec }] }],
          enabled: true,
        },
      })
      return { keyUuid: json.uuid, tokenProfileUuid: made.json.uuid }
    }
    const csrAttributes = [
      { name: 'commonName', content: [{ data: 'digest.test' }] },
      { name: 'subjectAltName', content: [{ data: 'DNS:digest.test' }] },
    ]
    const { uuid } = (await post('', { ...(await key('P-256')), csrAttributes, attributes: [] }, keeper)).json
    const signatureAttributes = [{ name: 'data_sigDigest', content: [{ data: 'SHA-384' }] }]
    const two = await key('RSA-2048')
    const next = await post(`/${uuid}/rekey`, { ...two, signatureAttributes }, keeper)
    expect([next.status, next.text]).toEqual([200, next.text])
    expect((await detail(next.json.uuid)).certificateRequest).toMatchObject({
      keyUuid: two.keyUuid,
      signatureAlgorithm: 'sha384WithRSAEncryption',
      subjectDn: 'CN=digest.test',
    })
    const asked = [{ name: 'data_sigDigest', content: [{ data: 'SHA-384' }] }]
    expect((await detail(next.json.uuid)).certificateRequest.signatureAttributes).toMatchObject([
      ...asked,
      { name: 'data_rsaSigScheme', content: [{ data: 'PKCS1-v1_5' }] },
    ])
    // Nothing said: as the request before, by a new key and by one that is named; EC has no choice.
    for (const use of [{}, await key('RSA-2048')]) {
      const { json } = await post(`/${next.json.uuid}/rekey`, use, keeper)
      const { signatureAttributes } = (await detail(json.uuid)).certificateRequest
      expect(signatureAttributes.slice(0, 1)).toMatchObject(asked)
    }
    const { json } = await post(`/${next.json.uuid}/rekey`, await key('P-256'), keeper)
    expect((await detail(json.uuid)).certificateRequest).toMatchObject({
      signatureAlgorithm: 'ecdsa-with-SHA256',
      signatureAttributes: [],
    })
  })

  it.each(alternatives)('refuses an alternative key or how it would sign: %o', async (more) => {
    const csr = async () => (await newCsr(['second.test'], { subject: { CN: 'second.test' } })).der.toString('base64')
    const { uuid } = (await post('', { request: await csr(), attributes: [] })).json
    const request = await csr()
    const answer = await post(`/${uuid}/rekey`, { request, ...more })
    expect([answer.status, answer.json[0]]).toEqual([
      422,
      expect.stringMatching(/^Alternative keys .* leave altKeyUuid/),
    ])
    expect((await post(`/${uuid}/rekey`, { request })).status).toBe(200)
  })
})

describe('every operation on a certificate', () => {
  it('is asked for at the profile over which it was ordered, by who may see it', async () => {
    const { app } = used
    const csr = async () => (await newCsr(['own.test'], { subject: { CN: 'own.test' } })).der.toString('base64')
    const { uuid } = (await post('', { request: await csr(), attributes: [] })).json
    const beside = await app.save('beside')
    const body = { request: await csr(), certificate: 'MAA=', attributes: [] }
    for (const verb of ['issue', 'issue/finalize', 'renew', 'rekey', 'revoke', 'revoke/confirm', 'cancel']) {
      const at = (path: string, of: string) => `${path}/certificates/${of}/${verb}`
      const status = async (path: string, by = app.operator) => (await app.call('post', path, { body, by })).status
      expect([verb, await status(at(beside.path, uuid))]).toEqual([verb, 422])
      expect([verb, await status(at(app.place.path, crypto.randomUUID()))]).toEqual([verb, 404])
      expect([verb, await status(at(app.place.path, uuid), app.stranger)]).toEqual([verb, 404])
    }
    expect((await detail(uuid)).state).toBe('issued')
    expect((await post(`/${uuid}/revoke`, {})).status).toBe(204)
    expect((await detail(uuid)).state).toBe('revoked')
  })
})
