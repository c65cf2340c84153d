import { describe, expect, it } from 'vitest'
import { generateKey } from '../../src/core/key.ts'
import { defaultRules } from '../../src/core/profile/defaultRules.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { auto, doorOf, type Person, type Place, useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()

type Key = ReturnType<typeof generateKey>

async function csrOf(key: Key, name: string, more: { cn?: string } = {}): Promise<string> {
  const identifiers = [{ type: 'dns' as const, value: name }]
  const der = await writeCsr({ subject: nameOf({ CN: more.cn ?? name }), identifiers }, signerFor(key))
  return parsePkcs10(der).der.toString('base64')
}

async function issued(place: Place, name: string, by?: Person): Promise<{ uuid: string; key: Key }> {
  const key = generateKey('P-256')
  const body = { request: await csrOf(key, name), attributes: [] }
  const answer = await used.app.call('post', `${place.path}/certificates`, { body, ...(by ? { by } : {}) })
  return { uuid: answer.json.uuid, key }
}

async function stateOf(uuid: string): Promise<string> {
  return (await used.app.call('get', `/v1/certificates/${uuid}`)).json.state
}

describe('renew', () => {
  it('takes the kept request, or another one of the same key; the old certificate stays', async () => {
    const { app } = used
    const { uuid, key } = await issued(app.place, 'renewed.test')
    const path = `${app.place.path}/certificates/${uuid}/renew`
    const kept = await app.call('post', path)
    const given = await app.call('post', path, { body: { request: await csrOf(key, 'renewed.test') } })
    for (const { json } of [kept, given]) {
      const detail = await app.call('get', `/v1/certificates/${json.uuid}`)
      expect(detail.json).toMatchObject({ state: 'issued', sourceCertificateUuid: uuid, commonName: 'renewed.test' })
    }
    expect(await stateOf(uuid)).toBe('issued')
  })

  it('refuses another key, and what is not issued', async () => {
    const { app } = used
    const { uuid } = await issued(app.place, 'other.test')
    const path = `${app.place.path}/certificates/${uuid}`
    const body = { request: await csrOf(generateKey('P-256'), 'other.test') }
    expect((await app.call('post', `${path}/renew`, { body })).status).toBe(422)
    await app.call('post', `${path}/revoke`, { body: { attributes: [] } })
    expect((await app.call('post', `${path}/renew`)).json).toEqual([
      'Cannot perform operation renew on certificate in state revoked',
    ])
  })
})

describe('certificates', () => {
  it('on hold are revoked in the words of the contract, say why, and are revoked for good or issued again', async () => {
    const { app } = used
    const { uuid } = await issued(app.place, 'held.test')
    const path = `${app.place.path}/certificates/${uuid}`
    const revoke = (reason: string) => app.call('post', `${path}/revoke`, { body: { attributes: [], reason } })
    const filters = (state: string) => [
      { fieldSource: 'property', fieldIdentifier: 'CERTIFICATE_STATE', condition: 'EQUALS', value: state },
      { fieldSource: 'property', fieldIdentifier: 'COMMON_NAME', condition: 'EQUALS', value: 'held.test' },
    ]
    const found = async (state: string) =>
      (await app.call('post', '/v1/certificates', { body: { filters: filters(state) } })).json.totalItems
    expect((await revoke('certificateHold')).status).toBe(204)
    const { json } = await app.call('get', `/v1/certificates/${uuid}`)
    expect(json).toMatchObject({ state: 'revoked', statusMessage: expect.stringContaining('on hold') })
    expect((await app.call('get', `/v1/certificates/${uuid}/validate`)).json.resultStatus).toBe('revoked')
    expect([await found('revoked'), await found('issued')]).toEqual([1, 0])
    expect((await app.call('post', `${path}/renew`)).status).toBe(422)
    const { id } = (await doorOf(app, app.operator).list.record(uuid)).certificate ?? { id: 0 }
    await doorOf(app, app.operator).unhold({ certificate: id, protocol: 'ra' })
    expect(await stateOf(uuid)).toBe('issued')
    await revoke('certificateHold')
    expect((await revoke('superseded')).status).toBe(204)
    const { json: over } = await app.call('get', `/v1/certificates/${uuid}`)
    expect(over.state).toBe('revoked')
    expect(over).not.toHaveProperty('statusMessage')
    expect((await revoke('superseded')).status).toBe(422)
  })
})

describe('rekey', () => {
  it('takes another key for the same subject', async () => {
    const { app } = used
    const { uuid } = await issued(app.place, 'rekeyed.test')
    const body = { request: await csrOf(generateKey('P-256'), 'rekeyed.test') }
    const { json } = await app.call('post', `${app.place.path}/certificates/${uuid}/rekey`, { body })
    expect(await stateOf(json.uuid)).toBe('issued')
  })

  it('refuses the same key, another subject, and a certificate of another profile', async () => {
    const { app } = used
    const { uuid, key } = await issued(app.place, 'same.test')
    const path = `${app.place.path}/certificates/${uuid}/rekey`
    expect((await app.call('post', path, { body: { request: await csrOf(key, 'same.test') } })).text).toContain('key')
    const other = await csrOf(generateKey('P-256'), 'same.test', { cn: 'else.test' })
    expect((await app.call('post', path, { body: { request: other } })).text).toContain('subject')
    const { path: elsewhere } = await app.save('beside')
    const body = { request: await csrOf(generateKey('P-256'), 'same.test') }
    expect((await app.call('post', `${elsewhere}/certificates/${uuid}/rekey`, { body })).status).toBe(422)
  })

  it('under the rules of a first start asks people when the certificate is another’s, also after a renewal', async () => {
    const { app } = used
    const place = await app.save('usual', { rules: { ...defaultRules, issue: auto } })
    const thief = await app.person('thief', { capabilities: ['create_cert', 'read'] })
    const { uuid } = await issued(place, 'shop.test')
    const rekey = async (of: string) =>
      app.call('post', `${place.path}/certificates/${of}/rekey`, {
        by: thief,
        body: { request: await csrOf(generateKey('P-256'), 'shop.test') },
      })
    expect(await stateOf((await rekey(uuid)).json.uuid)).toBe('pending_approval')
    const renewal = await app.call('post', `${place.path}/certificates/${uuid}/renew`, { by: thief })
    expect(await stateOf(renewal.json.uuid)).toBe('pending_approval')
    const own = await app.call('post', `${place.path}/certificates/${uuid}/rekey`, {
      body: { request: await csrOf(generateKey('P-256'), 'shop.test') },
    })
    expect(await stateOf(own.json.uuid)).toBe('issued')
  })
})

describe('what is requested first', () => {
  it('is stored, and issued by its uuid once', async () => {
    const { app } = used
    const request = await csrOf(generateKey('P-256'), 'parked.test')
    const body = { raProfileUuid: app.place.profile, request, issueAttributes: [] }
    const parked = await app.call('post', '/v1/certificates/create', { body })
    expect(parked.json.state).toBe('requested')
    const path = `${app.place.path}/certificates/${parked.json.uuid}/issue`
    expect((await app.call('post', path)).status).toBe(200)
    expect(await stateOf(parked.json.uuid)).toBe('issued')
    expect((await app.call('post', path)).json).toEqual([
      'Certificate is not in REQUESTED state. Current state: issued',
    ])
  })

  it('is registered with a secret, and issued to who shows it with exactly those names', async () => {
    const { app } = used
    const body = {
      subjectDn: 'CN=device-1.test',
      subjectAltName: 'DNS:device-1.test',
      authorizationSecret: 'correct horse battery',
    }
    const registered = await app.call('post', `${app.place.path}/certificates/register`, { body })
    expect(registered.status).toBe(200)
    const path = `${app.place.path}/certificates/${registered.json.uuid}/issue`
    const shown = { authorizationSecret: 'correct horse battery' }
    const wrong = { ...shown, request: await csrOf(generateKey('P-256'), 'device-2.test') }
    expect((await app.call('post', path)).status).toBe(422)
    expect((await app.call('post', path, { body: wrong })).status).toBe(422)
    const request = await csrOf(generateKey('P-256'), 'device-1.test')
    expect(
      (await app.call('post', path, { body: { request, authorizationSecret: 'wrong horse battery' } })).status,
    ).toBe(403)
    expect((await app.call('post', path, { body: { request, ...shown } })).status).toBe(200)
    expect(await stateOf(registered.json.uuid)).toBe('issued')
  })

  it('is not registered with a short secret, without any name, or in the past', async () => {
    const { app } = used
    const path = `${app.place.path}/certificates/register`
    for (const body of [
      { subjectDn: 'CN=a.test', subjectAltName: 'DNS:a.test', authorizationSecret: 'short' },
      {},
      { subjectAltName: 'DNS:a.test', expiresAt: '2001-01-01T00:00:00Z' },
      { subjectAltName: 'a.test' },
      { subjectDn: 'what' },
    ])
      expect((await app.call('post', path, { body })).status).toBe(400)
  })
})
