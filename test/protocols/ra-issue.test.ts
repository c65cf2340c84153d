import { describe, expect, it } from 'vitest'
import { pemEncode } from '../../src/pki/pem.ts'
import { alternatives, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()

const order = async (name: string, more: Record<string, unknown> = {}) => {
  const csr = await newCsr([name], { subject: { CN: name } })
  return { request: csr.der.toString('base64'), attributes: [], ...more }
}

describe('issue', () => {
  it('answers with the certificate, and its detail says issued', async () => {
    const { app } = used
    const answer = await app.call('post', `${app.place.path}/certificates`, { body: await order('one.test') })
    expect(answer.status).toBe(200)
    const detail = await app.call('get', `/v1/certificates/${answer.json.uuid}`)
    expect(detail.json).toMatchObject({
      state: 'issued',
      commonName: 'one.test',
      certificateContent: answer.json.certificateData,
      subjectAlternativeNames: { dNSName: ['one.test'] },
      raProfile: { uuid: app.place.profile, authorityInstanceUuid: app.place.authority },
    })
  })

  it.each([
    ['PEM', (der: Buffer) => pemEncode('CERTIFICATE REQUEST', der)],
    ['base64 of PEM', (der: Buffer) => Buffer.from(pemEncode('CERTIFICATE REQUEST', der)).toString('base64')],
    ['base64 of DER in lines', (der: Buffer) => der.toString('base64').replace(/.{64}/g, '$&\r\n')],
  ])('takes the request as %s', async (_, write) => {
    const { app } = used
    const { der } = await newCsr(['form.test'])
    const body = { request: write(der), attributes: [] }
    expect((await app.call('post', `${app.place.path}/certificates`, { body })).status).toBe(200)
  })

  it('takes the names of authority and profile in the path, and their uuids in capitals', async () => {
    const { app } = used
    const { authority, profile } = app.place
    for (const path of [
      '/v2/operations/authorities/issuing/raProfiles/rest/certificates',
      `/v2/operations/authorities/${authority.toUpperCase()}/raProfiles/${profile.toUpperCase()}/certificates`,
    ])
      expect((await app.call('post', path, { body: await order('named.test') })).status).toBe(200)
  })

  it('waits where the rules ask a person, and says so', async () => {
    const { app } = used
    const { path } = await app.save('waiting', {
      rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] },
    })
    const answer = await app.call('post', `${path}/certificates`, { body: await order('two.test') })
    expect(answer.json.certificateData).toBe('')
    const detail = await app.call('get', `/v1/certificates/${answer.json.uuid}`)
    expect(detail.json.state).toBe('pending_approval')
    const canceled = await app.call('post', `${path}/certificates/${answer.json.uuid}/cancel`, {
      body: { reason: 'no need' },
    })
    expect(canceled.json).toMatchObject({ state: 'failed', statusMessage: 'no need' })
    const again = await app.call('post', `${path}/certificates/${answer.json.uuid}/cancel`)
    expect(again.json).toEqual(['Cannot cancel: certificate is not in a pending state. Current state: failed'])
  })

  it('gives the same record to the same Idempotency-Key, and another to another user', async () => {
    const { app } = used
    const body = await order('again.test')
    const headers = { 'idempotency-key': 'k1' }
    const once = await app.call('post', `${app.place.path}/certificates`, { body, headers })
    const twice = await app.call('post', `${app.place.path}/certificates`, { body, headers })
    const other = await app.call('post', `${app.place.path}/certificates`, { body, headers, by: app.admin })
    expect(twice.json).toEqual(once.json)
    const another = { ...(await order('another.test')) }
    const refused = await app.call('post', `${app.place.path}/certificates`, { body: another, headers })
    expect([refused.status, refused.json]).toEqual([422, [expect.stringContaining('Idempotency-Key')]])
    expect(other.json.uuid).not.toBe(once.json.uuid)
  })

  it('stores what a policy refuses as rejected, with what is wrong', async () => {
    const { app } = used
    const { path } = await app.save('narrow', { settings: { certificate: { names: { dns: ['.inside.test'] } } } })
    const answer = await app.call('post', `${path}/certificates`, { body: await order('outside.test') })
    const detail = await app.call('get', `/v1/certificates/${answer.json.uuid}`)
    expect(detail.json.state).toBe('rejected')
    expect(detail.json.statusMessage).toContain('outside.test')
  })
})

describe('issue refuses', () => {
  it.each([
    ['no token', { by: null }, 401],
    ['a token that nobody has', { by: `cs_${'a'.repeat(43)}` }, 401],
    ['no JSON', { raw: '{' }, 400],
    ['a list', { body: [] }, 400],
    ['no request', { body: { attributes: [] } }, 422],
    ['no attributes', { body: { request: 'AAAA' } }, 422],
    ['an unknown format', { body: { request: 'AAAA', format: 'spkac', attributes: [] } }, 400],
    ['a request that is none', { body: { request: 'AAAA', attributes: [] } }, 400],
    ['text that is no base64', { body: { request: '%%%', attributes: [] } }, 400],
    ['a form', { raw: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['octets that are no UTF-8', { raw: Buffer.from([0x22, 0xff, 0x22]) }, 400],
    ['a body over 1 MiB', { raw: Buffer.alloc(2 ** 20 + 1, 0x20) }, 413],
    ['ten thousand attributes', { body: { request: 'AAAA', attributes: new Array(10_000).fill({ name: 'a' }) } }, 422],
  ])('%s', async (_, sent, status) => {
    const { app } = used
    expect((await app.call('post', `${app.place.path}/certificates`, sent)).status).toBe(status)
  })

  it.each(alternatives)('an alternative key or how it would sign: %o', async (more) => {
    const { app } = used
    const answer = await app.call('post', `${app.place.path}/certificates`, { body: await order('two.test', more) })
    expect([answer.status, answer.json[0]]).toEqual([
      422,
      expect.stringMatching(/^Alternative keys .* leave altKeyUuid/),
    ])
  })

  it('a profile of another organization, another authority, and what is no uuid: alike', async () => {
    const { app } = used
    const body = await order('x.test')
    const asked = [
      app.call('post', `${app.place.path}/certificates`, { body, by: app.stranger }),
      app.call('post', `${app.place.path.replace(app.place.authority, app.place.profile)}/certificates`, { body }),
      app.call('post', `${app.place.path.replace(app.place.profile, '%00')}/certificates`, { body }),
    ]
    for (const { status } of await Promise.all(asked)) expect(status).toBe(404)
  })

  it('a request that names nobody, before anybody is asked', async () => {
    const { app } = used
    const body = { request: (await newCsr([])).der.toString('base64'), attributes: [] }
    const { status, json } = await app.call('post', `${app.place.path}/certificates`, { body })
    expect([status, json.message]).toEqual([400, expect.stringContaining('names nobody')])
  })

  it('who lacks create_cert', async () => {
    const { app } = used
    const { status, json } = await app.call('post', `${app.place.path}/certificates`, {
      body: await order('y.test'),
      by: app.approver,
    })
    expect(status).toBe(403)
    expect(json.message).toContain('create_cert')
  })
})

describe('revoke', () => {
  it('revokes, case does not matter in the reason, and a second time is refused', async () => {
    const { app } = used
    const { json } = await app.call('post', `${app.place.path}/certificates`, { body: await order('gone.test') })
    const path = `${app.place.path}/certificates/${json.uuid}/revoke`
    const body = { reason: 'SUPERSEDED', attributes: [] }
    expect((await app.call('post', path, { body: { reason: 'bored', attributes: [] } })).status).toBe(400)
    expect((await app.call('post', path, { body })).status).toBe(204)
    expect((await app.call('get', `/v1/certificates/${json.uuid}`)).json.state).toBe('revoked')
    expect((await app.call('post', path, { body })).json).toEqual([
      'Cannot perform operation revoke on certificate in state revoked',
    ])
  })

  it('shows pending_approval while people have to decide', async () => {
    const { app } = used
    const rules = { issue: [{ name: 'a', auto: true }], renew: [], rekey: [], revoke: waits, export: [] }
    const { path } = await app.save('careful', { rules })
    const { json } = await app.call('post', `${path}/certificates`, { body: await order('kept.test') })
    expect(
      (await app.call('post', `${path}/certificates/${json.uuid}/revoke`, { body: { attributes: [] } })).status,
    ).toBe(204)
    expect((await app.call('get', `/v1/certificates/${json.uuid}`)).json.state).toBe('pending_approval')
  })
})

describe('the document', () => {
  it('is OpenAPI 3.1 and names every operation once', async () => {
    const { app } = used
    const { json } = await app.call('get', '/openapi.json', { by: null })
    expect(json.openapi).toMatch(/^3\.1\./)
    const ids = Object.values(json.paths as Record<string, Record<string, { operationId: string }>>).flatMap((path) =>
      Object.values(path).map(({ operationId }) => operationId),
    )
    expect(new Set(ids).size).toBe(ids.length)
    expect((await app.call('get', '/docs', { by: null })).text).toContain('/api/v1/certificates/{uuid}')
  })

  it('answers a wrong method with 400 and an unknown path with 404', async () => {
    const { app } = used
    expect((await app.call('delete', '/v1/info')).status).toBe(400)
    expect((await app.call('get', '/v1/nothing')).status).toBe(404)
    expect((await app.call('get', '//v1/info')).status).toBe(200)
  })
})
