import { beforeAll, describe, expect, it } from 'vitest'
import { parseCsr } from '../../src/pki/csr.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { foreignCa } from '../helpers/foreignCa.ts'
import { type ManualAuthority, manualAuthority } from '../helpers/manualAuthority.ts'
import { doorOf, type Person, useRaApp } from '../helpers/raApp.ts'
import { upstreamWorld } from '../helpers/upstreamWorld.ts'
import { newCsr } from '../helpers/world.ts'

/** What takes its time: authorities that sign and revoke elsewhere. */

const used = useRaApp()
let manual: ManualAuthority
let manager: Person
let place: string

beforeAll(async () => {
  const { app } = used
  manual = await manualAuthority(app.world)
  manager = await app.person('manager', { capabilities: ['manage', 'read'] })
  const issueAttributes = [{ name: 'costCentre', contentType: 'integer' }]
  const options = { issueAttributes, revokeAttributes: [{ name: 'ticket', contentType: 'string' }] }
  await app.save('elsewhere', { authority: manual.id, options })
  place = `/v2/operations/authorities/${manual.name}/raProfiles/elsewhere`
})

const attribute = (name: string, data: unknown, contentType = 'string') => ({ name, contentType, content: [{ data }] })
const post = (path: string, body?: unknown, by: Person = manager) => used.app.call('post', path, { body, by })
const detail = async (uuid: string) => (await used.app.call('get', `/v1/certificates/${uuid}`)).json
const stateOf = async (uuid: string): Promise<string> => (await detail(uuid)).state

async function ordered(name: string) {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [attribute('costCentre', 12, 'integer')] }
  const { json } = await post(`${place}/certificates`, body, used.app.operator)
  return { csr, data: json, uuid: json.uuid as string, at: `${place}/certificates/${json.uuid}` }
}

type Ordered = Awaited<ReturnType<typeof ordered>>

/** As the authority elsewhere signs it. */
async function signed({ csr }: Pick<Ordered, 'csr'>, ca = manual.ca): Promise<Buffer> {
  return (await ca.issue({ publicKey: csr.publicKey, identifiers: csr.identifiers, subject: csr.subject })).der
}

async function issued(name: string): Promise<Ordered> {
  const order = await ordered(name)
  const certificate = (await signed(order)).toString('base64')
  expect((await post(`${order.at}/issue/finalize`, { certificate })).status).toBe(200)
  return order
}

const revoke = (order: Ordered, body: object = { attributes: [] }) =>
  post(`${order.at}/revoke`, body, used.app.operator)

describe('an order under an authority elsewhere', () => {
  it('is pending_issue until its certificate is uploaded, and issued then', async () => {
    const order = await ordered('upload.test')
    expect(order.data.certificateData).toBe('')
    expect(await detail(order.uuid)).toMatchObject({ state: 'pending_issue', certificateContent: '' })
    const certificate = (await signed(order)).toString('base64')
    const body = { certificate, customAttributes: [attribute('rack', 'B 7')] }
    const answer = await post(`${order.at}/issue/finalize`, body)
    expect(answer.json).toMatchObject({
      uuid: order.uuid,
      state: 'issued',
      certificateContent: certificate,
      customAttributes: [{ name: 'rack', type: 'custom', contentType: 'string', content: [{ data: 'B 7' }] }],
      issueAttributes: [{ name: 'costCentre', contentType: 'integer', content: [{ data: 12 }] }],
    })
    expect(await stateOf(order.uuid)).toBe('issued')
    const again = await post(`${order.at}/issue/finalize`, body)
    expect([again.status, again.json]).toEqual([
      422,
      ['Certificate is not in PENDING_ISSUE state. Current state: issued'],
    ])
  })

  it('takes the upload as PEM, and without custom attributes', async () => {
    const order = await ordered('pem.test')
    const certificate = pemEncode('CERTIFICATE', await signed(order))
    expect((await post(`${order.at}/issue/finalize`, { certificate })).json.state).toBe('issued')
  })

  it('refuses what is not its certificate, and waits on', async () => {
    const order = await ordered('strict.test')
    const other = await foreignCa(used.app.world.time.now, { name: 'Another CA' })
    const own = await signed(order)
    const base64 = (der: Buffer) => der.toString('base64')
    const both = pemEncode('CERTIFICATE', own) + pemEncode('CERTIFICATE', own)
    for (const [certificate, status, said] of [
      [base64(await signed(await ordered('strict.test'))), 400, /key/],
      [
        base64(await signed({ csr: { ...order.csr, identifiers: [{ type: 'dns', value: 'else.test' }] } })),
        400,
        /name/,
      ],
      [base64(await signed(order, other)), 400, /signed/],
      [base64(order.csr.der), 400, /./],
      [both, 400, /exactly one/],
      ['%%%', 400, /base64/],
      ['', 422, /certificate/],
    ] as const) {
      const answer = await post(`${order.at}/issue/finalize`, { certificate })
      expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(said)])
    }
    const certificate = base64(own)
    // Neither is there without the other.
    const rack = { certificate: base64(await signed(order, other)), customAttributes: [attribute('rack', 'B 7')] }
    expect((await post(`${order.at}/issue/finalize`, rack)).status).toBe(400)
    const untyped = { certificate, customAttributes: [attribute('rack', 7)] }
    expect((await post(`${order.at}/issue/finalize`, untyped)).json).toEqual(['this is no string'])
    expect(await detail(order.uuid)).toMatchObject({ state: 'pending_issue', customAttributes: [] })
    expect((await post(`${order.at}/issue/finalize`, { certificate }, used.app.operator)).status).toBe(403)
    expect((await post(`${order.at}/issue/finalize`, { certificate }, used.app.stranger)).status).toBe(404)
    expect(await stateOf(order.uuid)).toBe('pending_issue')
  })

  it('takes one of two uploads at once', async () => {
    const order = await ordered('twice.test')
    const certificate = (await signed(order)).toString('base64')
    const both = await Promise.all([1, 2].map(() => post(`${order.at}/issue/finalize`, { certificate })))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 422])
  })

  it('is renewed by one that is pending too, while the first stays issued', async () => {
    const order = await issued('next.test')
    const { json } = await post(`${order.at}/renew`, undefined, used.app.operator)
    expect(json.certificateData).toBe('')
    expect(await detail(json.uuid)).toMatchObject({ state: 'pending_issue', sourceCertificateUuid: order.uuid })
    expect(await stateOf(order.uuid)).toBe('issued')
    const certificate = (await signed(order)).toString('base64')
    expect((await post(`${place}/certificates/${json.uuid}/issue/finalize`, { certificate })).json.state).toBe('issued')
  })
})

describe('a revocation under an authority elsewhere', () => {
  it('is pending_revoke until it is confirmed, with what was asked for', async () => {
    const order = await issued('confirmed.test')
    const attributes = [attribute('ticket', 'T-17')]
    expect((await revoke(order, { reason: 'superseded', attributes })).status).toBe(204)
    const pending = { state: 'pending_revoke', revokeAttributes: [{ name: 'ticket', content: [{ data: 'T-17' }] }] }
    expect(await detail(order.uuid)).toMatchObject(pending)
    for (const next of ['renew', 'revoke'])
      expect((await post(`${order.at}/${next}`, {}, used.app.operator)).json).toEqual([
        `Cannot perform operation ${next} on certificate with a pending operation. Finalize or cancel the pending operation first.`,
      ])
    const confirm = (by?: Person) => post(`${order.at}/revoke/confirm`, undefined, by)
    expect((await confirm(used.app.operator)).status).toBe(403)
    expect((await confirm()).status).toBe(204)
    expect(await detail(order.uuid)).toMatchObject({ ...pending, state: 'revoked' })
    const found = await doorOf(used.app, used.app.admin).findCertificate({ uuid: order.uuid })
    expect(found).toMatchObject({ status: 'revoked', revocationReason: 'superseded' })
    const again = await confirm()
    expect([again.status, again.json]).toEqual([422, ['Certificate is not in PENDING_REVOKE state']])
  })

  it('destroys the key when it is confirmed, where that was asked, and not before', async () => {
    const { app } = used
    const keeper = await app.person('keeper', { capabilities: ['manage', 'create_cert', 'revoke_cert', 'read'] })
    const store = (await app.call('get', '/v1/tokens', { by: keeper })).json[0].uuid
    const at = `/v1/tokens/${store}/tokenProfiles`
    const attributes = [{ name: 'keySpecs', content: [{ data: 'P-256' }] }]
    const profile = await app.call('post', at, { by: app.admin, body: { name: 'web', enabled: true, attributes } })
    const pair = { name: 'one', attributes: [], enabled: true }
    const key = await post(`${at}/${profile.json.uuid}/keys/keyPair`, pair, keeper)
    const asked = {
      attributes: [attribute('costCentre', 12, 'integer')],
      keyUuid: key.json.uuid,
      tokenProfileUuid: profile.json.uuid,
      csrAttributes: [attribute('commonName', 'held.test'), attribute('subjectAltName', 'DNS:held.test')],
    }
    const { uuid } = (await post(`${place}/certificates`, asked, keeper)).json
    const { content } = (await detail(uuid)).certificateRequest
    const csr = parseCsr(Buffer.from(content, 'base64'))
    const certificate = (await signed({ csr })).toString('base64')
    const one = `${place}/certificates/${uuid}`
    const uploaded = await post(`${one}/issue/finalize`, { certificate })
    expect(uploaded.json).toMatchObject({ state: 'issued', privateKeyAvailability: true })
    const body = { destroyKey: true, attributes: [] }
    expect((await post(`${one}/revoke`, body, keeper)).status).toBe(204)
    const keyState = async () =>
      (await app.call('get', `/v1/keys/${key.json.uuid}`, { by: keeper })).json.items[0].state
    expect([await stateOf(uuid), await keyState()]).toEqual(['pending_revoke', 'active'])
    expect((await post(`${one}/revoke/confirm`)).status).toBe(204)
    expect([await stateOf(uuid), await keyState()]).toEqual(['revoked', 'destroyed'])
  })

  it('is not confirmed where none was asked for', async () => {
    const order = await issued('unasked.test')
    expect((await post(`${order.at}/revoke/confirm`)).status).toBe(422)
    expect(await stateOf(order.uuid)).toBe('issued')
  })
})

describe('cancel', () => {
  it('of a pending issuance leaves it failed, with the reason in its history', async () => {
    const order = await ordered('unwanted.test')
    const answer = await post(`${order.at}/cancel`, { reason: 'the host is gone' }, used.app.operator)
    expect(answer.json).toMatchObject({ uuid: order.uuid, state: 'failed' })
    const history = await used.app.call('get', `/v1/certificates/${order.uuid}/history`)
    expect(history.text).toContain('the host is gone')
    const certificate = (await signed(order)).toString('base64')
    expect((await post(`${order.at}/issue/finalize`, { certificate })).status).toBe(422)
  })

  it('of a pending revocation leaves the certificate issued, and it may be asked for again', async () => {
    const order = await issued('kept.test')
    await revoke(order)
    const answer = await post(`${order.at}/cancel`, undefined, used.app.operator)
    expect([answer.status, answer.json.state]).toEqual([200, 'issued'])
    expect((await revoke(order)).status).toBe(204)
    expect(await stateOf(order.uuid)).toBe('pending_revoke')
  })

  it('takes a reason of 1000 characters and no more, and not from everybody', async () => {
    const order = await ordered('long.test')
    const cancel = (length: number, by = used.app.operator) =>
      post(`${order.at}/cancel`, { reason: 'x'.repeat(length) }, by)
    expect((await cancel(1001)).status).toBe(422)
    expect((await cancel(10, used.app.approver)).status).toBe(403)
    expect((await cancel(10, used.app.stranger)).status).toBe(404)
    expect(await stateOf(order.uuid)).toBe('pending_issue')
    expect((await cancel(1000)).json.state).toBe('failed')
  })

  it('is 422 where the authority may issue already: the state stays, and the certificate comes', async () => {
    const { app } = used
    const upstream = await upstreamWorld(app.world)
    try {
      upstream.small.authorizations = 'valid'
      upstream.small.issues = 'later'
      await app.save('upstream', { authority: upstream.id })
      const at = `/v2/operations/authorities/${upstream.name}/raProfiles/upstream/certificates`
      const csr = await newCsr(['late.test'])
      const { json } = await app.call('post', at, { body: { request: csr.der.toString('base64'), attributes: [] } })
      await upstream.run()
      const refused = await app.call('post', `${at}/${json.uuid}/cancel`)
      expect([refused.status, refused.json]).toEqual([422, [expect.stringMatching(/\w/)]])
      expect(await stateOf(json.uuid)).toBe('pending_issue')
      const order = upstream.small.orders.at(-1)
      if (order) await upstream.small.issue(order)
      await upstream.run(600_000)
      expect(await stateOf(json.uuid)).toBe('issued')
    } finally {
      await upstream.small.close()
    }
  })
})
