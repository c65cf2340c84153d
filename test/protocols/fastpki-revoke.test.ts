import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { reasonIn } from '../../protocols/fastpki/revocationReason.ts'
import { forgetServerKeys } from '../../src/core/key/serverKeyForget.ts'
import { doorOf, everything, type FastpkiApp, server, useFastpkiApp } from '../helpers/fastpkiApp.ts'

const used = useFastpkiApp()

const waits = [{ name: 'a person looks', require: [{ users: ['approver'] }] }]
const denied = [{ name: 'never', when: 'true', deny: 'not on a Sunday' }]

async function ordered(app: FastpkiApp, name: string, by = app.operator): Promise<{ id: number; certificate: string }> {
  const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server(name), by })
  expect(status).toBe(201)
  return json
}

describe('revoke', () => {
  it('revokes at once, with the reason that the words mean, and keeps the words', async () => {
    const { app } = used
    const { id } = await ordered(app, 'gone.test')
    const { status, json } = await app.call('post', `/certificates/${id}/revoke`, {
      body: { reason: 'Key compromise' },
    })
    expect({ status, json }).toMatchObject({
      status: 200,
      json: { id, status: 'revoked', revoked_at: expect.any(String) },
    })
    const certificate = await doorOf(app, app.admin).findCertificate({ id })
    expect(certificate?.revocationReason).toBe('keyCompromise')
    const door = doorOf(app, app.admin)
    const { rows } = await door.list.requests({ kind: 'revoke' })
    const { comments } = await door.approvals.review('revoke', rows[0]?.uuid ?? '')
    expect(comments).toMatchObject([{ user: 'operator', text: 'Key compromise' }])
  })

  it('takes no body, no reason, and words that mean none', async () => {
    const { app } = used
    for (const sent of [{}, { body: {} }, { body: { reason: null } }, { body: { reason: 'because' } }]) {
      const { id } = await ordered(app, 'plain.test')
      expect((await app.call('post', `/certificates/${id}/revoke`, sent)).status).toBe(200)
      expect((await doorOf(app, app.admin).findCertificate({ id }))?.revocationReason ?? 'unspecified').toBe(
        'unspecified',
      )
    }
  })

  it('is 409 the second time', async () => {
    const { app } = used
    const { id } = await ordered(app, 'twice.test')
    await app.call('post', `/certificates/${id}/revoke`)
    const again = await app.call('post', `/certificates/${id}/revoke`)
    expect(again).toMatchObject({ status: 409, json: { detail: 'Certificate is already revoked' } })
  })

  it('of many at once passes once', async () => {
    const { app } = used
    const { id } = await ordered(app, 'race.test')
    const all = await Promise.all(Array.from({ length: 8 }, () => app.call('post', `/certificates/${id}/revoke`)))
    const statuses = all.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(1)
    expect(statuses.every((status) => status === 200 || status === 202 || status === 409)).toBe(true)
    expect((await app.call('get', `/certificates/${id}`)).json.status).toBe('revoked')
  })

  it('that waits is 202, and the certificate valid until somebody has decided', async () => {
    const { app } = used
    const { id } = await ordered(app, 'waits.test')
    const approver = await app.person('approver', { capabilities: ['approve', 'read'] })
    await app.save('shop', { rules: { ...everything, revoke: waits } })
    const asked = await app.call('post', `/certificates/${id}/revoke`, { body: { reason: 'stolen' } })
    expect(asked).toMatchObject({ status: 202, json: { status: 'valid', revoked_at: null } })
    expect((await app.call('post', `/certificates/${id}/revoke`)).status).toBe(409)
    const door = doorOf(app, approver)
    const { rows } = await door.list.requests({ kind: 'revoke', status: 'requested' })
    const uuid = rows[0]?.uuid ?? ''
    const { hash, comments } = await door.approvals.review('revoke', uuid)
    expect(comments).toMatchObject([{ text: 'stolen' }])
    await door.approvals.vote('revoke', uuid, { verdict: 'approve', hash })
    await app.save('shop')
    expect((await app.call('get', `/certificates/${id}`)).json.status).toBe('revoked')
  })

  it('that the rules deny is 403 with their reason, and the certificate stays valid', async () => {
    const { app } = used
    const { id } = await ordered(app, 'denied.test')
    await app.save('shop', { rules: { ...everything, revoke: denied } })
    const asked = await app.call('post', `/certificates/${id}/revoke`)
    await app.save('shop')
    expect(asked).toMatchObject({ status: 403, json: { detail: expect.stringContaining('not on a Sunday') } })
    expect((await app.call('get', `/certificates/${id}`)).json.status).toBe('valid')
  })

  it.each([
    ['a number as reason', { body: { reason: 1 } }, 422],
    ['a list', { body: [] }, 422],
    ['no JSON', { raw: '{' }, 422],
    ['a reason of a megabyte', { body: { reason: 'x'.repeat(2 ** 19) } }, 422],
  ])('refuses %s', async (_, sent, status) => {
    const { app } = used
    const { id } = await ordered(app, 'stays.test')
    expect((await app.call('post', `/certificates/${id}/revoke`, sent)).status).toBe(status)
    expect((await app.call('get', `/certificates/${id}`)).json.status).toBe('valid')
  })
})

describe('the order of permissions', () => {
  const onlyCapable = [
    { name: 'own', when: 'grounds == "account"', auto: true },
    { name: 'capable', when: 'grounds == "user" && capable', auto: true },
    { name: 'nobody else', when: 'true', deny: 'not yours' },
  ]

  it('superuser, creator, other organization, administrator, reader, capability: in turn', async () => {
    const { app } = used
    await app.save('shop', { rules: { ...everything, revoke: onlyCapable } })
    const creator = await app.person('creator', { capabilities: ['create_cert', 'read'] })
    const expected = {
      superuser: [await app.person('far-super', { superuser: true, organization: 'elsewhere' }), 200, 200, 200],
      creator: [creator, 200, 200, 200],
      'administrator elsewhere': [app.stranger, 404, 404, 404],
      administrator: [await app.person('boss', { admin: true }), 200, 200, 200],
      reader: [await app.person('reading', { capabilities: ['read'] }), 200, 403, 403],
      revoker: [await app.person('revoking', { capabilities: ['read', 'revoke_cert'] }), 200, 403, 200],
      exporter: [await app.person('exporting', { capabilities: ['read', 'export_private_key'] }), 200, 200, 403],
      member: [await app.person('nothing'), 200, 403, 403],
    } as const
    for (const [who, [by, ...statuses]] of Object.entries(expected)) {
      const { id } = await ordered(app, 'mine.test', creator)
      const seen = [
        await app.call('get', `/certificates/${id}`, { by }),
        await app.call('get', `/certificates/${id}/private-key`, { by }),
        await app.call('post', `/certificates/${id}/revoke`, { by }),
      ]
      expect([who, ...seen.map(({ status }) => status)]).toEqual([who, ...statuses])
    }
    await app.save('shop')
  })
})

describe('an order that waits', () => {
  it('is 202 with its id and no certificate; approved, its creator gets the key once', async () => {
    const { app } = used
    const decider = await app.person('decider', { capabilities: ['approve', 'read'] })
    await app.save('shop', {
      rules: { ...everything, issue: [{ name: 'a person looks', require: [{ users: ['decider'] }] }] },
    })
    const asked = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('later.test') })
    expect(asked).toMatchObject({
      status: 202,
      json: { status: 'pending', certificate: null, serial_number: null, private_key: null, common_name: 'later.test' },
    })
    const { id } = asked.json
    expect(await app.call('get', `/certificates/${id}`)).toMatchObject({ status: 202, json: { id, certificate: null } })
    expect((await app.call('get', `/certificates/${id}/private-key`)).status).toBe(409)
    expect((await app.call('post', `/certificates/${id}/revoke`)).status).toBe(409)
    expect((await app.call('get', `/export/certificate/${id}`)).status).toBe(409)
    const door = doorOf(app, decider)
    const { hash } = await door.approvals.review('sign', id)
    await door.approvals.vote('sign', id, { verdict: 'approve', hash })
    await app.save('shop')
    const { status, json } = await app.call('get', `/certificates/${id}/private-key`)
    expect(status).toBe(200)
    const spki = createPublicKey(createPrivateKey(json.private_key)).export({ type: 'spki', format: 'der' })
    expect(spki.equals(new X509Certificate(json.certificate).publicKey.export({ type: 'spki', format: 'der' }))).toBe(
      true,
    )
    app.world.time.pass(11 * 60_000)
    const later = await app.call('get', `/certificates/${id}/private-key`)
    expect(later).toMatchObject({ status: 403, json: { detail: expect.stringContaining('export_private_key') } })
    const exported = await app.call('get', `/certificates/${id}/private-key`, { by: app.admin })
    expect(exported.json.private_key).toBe(json.private_key)
    const { rows } = await doorOf(app, app.admin).list.audit({ action: 'server_key.' })
    expect(rows.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['server_key.made', 'server_key.delivered', 'server_key.exported']),
    )
  })

  it('has its key kept while its certificate is good, and forgotten where there is none', async () => {
    const { app } = used
    const decider = await app.person('late-decider', { capabilities: ['approve', 'read'] })
    const issue = [{ name: 'a person looks', require: [{ users: ['late-decider'] }] }]
    await app.save('shop', { rules: { ...everything, issue } })
    const asked = { body: server('late.test', { valid_days: 200 }) }
    const kept = await app.call('post', `/certificates/?ca_id=${app.ca}`, asked)
    const refused = await app.call('post', `/certificates/?ca_id=${app.ca}`, asked)
    const door = doorOf(app, decider)
    for (const [{ json }, verdict] of [[kept, 'approve'] as const, [refused, 'deny'] as const]) {
      const { hash } = await door.approvals.review('sign', json.id)
      await door.approvals.vote('sign', json.id, { verdict, hash, reason: 'no' })
    }
    await app.save('shop')
    app.world.time.pass(91 * 86_400_000)
    expect(await forgetServerKeys(app.world.it)).toBeGreaterThanOrEqual(1)
    const exported = await app.call('get', `/certificates/${kept.json.id}/private-key`, { by: app.admin })
    expect(exported).toMatchObject({ status: 200, json: { private_key: expect.stringContaining('PRIVATE KEY') } })
  })

  it('that the rules deny is 403 with their reason', async () => {
    const { app } = used
    await app.save('shop', { rules: { ...everything, issue: denied } })
    const asked = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('no.test') })
    await app.save('shop')
    expect(asked).toMatchObject({ status: 403, json: { detail: expect.stringContaining('not on a Sunday') } })
  })

  it('under a profile that keeps no keys, the key is gone with the answer', async () => {
    const { app } = used
    await app.save('shop', { options: { keepKeys: false } })
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('forgets.test') })
    expect(json.private_key).toContain('BEGIN PRIVATE KEY')
    const { status } = await app.call('get', `/certificates/${json.id}/private-key`, { by: app.admin })
    await app.save('shop')
    expect(status).toBe(404)
  })

  it('under a profile that keeps no keys, its creator gets the key all the same, and nobody else later', async () => {
    const { app } = used
    const decider = await app.person('third-decider', { capabilities: ['approve', 'read'] })
    const issue = [{ name: 'a person looks', require: [{ users: ['third-decider'] }] }]
    const options = { keepKeys: false }
    await app.save('shop', { options, rules: { ...everything, issue } })
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('waits.test') })
    const door = doorOf(app, decider)
    const { hash } = await door.approvals.review('sign', json.id)
    await door.approvals.vote('sign', json.id, { verdict: 'approve', hash })
    const by = app.admin
    expect((await app.call('get', `/certificates/${json.id}/private-key`, { by })).status).toBe(404)
    const taken = await app.call('get', `/certificates/${json.id}/private-key`)
    app.world.time.pass(11 * 60_000)
    const later = await app.call('get', `/certificates/${json.id}/private-key`, { by })
    await app.save('shop')
    expect(taken).toMatchObject({ status: 200, json: { private_key: expect.stringContaining('PRIVATE KEY') } })
    expect(later.status).toBe(404)
  })
})

describe('the reason in a text', () => {
  it.each([
    ['Key compromise', 'keyCompromise'],
    ['keyCompromise', 'keyCompromise'],
    ['KEY_COMPROMISE', 'keyCompromise'],
    ['the key was stolen', 'keyCompromise'],
    ['CA compromise', 'cACompromise'],
    ['cACompromise', 'cACompromise'],
    ['Affiliation changed', 'affiliationChanged'],
    ['superseded by a new one', 'superseded'],
    ['Replaced', 'superseded'],
    ['cessation of operation', 'cessationOfOperation'],
    ['server decommissioned', 'cessationOfOperation'],
    ['privilege withdrawn', 'privilegeWithdrawn'],
    ['aACompromise', 'aACompromise'],
    ['the key was not compromised', undefined],
    ['certificateHold', undefined],
    ['', undefined],
    ['monkey compromises', 'keyCompromise'],
  ])('%s', (text, reason) => expect(reasonIn(text)).toBe(reason))
})
