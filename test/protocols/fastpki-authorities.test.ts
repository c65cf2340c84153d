import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { doorOf, type FastpkiApp, server, useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useFastpkiApp()

const draft = (name: string, more: Record<string, unknown> = {}) => ({
  name,
  subject_dn: `CN=${name},O=Acme Corp,C=US`,
  key_size: 2048,
  ...more,
})

async function made(app: FastpkiApp, name: string, more: Record<string, unknown> = {}, by = app.admin) {
  const answer = await app.call('post', '/cas/', { body: draft(name, more), by })
  expect([answer.status, answer.text]).toEqual([201, answer.text])
  return answer.json
}

describe('authorities', () => {
  it('are made with their names, and issue at once to who has create_cert', async () => {
    const { app } = used
    const root = await made(app, 'Acme Root CA', { description: 'the top', allow_leaf_certs: false, valid_days: 7300 })
    expect(root).toMatchObject({
      name: 'Acme Root CA',
      description: 'the top',
      subject_dn: 'CN=Acme Root CA,O=Acme Corp,C=US',
      key_size: 2048,
      valid_days: 7300,
      parent_ca_id: null,
      is_root: true,
      allow_leaf_certs: false,
      private_key: null,
      created_by_user_id: app.admin.id,
    })
    const issuing = await made(app, 'Acme Issuing CA', { parent_ca_id: root.id, path_length: 0 })
    expect(issuing).toMatchObject({ parent_ca_id: root.id, is_root: false, path_length: 0, allow_leaf_certs: true })
    const { der } = await newCsr(['api.example.com'], { subject: { CN: 'api.example.com' } })
    const csr = pemEncode('CERTIFICATE REQUEST', der)
    const signed = await app.call('post', '/certificates/sign-csr', {
      body: { csr, certificate_type: 'server', ca_name: 'Acme Issuing CA' },
    })
    expect(signed).toMatchObject({ status: 201, json: { issuer_id: issuing.id, valid_days: 365 } })
    expect(
      new X509Certificate(signed.json.certificate).verify(new X509Certificate(issuing.certificate).publicKey),
    ).toBe(true)
    for (const type of ['client', 'dual_purpose'])
      expect(
        (
          await app.call('post', `/certificates/?ca_id=${issuing.id}`, {
            body: server('x.test', { certificate_type: type }),
          })
        ).status,
      ).toBe(201)
    const leaf = await app.call('post', `/certificates/?ca_id=${root.id}`, { body: server('x.test') })
    expect(leaf).toMatchObject({
      status: 400,
      json: { detail: expect.stringContaining('does not allow issuing leaf') },
    })
    const revoked = await app.call('post', `/certificates/${signed.json.id}/revoke`)
    expect(revoked.status).toBe(200)
  })

  it('certify CAs to who has create_ca beside create_cert, that certify ends alone, and nobody for longer than they live', async () => {
    const { app } = used
    const above = await made(app, 'Certifying CA', { valid_days: 100, path_length: 1 })
    const path = `/certificates/?ca_id=${above.id}`
    const body = { common_name: 'Branch CA', subject_dn: 'CN=Branch CA,O=Acme Corp', certificate_type: 'ca' }
    expect((await app.call('post', path, { body })).status).toBe(403)
    const alone = await app.person('ca-only', { capabilities: ['create_ca', 'read'] })
    expect((await app.call('post', path, { body, by: alone })).status).toBe(403)
    const by = await app.person('branch-maker', { capabilities: ['create_ca', 'create_cert', 'read'] })
    const limited = await app.token(by, { capabilities: ['create_cert', 'read'] })
    expect((await app.call('post', path, { body, by: limited })).status).toBe(403)
    const { json } = await app.call('post', path, { body, by })
    expect(json).toMatchObject({ certificate_type: 'ca', issuer_id: above.id, valid_days: 100, status: 'valid' })
    const branch = readCertificate(pemDecode(json.certificate)[0]?.der ?? Buffer.alloc(0))
    expect(branch).toMatchObject({ isCa: true, pathLength: 0, keyUsage: expect.arrayContaining(['keyCertSign']) })
    expect(new X509Certificate(json.certificate).verify(new X509Certificate(above.certificate).publicKey)).toBe(true)
    const below = await made(app, 'Ends Only CA', { path_length: 0 })
    const last = await app.call('post', `/certificates/?ca_id=${below.id}`, { body, by })
    expect(last).toMatchObject({ status: 400, json: { detail: expect.stringContaining('issues no ca certificates') } })
  })

  it('are listed, each with its chain and its children', async () => {
    const { app } = used
    const top = await made(app, 'Top')
    const middle = await made(app, 'Middle', { parent_ca_id: top.id })
    const low = await made(app, 'Low', { parent_ca_id: middle.id })
    const ids = (list: { id: number }[]) => list.map(({ id }) => id)
    expect(ids((await app.call('get', '/cas/')).json)).toEqual(
      expect.arrayContaining([top.id, middle.id, low.id, app.ca]),
    )
    expect((await app.call('get', '/cas/?skip=1&limit=1')).json).toHaveLength(1)
    expect(ids((await app.call('get', `/cas/${low.id}/chain`)).json)).toEqual([low.id, middle.id, top.id])
    expect(ids((await app.call('get', `/cas/${top.id}/children`)).json)).toEqual([middle.id])
    expect((await app.call('get', `/cas/${low.id}/children`)).json).toEqual([])
    // With a child below it an authority signs no more leaves.
    expect((await app.call('get', `/cas/${middle.id}`)).json.allow_leaf_certs).toBe(false)
    expect((await app.call('post', `/certificates/?ca_id=${middle.id}`, { body: server('x.test') })).status).toBe(400)
  })

  it('of one name are made once, also when two ask at once', async () => {
    const { app } = used
    const ask = () => app.call('post', '/cas/', { body: draft('At Once'), by: app.admin })
    const both = await Promise.all([ask(), ask(), ask()])
    expect(both.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1)
    for (const { status } of both) expect([201, 400, 409]).toContain(status)
    const { json } = await app.call('get', '/cas/', { by: app.admin })
    expect(json.filter(({ name }: { name: string }) => name === 'At Once')).toHaveLength(1)
    // What was refused holds no name.
    expect((await ask()).status).toBe(400)
    const refused = await app.call('post', '/cas/', { body: draft('Held By Nobody') })
    expect(refused.status).toBe(403)
    const body = draft('Held By Nobody')
    expect((await app.call('post', '/cas/', { body, by: app.admin })).status).toBe(201)
  })

  it('with the name of one of another organization are another authority', async () => {
    const { app } = used
    const ours = await made(app, 'Shared Name')
    const theirs = await made(app, 'Shared Name', {}, app.stranger)
    expect(theirs.id).not.toBe(ours.id)
    expect((await app.call('get', `/cas/${ours.id}`, { by: app.stranger })).status).toBe(404)
    for (const path of ['/chain', '/children', '/private-key'])
      expect((await app.call('get', `/cas/${theirs.id}${path}`)).status).toBe(404)
    expect((await app.call('get', `/export/ca/${theirs.id}/certificate`)).status).toBe(404)
    // A name that stands in URLs as it is, and is taken where he does not look.
    expect((await made(app, 'issuing', {}, app.stranger)).name).toBe('issuing')
    const again = await app.call('post', '/cas/', { body: draft('Shared Name'), by: app.admin })
    expect(again).toMatchObject({ status: 400, json: { detail: expect.stringContaining('there already') } })
  })

  it('are made by who has create_ca; one who may no more leaves the RA profile to an administrator', async () => {
    const { app } = used
    const maker = await app.person('maker', { capabilities: ['create_ca', 'read'] })
    const own = await made(app, 'By Maker', {}, maker)
    expect(own).toMatchObject({ created_by_user_id: maker.id, allow_leaf_certs: false })
    expect((await app.call('post', '/cas/', { body: draft('Not Mine') })).status).toBe(403)
  })

  it.each([
    ['a subject that is none', { subject_dn: 'nothing' }, 400],
    ['a key of 1024 bits', { key_size: 1024 }, 400],
    ['a parent that is not there', { parent_ca_id: 99999 }, 404],
    ['no name', { name: undefined }, 422],
    ['no subject', { subject_dn: undefined }, 422],
    ['a validity of no day', { valid_days: 0 }, 422],
    ['a path length below zero', { path_length: -1 }, 422],
  ])('are refused with %s', async (_, change, status) => {
    const { app } = used
    expect((await app.call('post', '/cas/', { body: draft('Refused', change), by: app.admin })).status).toBe(status)
  })

  it('keep their keys to themselves', async () => {
    const { app } = used
    for (const path of [`/cas/${app.ca}/private-key`, `/export/ca/${app.ca}/private-key`])
      expect((await app.call('get', path, { by: app.admin })).status).toBe(403)
  })

  it('are deleted while they have signed nothing', async () => {
    const { app } = used
    const top = await made(app, 'Deleted Top')
    const low = await made(app, 'Deleted Low', { parent_ca_id: top.id })
    const deleter = await app.person('deleter', { capabilities: ['delete_ca', 'manage', 'read'] })
    expect((await app.call('delete', `/cas/${top.id}`, { by: deleter })).status).toBe(409)
    expect((await app.call('delete', `/cas/${low.id}`)).status).toBe(403)
    const manager = await app.person('manager', { capabilities: ['manage', 'read'] })
    expect((await app.call('delete', `/cas/${low.id}`, { by: manager })).status).toBe(403)
    await app.call('post', `/certificates/?ca_id=${low.id}`, { body: server('kept.test') })
    const busy = await app.call('delete', `/cas/${low.id}`, { by: deleter })
    expect(busy).toMatchObject({ status: 409, json: { detail: 'CA has certificates and cannot be deleted' } })
    const alone = await made(app, 'Alone')
    expect((await app.call('delete', `/cas/${alone.id}`, { by: deleter })).status).toBe(204)
    expect((await app.call('get', `/cas/${alone.id}`)).status).toBe(404)
    expect((await app.call('post', `/certificates/?ca_id=${alone.id}`, { body: server('x.test') })).status).toBe(404)
    expect((await doorOf(app, app.admin).admin.authorities()).find(({ id }) => id === alone.id)?.enabled).toBe(false)
  })
})

describe('exports', () => {
  it('are PEM files', async () => {
    const { app } = used
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('Api.Example.com') })
    const get = (path: string, by = app.admin) => app.call('get', `/export/${path}`, { by })
    const one = await get(`certificate/${json.id}`)
    expect(one.text).toBe(json.certificate)
    expect(one.headers.get('content-type')).toBe('application/x-pem-file')
    expect(one.headers.get('content-disposition')).toBe('attachment; filename="api-example-com.crt"')
    expect((await get(`certificate/${json.id}/private-key`)).text).toBe(json.private_key)
    const chain = pemDecode((await get(`certificate/${json.id}/chain`)).text)
    expect(chain).toHaveLength(3)
    expect(pemEncode('CERTIFICATE', chain[0]?.der ?? Buffer.alloc(0))).toBe(json.certificate)
    const { text } = await get(`ca/${app.ca}/certificate`)
    expect(pemDecode(text)[0]?.der.equals(chain[1]?.der ?? Buffer.alloc(0))).toBe(true)
    for (const path of ['', '/private-key', '/chain'])
      expect((await get(`certificate/${json.id}${path}`, app.stranger)).status).toBe(404)
  })

  it('of a key that was never here are 404', async () => {
    const { app } = used
    const { der } = await newCsr(['own.test'], { subject: { CN: 'own.test' } })
    const body = { csr: pemEncode('CERTIFICATE REQUEST', der), certificate_type: 'server', ca_id: app.ca }
    const { json } = await app.call('post', '/certificates/sign-csr', { body })
    for (const path of [`/certificates/${json.id}/private-key`, `/export/certificate/${json.id}/private-key`])
      expect((await app.call('get', path, { by: app.admin })).status).toBe(404)
  })
})

describe('what is public', () => {
  it('is the CRL and the certificate of an authority, in DER and PEM, by its name and its id', async () => {
    const { app } = used
    const { id, certificate } = await made(app, 'Públic & Co. CA')
    const get = (path: string) => app.call('get', `//fastpki/${path}`, { by: null })
    const pem = await get(`ca/public-co-ca-${id}.pem`)
    expect(pem.text).toBe(certificate)
    const der = await get(`ca/public-co-ca-${id}.crt`)
    expect(der.headers.get('content-type')).toBe('application/pkix-cert')
    const crl = await get(`crl/public-co-ca-${id}`)
    expect(crl.headers.get('content-type')).toBe('application/pkix-crl')
    expect((await get(`crl/public-co-ca-${id}.pem`)).text).toContain('BEGIN X509 CRL')
    expect((await get(`ca/issuing-${app.ca}.pem`)).status).toBe(200)
    for (const path of [
      `ca/public-co-ca-${id}`,
      `crl/public-co-ca-${id}.crt`,
      `crl/other-${id}`,
      `crl/public-co-ca-${app.ca}`,
      `crl/issuing-${id}`,
      `crl/issuing`,
      `crl/-${id}`,
      `crl/public-co-ca-999999`,
      `crl/${'a'.repeat(200)}-${id}`,
      `crl/%00-${id}`,
    ])
      expect([path, (await get(path)).status]).toEqual([path, 404])
  })

  it('is the greeting', async () => {
    const { status, json } = await used.app.call('get', '//fastpki/', { by: null })
    expect({ status, api: json.api }).toEqual({ status: 200, api: '/fastpki/api/v1' })
  })
})

describe('audit-logs', () => {
  it('tell in the contract’s words what was done, to administrators, of their organization', async () => {
    const { app } = used
    const { json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server('told.test') })
    await app.call('post', `/certificates/${json.id}/revoke`, { body: { reason: 'superseded' } })
    await app.call('get', `/certificates/${json.id}/private-key`, { by: app.admin })
    const get = (query: string, by = app.admin) => app.call('get', `/audit-logs/${query}`, { by })
    for (const action of ['cert_create', 'cert_revoke', 'cert_export_private_key']) {
      const { json: found } = await get(`?action=${action}&resource_type=certificate&resource_id=${json.id}`)
      expect(found, action).toHaveLength(1)
    }
    const [created] = (await get(`?action=cert_create&user_id=${app.operator.id}&limit=1`)).json
    expect(created).toMatchObject({ username: 'operator', resource_id: json.id, resource_type: 'certificate' })
    expect((await get('?action=ca_create')).json.length).toBeGreaterThanOrEqual(2)
    expect((await get(`?since=${encodeURIComponent('2999-01-01T00:00:00Z')}`)).json).toEqual([])
    expect((await get('?until=2001-01-01T00:00:00')).json).toEqual([])
    expect((await get('?user_id=999999')).json).toEqual([])
    expect((await get('?skip=1&limit=2')).json).toEqual((await get('?limit=3')).json.slice(1))
    expect((await get('', app.operator)).status).toBe(403)
    const theirs = await get('?resource_type=certificate&limit=1000', app.stranger)
    expect(theirs.json).toEqual([])
  })

  it.each(['?limit=1001', '?since=yesterday', '?user_id=x', '?resource_type=mail'])('refuse %s', async (query) => {
    expect((await used.app.call('get', `/audit-logs/${query}`, { by: used.app.admin })).status).toBe(422)
  })
})
