import { beforeAll, describe, expect, it } from 'vitest'
import { auto, type Place, useRaApp } from '../helpers/raApp.ts'

/** What becomes of keys that the server holds. */

describe('keys', () => {
  const rest = useRaApp()
  let profile: string
  let keys: string
  let number = 0

  beforeAll(async () => {
    const { app } = rest
    const [{ uuid: store }] = (await app.call('get', '/v1/tokens')).json
    const attributes = [{ name: 'keySpecs', content: [{ data: 'P-256' }] }]
    const body = { name: 'web', enabled: true, attributes }
    const at = `/v1/tokens/${store}/tokenProfiles`
    profile = (await app.call('post', at, { by: app.admin, body })).json.uuid
    keys = `${at}/${profile}/keys/keyPair`
  })

  async function key(more: object = {}) {
    const body = { name: `key ${++number}`, attributes: [], enabled: true, ...more }
    return (await rest.app.call('post', keys, { by: rest.app.admin, body })).json
  }

  const issue = (keyUuid: string, { place = rest.app.place }: { place?: Place } = {}) => {
    const csrAttributes = [{ name: 'subjectAltName', content: [{ data: 'DNS:a.test' }] }]
    const body = { attributes: [], keyUuid, tokenProfileUuid: profile, csrAttributes }
    return rest.app.call('post', `${place.path}/certificates`, { body, by: rest.app.admin })
  }
  const detail = async (uuid: string) => (await rest.app.call('get', `/v1/certificates/${uuid}`)).json
  const act = (place: Place, uuid: string, verb: string, body: object) =>
    rest.app.call('post', `${place.path}/certificates/${uuid}/${verb}`, { body, by: rest.app.admin })

  it('say what has become of them, and what policy found: of both items, in every place', async () => {
    const { app } = rest
    const revoke = (uuid: string, more = {}) =>
      act(app.place, uuid, 'revoke', { attributes: [], reason: 'keyCompromise', ...more })
    const turn = (uuid: string, verb: string) => app.call('patch', `/v1/keys/${uuid}/${verb}`, { by: app.admin })
    const shown = async (uuid: string) => {
      const { json } = await app.call('get', `/v1/keys/${uuid}`)
      const [first, second] = json.items
      expect([second.state, second.complianceStatus]).toEqual([first.state, json.complianceStatus])
      return [first.state, first.complianceStatus, first.enabled]
    }
    const { uuid } = await key({ enabled: false })
    expect(await shown(uuid)).toEqual(['pre-active', 'not_checked', false])
    await turn(uuid, 'enable')
    expect(await shown(uuid)).toEqual(['active', 'not_checked', true])
    const ordered = (await issue(uuid)).json.uuid
    expect(await shown(uuid)).toEqual(['active', 'ok', true])
    await turn(uuid, 'disable')
    expect(await shown(uuid)).toEqual(['deactivated', 'ok', false])
    await turn(uuid, 'enable')
    expect((await revoke(ordered)).status).toBe(204)
    expect(await shown(uuid)).toEqual(['compromised', 'ok', true])
    expect((await detail(ordered)).key.items[0].state).toBe('compromised')
    expect((await issue(uuid)).status).toBe(422)
    expect((await turn(uuid, 'destroy')).status).toBe(204)
    expect(await shown(uuid)).toEqual(['compromisedDestroyed', 'ok', true])
    const settings = { certificate: { keys: { ec: ['P-384'] } }, enforcement: { keyAlgorithm: 'soft' } }
    const place = await app.save('other-keys', { settings, rules: { issue: auto } })
    const odd = await key()
    expect((await issue(odd.uuid, { place })).status).toBe(200)
    expect(await shown(odd.uuid)).toEqual(['active', 'nok', true])
    const { json: enums } = await app.call('get', '/v1/enums')
    expect(Object.keys(enums.KeyState)).toContain('compromisedDestroyed')
    expect(Object.keys(enums.KeyType)).toEqual(['Secret', 'Public', 'Private', 'Split'])
  })
})
