import { describe, expect, it } from 'vitest'
import { defaultRules } from '../../src/core/profile/defaultRules.ts'
import { useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const PATH = (name: string) => `/v1/countersign/raProfiles/${name}/simulate`

describe('simulate', () => {
  it('says which rule decides, who may approve, and what the certificate would be', async () => {
    const { app } = used
    await app.save('asked', { rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] } })
    const before = await app.call('get', '/v1/countersign/signRequests', { by: app.admin })
    const { json, status } = await app.call('post', PATH('asked'), {
      body: { names: 'DNS:a.test', subject: 'CN=a.test' },
    })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      refused: [],
      certificate: { subject: 'CN=a.test', identifiers: [{ type: 'dns', value: 'a.test' }], type: 'server' },
      decision: { outcome: 'require', rule: 'a person looks', steps: [{ quorum: 1, mayApprove: ['approver'] }] },
    })
    const after = await app.call('get', '/v1/countersign/signRequests', { by: app.admin })
    expect(after.json).toEqual(before.json)
  })

  it('agrees with what then happens', async () => {
    const { app } = used
    const { path } = await app.save('agrees', { rules: defaultRules })
    const request = (await newCsr(['b.test'])).der.toString('base64')
    const { json } = await app.call('post', PATH('agrees'), { body: { request } })
    const ordered = await app.call('post', `${path}/certificates`, { body: { request, attributes: [] } })
    const detail = await app.call('get', `/v1/countersign/signRequests/${ordered.json.uuid}`)
    expect(json.decision.rule).toBe(detail.json.review.rule)
    expect(json.decision.steps[0].mayApprove).toEqual(detail.json.review.mayApprove)
  })

  it('asks for somebody else, for who manages the profile', async () => {
    const { app } = used
    await app.save('others', { rules: defaultRules })
    const body = { names: 'DNS:c.test', validated: true, requester: { kind: 'acme-account', name: 'web' } }
    expect((await app.call('post', PATH('others'), { body })).status).toBe(403)
    const { json } = await app.call('post', PATH('others'), { body, by: app.admin })
    expect(json.decision).toMatchObject({ outcome: 'auto', rule: 'proved names' })
  })

  it('names what policy refuses', async () => {
    const { app } = used
    await app.save('inside', { settings: { certificate: { names: { dns: ['.inside.test'] } } } })
    const { json } = await app.call('post', PATH('inside'), { body: { names: 'DNS:outside.test' } })
    expect(json.refused).toMatchObject([{ policy: 'names' }])
    expect(json.decision).toBeUndefined()
  })

  it('of a revocation', async () => {
    const { app } = used
    const { path } = await app.save('revoking', {
      rules: { issue: [{ name: 'x', auto: true }], renew: [], rekey: [], revoke: waits, export: [] },
    })
    const request = (await newCsr(['d.test'])).der.toString('base64')
    const { json } = await app.call('post', `${path}/certificates`, { body: { request, attributes: [] } })
    const body = { action: 'revoke', certificate: json.uuid, reason: 'superseded' }
    const answer = await app.call('post', PATH('revoking'), { body })
    expect(answer.json.decision).toMatchObject({ outcome: 'require', rule: 'a person looks' })
    expect((await app.call('post', PATH('revoking'), { body: { action: 'revoke' } })).status).toBe(422)
  })

  it('is refused from elsewhere, without rights, and without anything to look at', async () => {
    const { app } = used
    const nobody = await app.person('nobody')
    const body = { names: 'DNS:e.test' }
    expect((await app.call('post', PATH('rest'), { body, by: app.stranger })).status).toBe(404)
    expect((await app.call('post', PATH('rest'), { body, by: nobody })).status).toBe(403)
    expect((await app.call('post', PATH('rest'), { body: {} })).status).toBe(422)
    expect((await app.call('post', PATH('none'), { body })).status).toBe(404)
  })
})
