import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSerial } from '../../protocols/ra/legacyRevoke.ts'
import { sealAudit } from '../../src/core/seal.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { fingerprint, readCertificate } from '../../src/pki/certificateReader.ts'
import { networkOf } from '../../src/pki/ip.ts'
import { nameText } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { createRaApp, doorOf, type Person, type RaApp, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const password = 'correct horse'
const everyone = [{ name: 'nobody looks', auto: true }]
const rules = { issue: everyone, renew: [], rekey: [], revoke: everyone, export: [] }

const pkcs10 = async (...names: string[]) => (await newCsr(names)).der.toString('base64')

/** A profile of its own with an end entity. */
async function setUp(profile: string, change: Parameters<typeof used.app.save>[1] = {}, by?: Person) {
  await used.app.save(profile, { rules, ...change })
  const path = `/v1/operations/${profile}`
  const body = {
    raProfile: { name: profile },
    username: 'device',
    password,
    subjectDN: 'CN=device.test,O=Field',
    subjectAltName: 'DNS:device.test',
  }
  const { status, text } = await used.app.call('post', `${path}/endentity`, { body, ...(by ? { by } : {}) })
  expect(status, text).toBe(200)
  const issue = (pkcs10: string, more: Record<string, unknown> = {}, by?: Person) =>
    used.app.call('post', `${path}/certificate/issue`, {
      body: { username: 'device', password, pkcs10, ...more },
      ...(by ? { by } : {}),
    })
  const status_ = async () => (await used.app.call('get', `${path}/endentity/device`)).json.status
  const revoke = (body: unknown, by?: Person) =>
    used.app.call('post', `${path}/certificate/revoke`, { body, ...(by ? { by } : {}) })
  return { path, issue, status: status_, revoke, endEntity: `${path}/endentity/device` }
}

const waiting = async () =>
  (await doorOf(used.app, used.app.admin).list.requests({ kind: 'sign', status: 'requested' })).rows
const decide = async (kind: 'sign' | 'revoke', ref: string, verdict: 'approve' | 'deny', by = used.app.approver) => {
  const { approvals } = doorOf(used.app, by)
  const { hash } = await approvals.review(kind, ref)
  await approvals.vote(kind, ref, { verdict, hash, reason: 'not this one' })
}
const found = async (base64: string) => {
  const der = Buffer.from(base64, 'base64')
  const certificate = await doorOf(used.app, used.app.admin).findCertificate({ fingerprint: fingerprint(der) })
  if (!certificate) throw new Error('there is no such certificate')
  return certificate
}

describe('issue', () => {
  it('answers with the certificate at once: the key of the CSR, the subject and names of the end entity', async () => {
    const { issue, status } = await setUp('plain')
    const csr = await newCsr(['intruder.test'], { subject: { CN: 'intruder.test' } })
    const { status: code, json } = await issue(csr.der.toString('base64'))
    expect(code).toBe(200)
    expect(Object.keys(json)).toEqual(['certificateData'])
    const read = readCertificate(Buffer.from(json.certificateData, 'base64'))
    expect(read.publicKey.spkiHash).toBe(csr.publicKey.spkiHash)
    expect(nameText(read.subject)).toContain('CN=device.test')
    expect((await found(json.certificateData)).identifiers).toEqual([{ type: 'dns', value: 'device.test' }])
    expect(await status()).toBe('GENERATED')
  })

  it('certifies the whole subject where the profile lets it be chosen', async () => {
    const settings = { certificate: { overrides: ['subject'] } }
    const { issue } = await setUp('chosen', { settings })
    const { json } = await issue(await pkcs10())
    expect(nameText(readCertificate(Buffer.from(json.certificateData, 'base64')).subject)).toBe(
      'CN=device.test,O=Field',
    )
  })

  it('answers the same key with the same certificate, and another key with 400', async () => {
    const { issue } = await setUp('once')
    const csr = await pkcs10()
    const first = await issue(csr)
    expect((await issue(csr)).json).toEqual(first.json)
    const other = await issue(await pkcs10())
    expect([other.status, other.json.message]).toEqual([400, expect.stringContaining('was used')])
  })

  it('waits for people with 400, and the same call succeeds when they have approved', async () => {
    const { issue, status } = await setUp('asked', { rules: { ...rules, issue: waits } })
    const csr = await pkcs10()
    const first = await issue(csr)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect(await status()).toBe('IN_PROCESS')
    expect((await issue(csr)).json).toEqual(first.json)
    expect((await issue(await pkcs10())).json.message).toContain('another key')
    const [row, more] = await waiting()
    expect(more).toBeUndefined()
    await decide('sign', row?.uuid ?? '', 'approve')
    expect((await issue(csr)).status).toBe(200)
    expect(await status()).toBe('GENERATED')
  })

  it('says why it was denied; another key may ask anew', async () => {
    const { issue, status } = await setUp('denied', { rules: { ...rules, issue: waits } })
    const csr = await pkcs10()
    await issue(csr)
    await decide('sign', (await waiting())[0]?.uuid ?? '', 'deny')
    const again = await issue(csr)
    expect([again.status, again.json.message]).toEqual([400, expect.stringContaining('not this one')])
    expect(await status()).toBe('FAILED')
    expect((await issue(await pkcs10())).json.message).toContain('waits for approval')
    await decide('sign', (await waiting())[0]?.uuid ?? '', 'deny')
  })

  it('an edit withdraws what waits', async () => {
    const { issue, status, endEntity } = await setUp('edited', { rules: { ...rules, issue: waits } })
    const csr = await pkcs10()
    await issue(csr)
    const [row] = await waiting()
    const body = { raProfile: {}, status: 'HISTORICAL', subjectDN: 'CN=device.test' }
    expect((await used.app.call('post', endEntity, { body })).status).toBe(200)
    expect(await waiting()).toEqual([])
    expect((await doorOf(used.app, used.app.admin).list.request(row?.uuid ?? '')).status).toBe('canceled')
    expect(await status()).toBe('HISTORICAL')
    expect((await issue(csr)).json.message).toContain('HISTORICAL')
  })

  it('whoever added the end entity does not approve what another orders with it', async () => {
    const adder = await used.app.person('adder', { capabilities: ['create_cert', 'approve', 'read'] })
    const step = [{ name: 'two may', require: [{ users: ['adder', 'approver'] }] }]
    const { issue } = await setUp('behind', { rules: { ...rules, issue: step } }, adder)
    const csr = await pkcs10()
    expect((await issue(csr)).status).toBe(400)
    const [row] = await waiting()
    await expect(decide('sign', row?.uuid ?? '', 'approve', adder)).rejects.toMatchObject({ code: 'forbidden' })
    await decide('sign', row?.uuid ?? '', 'approve')
    expect((await issue(csr)).status).toBe(200)
  })

  it('stores what a policy refuses, and says what is wrong', async () => {
    const settings = { certificate: { keys: { rsa: null, ec: ['P-384'] } } }
    const { issue, status } = await setUp('strict', { settings })
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
    const { issue, status } = await setUp('guess')
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
    const { issue, endEntity } = await setUp('guessed')
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
    const { issue } = await setUp('sprayed')
    const key = networkOf('192.0.2.7')
    await almostAll('sprayed', { limit: 'enrolment.failuresBySource', key, rate: '60/1h', cost: 59 })
    const csr = await pkcs10()
    expect((await issue(csr, { username: 'first' })).status).toBe(400)
    expect((await issue(csr, { username: 'second' })).status).toBe(429)
    expect((await issue(csr)).status).toBe(429)
  })

  it('who lacks create_cert before it looks at a password, and who is of another organization', async () => {
    const { issue } = await setUp('closed')
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

describe('revoke', () => {
  const issued = async (profile: string, change: Parameters<typeof used.app.save>[1] = {}) => {
    const set = await setUp(profile, change)
    const { json } = await set.issue(await pkcs10())
    const certificate = await found(json.certificateData)
    const issuer = readCertificate(certificate.der).issuer
    const current = async () => (await found(json.certificateData)).status
    return { ...set, certificate, issuerDN: nameText(issuer), current }
  }

  it('takes the serial number in many forms and the issuer as a name, and answers with nothing', async () => {
    const { revoke, certificate, issuerDN, current, status } = await issued('gone')
    const colons = certificate.serial.toUpperCase().replace(/..(?=.)/g, '$&:')
    const body = {
      certificateSN: `00:${colons}`,
      issuerDN: issuerDN.toUpperCase().replaceAll(',', ' , '),
      reason: 'superseded',
    }
    const answer = await revoke(body)
    expect([answer.status, answer.text]).toEqual([200, ''])
    expect(await current()).toBe('revoked')
    expect(await status()).toBe('REVOKED')
    const again = await revoke(body)
    expect([again.status, again.json]).toEqual([422, [expect.stringContaining('revoked already')]])
  })

  it('waits for people with 400, and the same call says then that it is done', async () => {
    const { revoke, certificate, issuerDN, current } = await issued('kept', { rules: { ...rules, revoke: waits } })
    const body = { certificateSN: certificate.serial, issuerDN, reason: 'unspecified' }
    const first = await revoke(body)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect((await revoke(body)).json).toEqual(first.json)
    const { rows } = await doorOf(used.app, used.app.admin).list.requests({ kind: 'revoke', status: 'requested' })
    expect(rows.length).toBe(1)
    await decide('revoke', rows[0]?.uuid ?? '', 'approve')
    expect(await current()).toBe('revoked')
    expect((await revoke(body)).json).toEqual([expect.stringContaining('revoked already')])
  })

  it('deleting an end entity waits for its revocations, and the same call goes on', async () => {
    const set = await issued('leaving', { rules: { ...rules, revoke: waits } })
    const first = await used.app.call('delete', set.endEntity)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect(await set.status()).toBe('REVOKED')
    expect((await set.issue(await pkcs10())).status).toBe(400)
    const { rows } = await doorOf(used.app, used.app.admin).list.requests({ kind: 'revoke', status: 'requested' })
    await decide('revoke', rows[0]?.uuid ?? '', 'approve')
    expect((await used.app.call('delete', set.endEntity)).status).toBe(200)
    expect((await used.app.call('get', set.endEntity)).status).toBe(404)
    expect(await set.current()).toBe('revoked')
  })

  it('refuses a certificate of another profile, another issuer, and what is no serial number', async () => {
    const { certificate, issuerDN, revoke, current } = await issued('own')
    const { revoke: revokeElsewhere } = await setUp('neighbour')
    const body = { certificateSN: certificate.serial, issuerDN, reason: 'superseded' }
    const asked = [
      [await revokeElsewhere(body), 404],
      [await revoke({ ...body, issuerDN: 'CN=another' }), 404],
      [await revoke({ ...body, certificateSN: '01' }), 404],
      [await revoke(body, used.app.stranger), 404],
      [await revoke({ ...body, certificateSN: 'xyz' }), 422],
      [await revoke({ ...body, issuerDN: 'no name' }), 422],
      [await revoke({ ...body, reason: 'removeFromCRL' }), 400],
      [await revoke({ ...body, reason: undefined }), 422],
    ] as const
    expect(asked.map(([{ status }]) => status)).toEqual(asked.map(([, status]) => status))
    expect(await current()).toBe('issued')
  })

  it.each([
    ['0A:0b', '0a0b'],
    ['0x00000a', '0a'],
    ['12', '12'],
    ['1'.repeat(40), '1'.repeat(40)],
    ['1'.repeat(41), BigInt('1'.repeat(41)).toString(16)],
    ['000', '00'],
  ])('reads the serial number %s', (given, read) => {
    expect(readSerial(given)).toBe(read.length % 2 ? `0${read}` : read)
  })

  it.each(['', ':', 'g', '-1', '1.5', '9'.repeat(50), 'a'.repeat(41)])('refuses the serial number %j', (given) => {
    expect(() => readSerial(given)).toThrow()
  })
})

describe('lookups of older clients', () => {
  it('show RA profiles, their kinds of certificate and their authority', async () => {
    const place = await used.app.save('looked', {
      settings: { variants: { short: { validity: { default: '1d' }, description: 'for a day' } } },
    })
    const path = `/v1/authorities/${place.authority}/endentityprofiles`
    const { json } = await used.app.call('get', path)
    const looked = json.find(({ name }: { name: string }) => name === 'looked')
    expect(looked).toEqual({ id: expect.any(Number), name: 'looked' })
    expect((await used.app.call('get', `${path}/${looked.id}/certificateprofiles`)).json).toEqual([
      { id: 0, name: 'looked' },
      { id: 1, name: 'short' },
    ])
    expect((await used.app.call('get', `${path}/${looked.id}/cas`)).json).toEqual([
      { id: expect.any(Number), name: 'issuing' },
    ])
    expect((await used.app.call('get', `${path}/99999/cas`)).status).toBe(404)
    expect((await used.app.call('get', path, { by: used.app.stranger })).status).toBe(404)
    expect((await used.app.call('get', `/v1/authorities/${place.profile}/endentityprofiles`)).status).toBe(404)
  })
})

describe('the audit trail', () => {
  it('has every change of an end entity, and no password', async () => {
    const { issue, endEntity } = await setUp('traced')
    await issue(await pkcs10())
    await used.app.call('put', `${endEntity}/resetPassword`)
    await used.app.call('delete', endEntity)
    const rows = await withTables<CoreTables>(used.app.host.db)
      .selectFrom('audit_events')
      .select(['action', 'details'])
      .where('subject_kind', '=', 'account')
      .where('details', 'like', '%"traced"%')
      .orderBy('id')
      .execute()
    expect(rows.map(({ action }) => action)).toEqual([
      'account.created',
      'account.changed',
      'account.changed',
      'account.deactivated',
    ])
    expect(JSON.stringify(rows)).not.toMatch(/horse|argon2/)
    const { it } = used.app.world
    while ((await sealAudit(it.db, it.auditSecret)) > 0);
    expect((await verifyAudit(it.db, it.auditSecret)).problems).toEqual([])
  })
})
