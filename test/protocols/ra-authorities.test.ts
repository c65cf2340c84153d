import { describe, expect, it } from 'vitest'
import { useRaApp } from '../helpers/raApp.ts'

const used = useRaApp()
const ALL = '/v1/countersign/authorities'

describe('authorities', () => {
  it('are made below another, shown, switched off, and prepared for their next key', async () => {
    const { app } = used
    const draft = {
      kind: 'local',
      name: 'branch',
      parent: 'root',
      subject: 'CN=Branch CA',
      validity: '5y',
      pathLength: 0,
    }
    const made = await app.call('post', ALL, { by: app.admin, body: draft })
    expect(made.status).toBe(201)
    expect(made.headers.get('location')).toBe(`/api${ALL}/branch`)
    expect(made.json).toMatchObject({ name: 'branch', kind: 'local', subject: 'CN=Branch CA', enabled: true })
    const shown = await app.call('get', `${ALL}/branch`, { by: app.admin })
    expect(shown.json.pem.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    const off = await app.call('patch', `${ALL}/branch`, { by: app.admin, body: { enabled: false } })
    expect(off.json.enabled).toBe(false)
    const path = `${ALL}/branch/rollover`
    expect((await app.call('get', path, { by: app.admin })).status).toBe(404)
    expect((await app.call('post', path, { by: app.admin, body: { key: 'P-384' } })).status).toBe(201)
    expect((await app.call('post', path, { by: app.admin, body: {} })).status).toBe(409)
    expect((await app.call('post', `${path}/cancel`, { by: app.admin })).status).toBe(200)
  })

  it.each([
    ['a kind that is none', { kind: 'magic', name: 'x' }, 400],
    ['a field that nobody knows', { kind: 'manual', name: 'x', pem: 'x', colour: 'red' }, 422],
    ['PEM that is none', { kind: 'manual', name: 'x', pem: 'x' }, 400],
    ['a name that is taken', { kind: 'local', name: 'root', subject: 'CN=x', validity: '1y' }, 409],
    ['a subject that cannot be read', { kind: 'local', name: 'odd', subject: 'what', validity: '1y' }, 400],
    ['a length of time that is none', { kind: 'local', name: 'odd', subject: 'CN=x', validity: 'ever' }, 422],
  ])('are refused with %s', async (_, body, status) => {
    const { app } = used
    expect((await app.call('post', ALL, { by: app.admin, body })).status).toBe(status)
  })

  it('are not made by who lacks create_ca, and not seen from elsewhere', async () => {
    const { app } = used
    const body = { kind: 'local', name: 'mine', subject: 'CN=x', validity: '1y', parent: 'root' }
    expect((await app.call('post', ALL, { body })).status).toBe(403)
    expect((await app.call('get', `${ALL}/issuing`, { by: app.stranger })).status).toBe(404)
    expect((await app.call('patch', `${ALL}/issuing`, { by: app.stranger, body: { enabled: false } })).status).toBe(404)
    expect((await app.call('get', ALL, { by: app.stranger })).json.authorities).toEqual([])
  })
})

describe('challenges and credentials', () => {
  it('are made once, listed without their secrets, and revoked', async () => {
    const { app } = used
    const body = { profile: 'default', identifiers: { dns: ['printer.test'] }, uses: 2 }
    const made = await app.call('post', '/v1/countersign/challenges', { by: app.admin, body })
    expect(made.json.challenge).toMatch(/^[0-9a-fA-F]{32}$/)
    const listed = await app.call('get', '/v1/countersign/challenges?profile=default', { by: app.admin })
    expect(listed.text).not.toContain(made.json.challenge)
    expect(listed.json.challenges[0]).toMatchObject({ uuid: made.json.uuid, uses: 2 })
    const path = `/v1/countersign/challenges/${made.json.uuid}`
    expect((await app.call('delete', path, { by: app.stranger })).status).toBe(404)
    expect((await app.call('delete', path, { by: app.admin })).status).toBe(204)
    expect((await app.call('delete', path, { by: app.admin })).status).toBe(404)
  })

  it('of the kind eab have a key for ACME clients', async () => {
    const { app } = used
    const body = { kind: 'eab', profile: 'default', singleUse: true, note: 'web team' }
    const made = await app.call('post', '/v1/countersign/credentials', { by: app.admin, body })
    expect(made.status).toBe(201)
    expect(Buffer.from(made.json.secret, 'base64url')).toHaveLength(64)
    const listed = await app.call('get', '/v1/countersign/credentials?kind=eab', { by: app.admin })
    expect(listed.json.credentials).toMatchObject([{ note: 'web team' }])
    expect(listed.text).not.toContain(made.json.secret)
    expect((await app.call('post', '/v1/countersign/credentials', { body })).status).toBe(403)
    const path = `/v1/countersign/credentials/${made.json.uuid}`
    expect((await app.call('delete', path, { by: app.admin })).status).toBe(204)
  })
})
