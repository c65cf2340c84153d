import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { defaultRules } from '../../src/core/profile/defaultRules.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import { pemDecode, pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { AUTHORITIES, doorOf, REQUESTS, useNotaryApp } from '../helpers/notaryApp.ts'

const it = useNotaryApp()

const one = (id: number, more = '') => `${REQUESTS}/${id}${more}`
const show = (id: number, by = it.app.manager) => it.app.result('GET', one(id), { by })
const sign = (id: number, by = it.app.admin, authority: unknown = String(it.app.issuing)) =>
  it.app.call('POST', one(id, '/sign'), { by, body: { certificate_authority_id: authority } })
const leafOf = (chain: string) => new X509Certificate(pemDecode(chain)[0]?.der ?? Buffer.alloc(0))

async function active(name: string): Promise<number> {
  const id = await it.app.request(name)
  expect((await sign(id)).status).toBe(202)
  return id
}

/** A chain for a request by a CA that is none of ours. */
async function foreignChain(csr: string, draft: Parameters<Awaited<ReturnType<typeof foreignCa>>['issue']>[0] = {}) {
  const ca = await foreignCa(it.app.world.time.now, { name: 'Company CA' })
  const { publicKey, identifiers } = parsePkcs10(pemDecode(csr)[0]?.der ?? Buffer.alloc(0))
  const { der } = await ca.issue({ publicKey, identifiers, ...draft })
  return pemEncode('CERTIFICATE', der) + ca.certificate
}

describe('signing', () => {
  test('makes it Active, with the chain of the authority', async () => {
    const id = await it.app.request('signed.test')
    const signed = await sign(id)
    expect(signed.status).toBe(202)
    expect(signed.json).toEqual({ result: { message: 'success' }, data: {}, message: 'success' })
    const { status, certificate_chain: chain } = await show(id)
    expect(status).toBe('Active')
    expect(leafOf(chain).subjectAltName).toBe('DNS:signed.test')
    expect(pemDecode(chain)).toHaveLength(3)
  })

  test('takes the number as a number too, and says that ACME is not configured', async () => {
    const id = await it.app.request('number.test')
    const body = { certificate_authority_id: '1', signing_method: 'acme' }
    expect((await it.app.call('POST', one(id, '/sign'), { by: it.app.admin, body })).status).toBe(503)
    expect((await sign(id, it.app.admin, it.app.issuing)).status).toBe(202)
  })

  test('by who made it himself is refused, with what to do', async () => {
    const id = await it.app.request('himself.test', it.app.admin)
    const refused = await sign(id)
    expect(refused.status).toBe(403)
    expect(refused.json.error).toBe('forbidden: insufficient permissions')
    expect(refused.json.message).toContain('whoever asked never decides')
    expect((await show(id)).status).toBe('Outstanding')
  })

  test('by a manager whom the rules do not name is refused', async () => {
    const id = await it.app.request('unnamed.test')
    const refused = await sign(id, it.app.manager)
    expect(refused.status).toBe(403)
    expect(refused.json.message).toContain('not among those whom')
    expect(refused.json.message).toContain('roles: [notary-certificate-manager]')
    expect((await show(id)).status).toBe('Outstanding')
  })

  test('counts as one of two approvals where the rules ask for two', async () => {
    const steps = [{ roles: ['notary-certificate-manager'], owner: true, quorum: 2 }]
    await it.app.world.save('default', {
      protocols: { notary: {} },
      rules: { issue: [{ name: 'two people', require: steps }] },
    })
    const id = await it.app.request('two.test')
    const first = await sign(id, it.app.manager)
    expect(first).toMatchObject({ status: 202, json: { message: expect.stringContaining('others') } })
    expect((await show(id)).status).toBe('Outstanding')
    expect((await sign(id, it.app.manager)).status).toBe(422)
    expect((await sign(id)).status).toBe(202)
    expect((await show(id)).status).toBe('Active')
    await it.app.world.save('default', { protocols: { notary: {} }, rules: defaultRules })
  })

  test('by an authority of choice: the order goes to its profile, with the same number', async () => {
    const by = it.app.manager
    const ca = { self_signed: true, common_name: 'Chosen CA' }
    const { id: authority } = await it.app.result('POST', AUTHORITIES, { by, body: ca })
    const id = await it.app.request('chosen.test')
    expect((await sign(id, by, String(authority))).status).toBe(202)
    const view = await show(id)
    expect(view).toMatchObject({ id, status: 'Active', email: 'requestor@notary.test' })
    expect(leafOf(view.certificate_chain).issuer).toBe('CN=Chosen CA')
    expect((await (await doorOf(it.app, 'admin')).list.request(id)).status).toBe('canceled')
  })

  test.each([
    ['is not there', 404, { certificate_authority_id: '999999' }],
    ['has no number', 400, { certificate_authority_id: 'banana' }],
    ['is not said', 400, {}],
  ])('by an authority that %s is refused', async (_, status, body) => {
    const id = await it.app.request('refused.test')
    expect((await it.app.call('POST', one(id, '/sign'), { by: it.app.admin, body })).status).toBe(status)
    expect((await show(id)).status).toBe('Outstanding')
  })

  test('the server stopped after it had withdrawn an order to make it anew: Outstanding, and signed by asking again', async () => {
    const id = await it.app.request('stopped.test')
    const { id: authority } = await it.app.result('POST', AUTHORITIES, {
      by: it.app.manager,
      body: { self_signed: true, common_name: 'Stopped CA' },
    })
    const door = await doorOf(it.app, 'manager@notary.test')
    await door.approvals.cancel('sign', id, 'ordered anew over Notary: to be signed by stopped-ca')
    expect((await show(id)).status).toBe('Outstanding')
    const signed = await sign(id, it.app.manager, authority)
    expect(signed.status, signed.text).toBe(202)
    expect(await show(id)).toMatchObject({ id, status: 'Active' })
  })

  test('an order that was withdrawn elsewhere is Rejected', async () => {
    const id = await it.app.request('withdrawn.test')
    await (await doorOf(it.app, 'manager@notary.test')).approvals.cancel('sign', id, 'not wanted any more')
    expect(await show(id)).toMatchObject({ status: 'Rejected', reason: 'not wanted any more' })
  })

  test('by an authority without a profile that serves Notary says what to do', async () => {
    const [root] = (await it.app.result('GET', AUTHORITIES, { by: it.app.admin })).filter(
      ({ name }: { name: string }) => name === 'root',
    )
    const id = await it.app.request('rootless.test')
    const refused = await sign(id, it.app.admin, String(root.id))
    expect(refused.status).toBe(422)
    expect(refused.json.error).toContain('add the protocol "notary"')
  })

  test('twice is refused', async () => {
    const id = await active('again.test')
    expect((await sign(id)).status).toBe(422)
  })
})

describe('a chain that was signed elsewhere', () => {
  const upload = (id: number, certificate: unknown) =>
    it.app.call('POST', one(id, '/certificate'), { by: it.app.manager, body: { certificate } })

  test('makes it Active; it is in the inventory as uploaded, and the order is withdrawn', async () => {
    const id = await it.app.request('foreign.test')
    const chain = await foreignChain((await show(id)).csr)
    const taken = await upload(id, chain)
    expect(taken).toMatchObject({ status: 201, json: { result: { message: 'success', id } } })
    expect(await show(id)).toMatchObject({ status: 'Active', certificate_chain: chain })
    const door = await doorOf(it.app, 'admin')
    expect((await door.list.request(id)).status).toBe('canceled')
    const { rows } = await door.list.certificates({ search: 'foreign.test' })
    expect(rows).toHaveLength(1)
    expect((await door.list.record(rows[0]?.uuid ?? '')).certificate?.source).toBe('uploaded')
  })

  test('is not revoked here', async () => {
    const id = await it.app.request('norevoke.test')
    await upload(id, await foreignChain((await show(id)).csr))
    const refused = await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })
    expect(refused.status).toBe(422)
    expect((await show(id)).status).toBe('Active')
  })

  test('is deleted: Outstanding again, out of the inventory, and another may come', async () => {
    const id = await it.app.request('other-chain.test')
    const { csr } = await show(id)
    await upload(id, await foreignChain(csr))
    const deleted = await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })
    expect(deleted).toMatchObject({ status: 200, json: { result: { message: 'success' } } })
    expect(await show(id)).toMatchObject({ status: 'Outstanding', certificate_chain: '' })
    const door = await doorOf(it.app, 'admin')
    expect((await door.list.certificates({ search: 'other-chain.test' })).rows).toEqual([])
    expect((await upload(id, await foreignChain(csr))).status).toBe(201)
  })

  test('by an authority of ours is revoked as any other, and stays in the inventory when it is deleted', async () => {
    const door = await doorOf(it.app, 'admin')
    const ca = await foreignCa(it.app.world.time.now, { name: 'Moved CA' })
    await door.admin.importAuthority({ name: 'moved', pem: ca.withKey })
    const id = await it.app.request('moved.test')
    const { publicKey, identifiers } = parsePkcs10(pemDecode((await show(id)).csr)[0]?.der ?? Buffer.alloc(0))
    const { der } = await ca.issue({ publicKey, identifiers })
    const chain = pemEncode('CERTIFICATE', der) + ca.certificate
    expect((await upload(id, chain)).status).toBe(201)
    const revoked = await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })
    expect(revoked.status, revoked.text).toBe(202)
    const deleted = await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })
    expect(deleted.status, deleted.text).toBe(200)
    expect(await show(id)).toMatchObject({ status: 'Outstanding', certificate_chain: '' })
    const { rows } = await door.list.certificates({ search: 'moved.test' })
    expect(rows).toHaveLength(1)
    expect(await door.list.requests({ kind: 'revoke' })).toMatchObject({ rows: [{ names: ['moved.test'] }] })
  })

  test('over one that is there is refused', async () => {
    const id = await active('over.test')
    const refused = await upload(id, await foreignChain((await show(id)).csr))
    expect(refused.status).toBe(400)
    expect(refused.json.error).toContain('Bad Request')
  })

  test.each([
    ['nothing', async () => undefined, /certificate is required/],
    ['no PEM', async () => 'banana', /2 to 16 certificates/],
    ['a CSR', async (csr: string) => csr + csr, /expected PEM block type/],
    [
      'the leaf alone',
      async (csr: string) => (await foreignChain(csr)).split(/(?<=END CERTIFICATE-----\n)/)[0],
      /2 to 16/,
    ],
    ['another key', async () => foreignChain(await it.app.csr('wrong.test')), /its key is another/],
    ['other names', (csr: string) => foreignChain(csr, { identifiers: [] }), /the name wrong.test is not in it/],
    ['one of a CA', (csr: string) => foreignChain(csr, { type: 'ca' }), /one of a CA/],
    [
      'one that has expired',
      (csr: string) =>
        foreignChain(csr, {
          notBefore: new Date(it.app.world.time.now.getTime() - 2000),
          notAfter: new Date(it.app.world.time.now.getTime() - 1000),
        }),
      /expired/,
    ],
    [
      'a chain out of order',
      async (csr: string) =>
        (await foreignChain(csr))
          .split(/(?<=END CERTIFICATE-----\n)/)
          .reverse()
          .join(''),
      /not signed by/,
    ],
    ['rubbish', async () => pemEncode('CERTIFICATE', Buffer.from('3000', 'hex')).repeat(2), /could not parse/],
  ])('refuses %s', async (_, chain, why) => {
    const id = await it.app.request('wrong.test')
    const refused = await upload(id, await chain((await show(id)).csr))
    expect(refused.status, refused.text).toBe(400)
    expect(refused.json.message).toMatch(why)
    expect((await show(id)).status).toBe('Outstanding')
  })
})

describe('certificates signed here', () => {
  test('are revoked: Revoked, and the serial number is in the CRL of the authority', async () => {
    const id = await active('revoked.test')
    const { certificate_chain: chain } = await show(id)
    const revoked = await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })
    expect(revoked).toMatchObject({ status: 202, json: { result: { message: 'success' } } })
    expect(await show(id)).toMatchObject({ status: 'Revoked', certificate_chain: chain })
    const { crl } = await it.app.result('GET', `${AUTHORITIES}/${it.app.issuing}/crl`)
    const serial = Buffer.from(leafOf(chain).serialNumber.padStart(32, '0'), 'hex')
    expect((pemDecode(crl)[0]?.der ?? Buffer.alloc(0)).includes(serial)).toBe(true)
    expect((await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })).status).toBe(422)
  })

  test('are not revoked before they are there', async () => {
    const id = await it.app.request('early.test')
    expect((await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })).status).toBe(422)
  })

  test('stay Active while their revocation waits', async () => {
    const rules = { issue: [{ name: 'all', auto: true }], revoke: [] }
    await it.app.world.save('default', { protocols: { notary: {} }, rules })
    const id = await it.app.request('held.test')
    expect((await show(id)).status).toBe('Active')
    const asked = await it.app.call('POST', one(id, '/certificate/revoke'), { by: it.app.manager })
    expect(asked).toMatchObject({ status: 202, json: { message: expect.stringContaining('waits') } })
    expect((await show(id)).status).toBe('Active')
    await it.app.world.save('default', { protocols: { notary: {} }, rules: defaultRules })
  })

  test('are deleted: the request is Outstanding, and is signed again', async () => {
    const id = await active('anew.test')
    const first = (await show(id)).certificate_chain
    expect((await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })).status).toBe(200)
    expect(await show(id)).toMatchObject({ id, status: 'Outstanding', certificate_chain: '' })
    const none = await it.app.call('DELETE', one(id, '/certificate'), { by: it.app.manager })
    expect(none).toMatchObject({ status: 400, json: { error: expect.stringContaining('Bad Request') } })
    expect((await sign(id)).status).toBe(202)
    expect((await show(id)).certificate_chain).not.toBe(first)
  })
})
