import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { system } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { networkOf } from '../../src/pki/ip.ts'
import { nameText } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { createRaApp, doorOf, type RaApp, useRaApp, waits } from '../helpers/raApp.ts'
import { autoRules, certificateIn, decide, password, pkcs10, setUpLegacy, waitingFor } from '../helpers/raLegacy.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()

describe('issue', () => {
  it('answers with the certificate at once: the key of the CSR, the subject and names of the end entity', async () => {
    const { issue, status } = await setUpLegacy(used.app, 'plain')
    const csr = await newCsr(['intruder.test'], { subject: { CN: 'intruder.test' } })
    const { status: code, json } = await issue(csr.der.toString('base64'))
    expect(code).toBe(200)
    expect(Object.keys(json)).toEqual(['certificateData'])
    const read = readCertificate(Buffer.from(json.certificateData, 'base64'))
    expect(read.publicKey.spkiHash).toBe(csr.publicKey.spkiHash)
    expect(nameText(read.subject)).toContain('CN=device.test')
    expect((await certificateIn(used.app, json.certificateData)).identifiers).toEqual([
      { type: 'dns', value: 'device.test' },
    ])
    expect(await status()).toBe('GENERATED')
  })

  it('certifies the whole subject where the profile lets it be chosen', async () => {
    const settings = { certificate: { overrides: ['subject'] } }
    const { issue } = await setUpLegacy(used.app, 'chosen', { settings })
    const { json } = await issue(await pkcs10())
    expect(nameText(readCertificate(Buffer.from(json.certificateData, 'base64')).subject)).toBe(
      'CN=device.test,O=Field',
    )
  })

  it('answers the same key with the same certificate, and another key with 400', async () => {
    const { issue } = await setUpLegacy(used.app, 'once')
    const csr = await pkcs10()
    const first = await issue(csr)
    expect((await issue(csr)).json).toEqual(first.json)
    const other = await issue(await pkcs10())
    expect([other.status, other.json.message]).toEqual([400, expect.stringContaining('was used')])
  })

  it('in KEY_RECOVERY is for the key that had a certificate, and for no other', async () => {
    const { app } = used
    const { endEntity, issue, status } = await setUpLegacy(app, 'recovered', {}, app.admin)
    const set = (to: string, by = app.admin) => {
      const names = { subjectDN: 'CN=device.test,O=Field', subjectAltName: 'DNS:device.test' }
      return app.call('post', endEntity, { by, body: { raProfile: { name: 'recovered' }, ...names, status: to } })
    }
    expect((await set('KEY_RECOVERY')).json[0]).toContain('has none')
    const [mine, other] = [await pkcs10(), await pkcs10()]
    const first = await issue(mine)
    expect(await status()).toBe('GENERATED')
    expect((await set('KEY_RECOVERY', app.operator)).status).toBe(403)
    expect([(await set('KEY_RECOVERY')).status, await status()]).toEqual([200, 'KEY_RECOVERY'])
    expect((await issue(other)).json.message).toContain('KEY_RECOVERY')
    const again = await issue(mine)
    expect([again.status, await status()]).toEqual([200, 'GENERATED'])
    expect(again.json).not.toEqual(first.json)
    expect((await issue(mine)).json).toEqual(again.json)
    expect((await issue(other)).status).toBe(400)
    // An order of that round that came to nothing opens no way for another key.
    await set('KEY_RECOVERY')
    await app.save('recovered', { rules: { ...autoRules, issue: waits } })
    expect((await issue(mine)).status).toBe(400)
    await decide(app, (await waitingFor(app, 'sign', 'recovered'))[0], 'deny')
    expect(await status()).toBe('FAILED')
    expect((await issue(other)).json.message).toContain('KEY_RECOVERY')
    await set('NEW')
    expect((await issue(other)).json.message).toContain('waits for approval')
    expect([(await set('KEY_RECOVERY')).status, (await set('HISTORICAL')).status]).toEqual([422, 200])
  })

  it('who added an end entity and has create_cert alone does not set KEY_RECOVERY', async () => {
    const { app } = used
    const { endEntity, issue } = await setUpLegacy(app, 'kept')
    expect((await issue(await pkcs10())).status).toBe(200)
    const names = { subjectDN: 'CN=device.test,O=Field', subjectAltName: 'DNS:device.test' }
    const body = { raProfile: { name: 'kept' }, ...names, status: 'KEY_RECOVERY' }
    expect((await app.call('post', endEntity, { body })).status).toBe(403)
    const { organizationId } = await app.world.profile('kept')
    const change = { actor: system('test'), at: app.world.time.now }
    const to = { userId: app.operator.id }
    await transaction(app.world.it.db, (db) =>
      grantCapability(db, change, { capability: 'export_private_key', to, organizationId }),
    )
    expect((await app.call('post', endEntity, { body })).status).toBe(200)
  })

  it('waits for people with 400, and the same call succeeds when they have approved', async () => {
    const { issue, status } = await setUpLegacy(used.app, 'asked', { rules: { ...autoRules, issue: waits } })
    const csr = await pkcs10()
    const first = await issue(csr)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect(await status()).toBe('IN_PROCESS')
    expect((await issue(csr)).json).toEqual(first.json)
    expect((await issue(await pkcs10())).json.message).toContain('another key')
    const [row, more] = await waitingFor(used.app, 'sign')
    expect(more).toBeUndefined()
    await decide(used.app, row, 'approve')
    expect((await issue(csr)).status).toBe(200)
    expect(await status()).toBe('GENERATED')
  })

  it('says why it was denied; another key may ask anew', async () => {
    const { issue, status } = await setUpLegacy(used.app, 'denied', { rules: { ...autoRules, issue: waits } })
    const csr = await pkcs10()
    await issue(csr)
    await decide(used.app, (await waitingFor(used.app, 'sign'))[0], 'deny')
    const again = await issue(csr)
    expect([again.status, again.json.message]).toEqual([400, expect.stringContaining('not this one')])
    expect(await status()).toBe('FAILED')
    expect((await issue(await pkcs10())).json.message).toContain('waits for approval')
    await decide(used.app, (await waitingFor(used.app, 'sign'))[0], 'deny')
  })

  it('an edit withdraws what waits', async () => {
    const { issue, status, endEntity } = await setUpLegacy(used.app, 'edited', {
      rules: { ...autoRules, issue: waits },
    })
    const csr = await pkcs10()
    await issue(csr)
    const [row] = await waitingFor(used.app, 'sign')
    const body = { raProfile: {}, status: 'HISTORICAL', subjectDN: 'CN=device.test' }
    expect((await used.app.call('post', endEntity, { body })).status).toBe(200)
    expect(await waitingFor(used.app, 'sign')).toEqual([])
    expect((await doorOf(used.app, used.app.admin).list.request(row?.uuid ?? '')).status).toBe('canceled')
    expect(await status()).toBe('HISTORICAL')
    expect((await issue(csr)).json.message).toContain('HISTORICAL')
  })

  it('whoever added the end entity does not approve what another orders with it', async () => {
    const adder = await used.app.person('adder', { capabilities: ['create_cert', 'approve', 'read'] })
    const step = [{ name: 'two may', require: [{ users: ['adder', 'approver'] }] }]
    const { issue } = await setUpLegacy(used.app, 'behind', { rules: { ...autoRules, issue: step } }, adder)
    const csr = await pkcs10()
    expect((await issue(csr)).status).toBe(400)
    const [row] = await waitingFor(used.app, 'sign')
    await expect(decide(used.app, row, 'approve', adder)).rejects.toMatchObject({ code: 'forbidden' })
    await decide(used.app, row, 'approve')
    expect((await issue(csr)).status).toBe(200)
  })

  it('stores what a policy refuses, and says what is wrong', async () => {
    const settings = { certificate: { keys: { rsa: null, ec: ['P-384'] } } }
    const { issue, status } = await setUpLegacy(used.app, 'strict', { settings })
    const refused = await issue(await pkcs10())
    expect([refused.status, refused.json.message]).toEqual([400, expect.stringContaining('P-384')])
    expect(await status()).toBe('FAILED')
    const good = await newCsr([], { key: 'P-384' })
    expect((await issue(good.der.toString('base64'))).status).toBe(200)
  })
})

describe.each(databases)('calls at once on $name', ({ open }) => {
  let app: RaApp
  let close = async () => {}
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    app = await createRaApp(opened.db)
    const body = { raProfile: {}, password, subjectDN: 'CN=device.test', subjectAltName: 'DNS:device.test' }
    for (const username of ['one', 'two', 'three'])
      await app.call('post', '/v1/operations/rest/endentity', { body: { ...body, username } })
  })
  afterAll(() => close())

  const issue = (username: string, pkcs10: string) =>
    app.call('post', '/v1/operations/rest/certificate/issue', { body: { username, password, pkcs10 } })

  it('with one key get one certificate', async () => {
    const csr = await pkcs10()
    const answers = await Promise.all([issue('one', csr), issue('one', csr), issue('one', csr)])
    // While one call has it signed, the others may be told to come again.
    for (const { status, json } of answers)
      if (status !== 200) expect([status, json.message]).toEqual([400, expect.stringContaining('being signed')])
    const later = await issue('one', csr)
    expect(later.status).toBe(200)
    const given = answers.filter(({ status }) => status === 200).map(({ json }) => json.certificateData)
    expect(new Set(given)).toEqual(new Set([later.json.certificateData]))
  })

  it('with three keys get one certificate, and the others are told', async () => {
    const keys = await Promise.all([pkcs10(), pkcs10(), pkcs10()])
    const answers = await Promise.all(keys.map((key) => issue('two', key)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400])
  })

  it('of which one deletes the end entity leave no valid certificate behind', async () => {
    const csr = await pkcs10()
    const path = '/v1/operations/rest/endentity/three'
    const [issued] = await Promise.all([issue('three', csr), app.call('delete', path)])
    const again = await app.call('delete', path)
    expect([200, 404]).toContain(again.status)
    if (issued.status !== 200) return
    const der = Buffer.from(issued.json.certificateData, 'base64')
    const found = await doorOf(app, app.admin).findCertificate({ fingerprint: fingerprint(der) })
    expect(found?.status).toBe('revoked')
  })
})

describe('issue refuses', () => {
  it('a wrong password and an unknown name alike', async () => {
    const { issue, status } = await setUpLegacy(used.app, 'guess')
    const csr = await pkcs10()
    const wrong = await issue(csr, { password: 'wrong horse' })
    const unknown = await issue(csr, { username: 'nobody' })
    expect(wrong.status).toBe(400)
    expect(unknown).toMatchObject({ status: wrong.status, text: wrong.text })
    expect(await status()).toBe('NEW')
  })

  /** All but one of what an hour allows was wrong before. */
  const almostAll = async (profile: string, bucket: { limit: string; key: string; rate: string; cost: number }) => {
    const { id: profileId } = await used.app.world.profile(profile)
    const { limits } = doorOf(used.app, used.app.admin)
    await transaction(used.app.host.db, (db) => limits.take(db, { ...bucket, profileId, what: 'guesses' }))
  }

  it('the eleventh guess at a name, known or not, also with the right password, until it is reset', async () => {
    const { issue, endEntity } = await setUpLegacy(used.app, 'guessed')
    const csr = await pkcs10()
    for (const username of ['device', 'nobody']) {
      await almostAll('guessed', { limit: 'enrolment.failuresByName', key: username, rate: '10/1h', cost: 9 })
      const tries = []
      for (const _ of [10, 11]) tries.push((await issue(csr, { username, password: 'wrong horse' })).status)
      expect(tries).toEqual([400, 429])
    }
    const right = await issue(csr)
    expect([right.status, Number(right.headers.get('retry-after')) > 0]).toEqual([429, true])
    expect((await used.app.call('put', `${endEntity}/resetPassword`)).status).toBe(200)
    expect((await issue(csr)).status).toBe(200)
  })

  it('the sixty-first guess from one address, whatever the name', async () => {
    const { issue } = await setUpLegacy(used.app, 'sprayed')
    const key = networkOf('192.0.2.7')
    await almostAll('sprayed', { limit: 'enrolment.failuresBySource', key, rate: '60/1h', cost: 59 })
    const csr = await pkcs10()
    expect((await issue(csr, { username: 'first' })).status).toBe(400)
    expect((await issue(csr, { username: 'second' })).status).toBe(429)
    expect((await issue(csr)).status).toBe(429)
  })

  it('who lacks create_cert before it looks at a password, and who is of another organization', async () => {
    const { issue } = await setUpLegacy(used.app, 'closed')
    const csr = await pkcs10()
    expect((await issue(csr, {}, used.app.approver)).status).toBe(403)
    expect((await issue(csr, {}, used.app.stranger)).status).toBe(404)
  })

  it.each([
    ['no CSR', { pkcs10: undefined }, 422],
    ['what is no CSR', { pkcs10: 'AAAA' }, 400],
    ['no username', { username: '' }, 422],
    ['a number for a password', { password: 7 }, 400],
    ['a password of a thousand characters and one', { password: 'x'.repeat(1001) }, 422],
    ['a password of 900 characters', { password: 'x'.repeat(900) }, 400],
    ['a NUL in the username', { username: 'a\0' }, 422],
  ])('%s', async (_, more, status) => {
    const body = { username: 'device', password, pkcs10: await pkcs10(), ...more }
    expect((await used.app.call('post', '/v1/operations/rest/certificate/issue', { body })).status).toBe(status)
  })
})
