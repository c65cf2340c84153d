import { describe, expect, it } from 'vitest'
import { readSerial } from '../../protocols/ra/legacyRevoke.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import { useRaApp, waits } from '../helpers/raApp.ts'
import { autoRules, certificateIn, decide, pkcs10, setUpLegacy, waitingFor } from '../helpers/raLegacy.ts'

const used = useRaApp()

describe('revoke', () => {
  const issued = async (profile: string, change: Parameters<typeof used.app.save>[1] = {}) => {
    const set = await setUpLegacy(used.app, profile, change)
    const { json } = await set.issue(await pkcs10())
    const certificate = await certificateIn(used.app, json.certificateData)
    const issuer = readCertificate(certificate.der).issuer
    const current = async () => (await certificateIn(used.app, json.certificateData)).status
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
    const { revoke, certificate, issuerDN, current } = await issued('kept', { rules: { ...autoRules, revoke: waits } })
    const body = { certificateSN: certificate.serial, issuerDN, reason: 'unspecified' }
    const first = await revoke(body)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect((await revoke(body)).json).toEqual(first.json)
    const rows = await waitingFor(used.app, 'revoke')
    expect(rows.length).toBe(1)
    await decide(used.app, rows[0], 'approve')
    expect(await current()).toBe('revoked')
    expect((await revoke(body)).json).toEqual([expect.stringContaining('revoked already')])
  })

  it('deleting an end entity waits for its revocations, and the same call goes on', async () => {
    const set = await issued('leaving', { rules: { ...autoRules, revoke: waits } })
    const first = await used.app.call('delete', set.endEntity)
    expect([first.status, first.json.message]).toEqual([400, expect.stringContaining('waits for approval')])
    expect(await set.status()).toBe('REVOKED')
    expect((await set.issue(await pkcs10())).status).toBe(400)
    const rows = await waitingFor(used.app, 'revoke')
    await decide(used.app, rows[0], 'approve')
    expect((await used.app.call('delete', set.endEntity)).status).toBe(200)
    expect((await used.app.call('get', set.endEntity)).status).toBe(404)
    expect(await set.current()).toBe('revoked')
  })

  it('refuses a certificate of another profile, another issuer, and what is no serial number', async () => {
    const { certificate, issuerDN, revoke, current } = await issued('own')
    const { revoke: revokeElsewhere } = await setUpLegacy(used.app, 'neighbour')
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
    const { issue, endEntity } = await setUpLegacy(used.app, 'traced')
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
