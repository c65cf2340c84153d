import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { crlOf } from '../../protocols/notary/authorityState.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { AUTHORITIES, doorOf, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const one = (id: number, more = '') => `${AUTHORITIES}/${id}${more}`
const show = (id: number) => it.app.result('GET', one(id), { by: it.app.manager })
const create = (body: Record<string, unknown>) => it.app.call('POST', AUTHORITIES, { by: it.app.manager, body })
const make = async (body: Record<string, unknown>): Promise<number> => (await create(body)).json.result.id
const post = (id: number, what: string, body?: unknown, by = it.app.manager) =>
  it.app.call('POST', one(id, what), { by, ...(body === undefined ? {} : { body }) })
const leafOf = (chain: string) => new X509Certificate(pemDecode(chain)[0]?.der ?? Buffer.alloc(0))

async function signedAbove(id: number, more: object = {}): Promise<string> {
  const ca = await foreignCa(it.app.world.time.now, { name: 'Company Root' })
  const { publicKey, subject } = parsePkcs10(pemDecode((await show(id)).csr)[0]?.der ?? Buffer.alloc(0))
  const { der } = await ca.issue({ type: 'ca', keyUsage: ['keyCertSign', 'cRLSign'], publicKey, subject, ...more })
  return pemEncode('CERTIFICATE', der) + ca.certificate
}

describe('certificate authorities', () => {
  test('are created self-signed, with all that was asked, and an RA profile that serves Notary', async () => {
    const made = await create({
      self_signed: true,
      common_name: 'Root, of all',
      sans_dns: '',
      country_name: 'TR',
      state_or_province_name: 'Izmir',
      locality_name: 'Narlidere',
      organization_name: 'Banana + Sons',
      organizational_unit_name: 'PKI',
      not_valid_after: '2035-01-01T00:00:00Z',
    })
    expect(made.status).toBe(201)
    const view = await show(made.json.result.id)
    expect(view).toMatchObject({ enabled: true, status: 'active', csr: '', name: 'root-of-all' })
    const { subject, issuer, ca, validTo } = leafOf(view.certificate)
    expect(subject).toBe('C=TR\nST=Izmir\nL=Narlidere\nO=Banana \\+ Sons\nOU=PKI\nCN=Root\\, of all')
    expect({ issuer, ca, end: new Date(validTo) }).toEqual({ issuer: subject, ca: true, end: new Date('2035-01-01') })
    expect(view.crl).toContain('BEGIN X509 CRL')
    const profile = await (await doorOf(it.app, 'admin')).admin.profile('notary-root-of-all')
    expect(profile).toMatchObject({ authority: 'root-of-all', protocols: { notary: {} } })
  })

  test('of one common name are several', async () => {
    const body = { self_signed: true, common_name: 'Twice CA' }
    const [first, second] = [await make(body), await make(body)]
    expect((await show(first)).name).toBe('twice-ca')
    expect((await show(second)).name).toMatch(/^twice-ca-[0-9a-f]{8}$/)
  })

  test('with a request to sign wait for their certificate', async () => {
    const id = await make({ self_signed: false, common_name: 'Pending CA' })
    const view = await show(id)
    expect(view).toMatchObject({ enabled: false, status: 'pending', certificate: '', crl: '' })
    expect(view.csr).toContain('BEGIN CERTIFICATE REQUEST')
    const sent = { by: it.app.manager, body: { enabled: true } }
    expect((await it.app.call('PUT', one(id), sent)).status).toBe(422)
    expect((await it.app.call('GET', one(id, '/crl'))).status).toBe(404)
    const request = await it.app.request('pending.test')
    const sign = { certificate_authority_id: String(id) }
    const path = `/api/v1/certificate_requests/${request}/sign`
    expect((await it.app.call('POST', path, { by: it.app.admin, body: sign })).status).toBe(422)
  })

  test('take the chain that was signed elsewhere', async () => {
    const id = await make({ common_name: 'Uploaded CA' })
    const chain = await signedAbove(id)
    const taken = await post(id, '/certificate', { certificate_chain: chain })
    expect(taken).toMatchObject({ status: 201, json: { result: { message: 'success', id } } })
    expect(await show(id)).toMatchObject({ enabled: true, status: 'active', csr: '', certificate: chain })
    expect((await post(id, '/certificate', { certificate_chain: chain })).status).toBe(400)
  })

  test.each([
    ['nothing', async () => undefined, /certificate_chain is required/],
    ['no PEM', async () => 'banana', /no certificate/],
    ['one of no CA', (id: number) => signedAbove(id, { type: 'server' }), /not one of a CA/],
    ['another key', async () => (await foreignCa(new Date(), { name: 'Refused CA' })).certificate, /the key of/],
  ])('refuse %s for a chain', async (_, chain, why) => {
    const id = await make({ common_name: 'Refused CA' })
    const refused = await post(id, '/certificate', { certificate_chain: await chain(id) })
    expect(refused.status).toBe(400)
    expect(refused.json.message).toMatch(why)
  })

  test('are signed by another one, once', async () => {
    const root = await make({ self_signed: true, common_name: 'Upper CA' })
    const id = await make({ common_name: 'Lower CA' })
    const signed = await post(id, '/sign', { certificate_authority_id: String(root) })
    expect(signed).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    const view = await show(id)
    expect(view.enabled).toBe(true)
    expect(leafOf(view.certificate).issuer).toBe('CN=Upper CA')
    expect(pemDecode(view.certificate)).toHaveLength(2)
    expect((await post(id, '/sign', { certificate_authority_id: String(root) })).status).toBe(422)
  })

  test.each([
    ['one that is not there', { certificate_authority_id: '999999' }, 404],
    ['a word', { certificate_authority_id: 'root' }, 400],
    ['nobody', {}, 400],
  ])('are not signed by %s', async (_, body, status) => {
    const id = await make({ common_name: 'Unsigned CA' })
    expect((await post(id, '/sign', body)).status).toBe(status)
  })

  test('are disabled and enabled; a disabled one signs nothing', async () => {
    const id = await make({ self_signed: true, common_name: 'Switched CA' })
    const put = (enabled: unknown) => it.app.call('PUT', one(id), { by: it.app.manager, body: { enabled } })
    expect(await put(false)).toMatchObject({ status: 200, json: { result: { message: 'success' } } })
    expect(await show(id)).toMatchObject({ enabled: false, status: 'disabled' })
    const request = await it.app.request('switched.test')
    const sign = () =>
      it.app.call('POST', `/api/v1/certificate_requests/${request}/sign`, {
        by: it.app.manager,
        body: { certificate_authority_id: String(id) },
      })
    const refused = await sign()
    expect(refused).toMatchObject({ status: 422, json: { error: expect.stringContaining('is disabled') } })
    expect((await put('yes')).status).toBe(400)
    expect((await put(true)).status).toBe(200)
    expect((await sign()).status).toBe(202)
  })

  test('are deleted: shown and used no more, and their CRL stays', async () => {
    const id = await make({ self_signed: true, common_name: 'Deleted CA' })
    const { status } = await it.app.call('DELETE', one(id), { by: it.app.manager })
    expect(status).toBe(200)
    expect((await it.app.call('GET', one(id), { by: it.app.manager })).status).toBe(404)
    const all = await it.app.result('GET', AUTHORITIES, { by: it.app.manager })
    expect(all.map((each: { id: number }) => each.id)).not.toContain(id)
    expect((await (await doorOf(it.app, 'admin')).admin.authority('deleted-ca')).enabled).toBe(false)
    expect((await it.app.call('GET', one(id, '/crl'))).status).toBe(200)
  })

  test('give their CRL in all its parts; one that is too long for JSON is refused', async () => {
    const id = await make({ self_signed: true, common_name: 'Sharded CA' })
    const door = await doorOf(it.app, 'admin')
    await door.admin.changeAuthority('sharded-ca', { settings: { crlShards: 3 } })
    const { crl } = await it.app.result('GET', one(id, '/crl'))
    expect(pemDecode(crl)).toHaveLength(3)
    expect((await show(id)).crl).toBe(crl)
    await expect(crlOf(door, id, 700)).rejects.toMatchObject({ code: 'unsupported' })
  })

  test('that sign elsewhere have no CRL here, and nobody learns their names by their numbers', async () => {
    const door = await doorOf(it.app, 'admin')
    const ca = await foreignCa(it.app.world.time.now, { name: 'Secret CA' })
    const { id } = await door.admin.addManualAuthority({ name: 'secret-project', pem: ca.certificate })
    const refused = await it.app.call('GET', one(id, '/crl'))
    expect(refused).toMatchObject({ status: 404, json: { error: 'Not Found' } })
    expect(refused.text).not.toContain('secret-project')
    expect((await show(id)).crl).toBe('')
  })

  test('are listed in the order of their numbers', async () => {
    const all = await it.app.result('GET', AUTHORITIES, { by: it.app.reader })
    const ids = all.map((each: { id: number }) => each.id)
    expect(ids).toEqual([...ids].sort((a: number, b: number) => a - b))
    expect(all.map((each: { name: string }) => each.name)).toEqual(expect.arrayContaining(['root', 'issuing']))
  })

  test('a self-signed one has nobody who could revoke it', async () => {
    const id = await make({ self_signed: true, common_name: 'Own CA' })
    const refused = await post(id, '/revoke')
    expect(refused).toMatchObject({ status: 422, json: { error: expect.stringContaining('disable it') } })
  })

  test('signed by one here: the revocation waits for the owner of that one, then it is in its CRL', async () => {
    const root = await make({ self_signed: true, common_name: 'Revoking CA' })
    const id = await make({ common_name: 'Revoked CA' })
    await post(id, '/sign', { certificate_authority_id: String(root) })
    const by = await it.app.account('second@notary.test', 1)
    const asked = await post(id, '/revoke', undefined, by)
    expect(asked).toMatchObject({ status: 202, json: { message: expect.stringContaining('waits') } })
    const owner = await doorOf(it.app, 'manager@notary.test')
    const { rows } = await owner.list.requests({ kind: 'revoke', status: 'requested' })
    const [request] = rows
    if (!request) throw new Error('nothing waits')
    const { hash } = await owner.approvals.review('revoke', request.id)
    await owner.approvals.vote('revoke', request.id, { verdict: 'approve', hash })
    const serial = Buffer.from(leafOf((await show(id)).certificate).serialNumber.padStart(32, '0'), 'hex')
    const { crl } = await it.app.result('GET', one(root, '/crl'))
    expect((pemDecode(crl)[0]?.der ?? Buffer.alloc(0)).includes(serial)).toBe(true)
    expect((await post(id, '/revoke', undefined, by)).status).toBe(422)
  })

  test.each([
    ['no common name', {}, /common_name is required/],
    ['an empty one', { common_name: '' }, /common_name is required/],
    ['one of two lines', { common_name: 'a\nb' }, /on one line/],
    ['a long country', { common_name: 'x', country_name: 'Turkey' }, /two letters/],
    ['an end in the past', { common_name: 'x', not_valid_after: '2001-01-01T00:00:00Z' }, /not_valid_after/],
    ['an end that is no time', { common_name: 'x', not_valid_after: 'soon' }, /RFC 3339/],
    ['a word for self_signed', { common_name: 'x', self_signed: 'yes' }, /self_signed/],
  ])('are not created with %s', async (_, body, why) => {
    const refused = await create(body)
    expect(refused.status, refused.text).toBe(400)
    expect(refused.json.error).toMatch(why)
  })
})
