import { beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { type Sent, useRaApp, waits } from '../helpers/raApp.ts'
import { INVENTORY as ALL, inventoryOf } from '../helpers/raInventory.ts'

const used = useRaApp()
const { ordered, detail } = inventoryOf(used)

let issued: string
let waiting: string
let rejected: string
let revoked: string
beforeAll(async () => {
  const { app } = used
  const slow = await app.save('slow', { rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] } })
  const narrow = await app.save('narrow', { settings: { certificate: { names: { dns: ['.inside.test'] } } } })
  issued = await ordered({ name: 'issued.one.test' })
  waiting = await ordered({ name: 'waiting.two.test', path: slow.path })
  rejected = await ordered({ name: 'rejected.three.test', path: narrow.path })
  revoked = await ordered({ name: 'revoked.four.test' })
  await app.call('post', `${app.place.path}/certificates/${revoked}/revoke`, {
    body: { reason: 'superseded', attributes: [] },
  })
})

describe('downloads', () => {
  it('give the certificate and its chain in each form', async () => {
    const { app } = used
    const own = await detail(issued)
    const get = async (path: string) => (await app.call('get', `${ALL}/${issued}${path}`)).json
    const octets = async (path: string) => Buffer.from((await get(path)).content, 'base64')
    expect((await octets('/raw?encoding=der')).toString('base64')).toBe(own.certificateContent)
    expect(pemDecode((await octets('/raw?encoding=pem')).toString())[0]?.der.toString('base64')).toBe(
      own.certificateContent,
    )
    expect((await octets('/pkcs7?encoding=der'))[0]).toBe(0x30)
    const chain = await get('/chain?withEndCertificate=true')
    expect(chain.completeChain).toBe(true)
    const contents = chain.certificates.map((one: { certificateContent: string }) => one.certificateContent)
    expect(contents[0]).toBe(own.certificateContent)
    // The contract's own server reads these words too, and clients that were generated for it write them.
    for (const word of ['1', 'yes', 'on']) expect(await get(`/chain?withEndCertificate=${word}`)).toEqual(chain)
    for (const word of ['0', 'no', 'off', 'false'])
      expect((await get(`/chain?withEndCertificate=${word}`)).certificates).toEqual(chain.certificates.slice(1))
    const pem = pemDecode((await octets('/chain/raw?encoding=pem&withEndCertificate=true')).toString())
    expect(pem.map(({ der }) => der.toString('base64'))).toEqual(contents)
    expect(readCertificate(pem.at(-1)?.der ?? Buffer.alloc(0)).isCa).toBe(true)
    expect((await octets('/chain/pkcs7?encoding=der')).length).toBeGreaterThan(500)
  })

  it.each([
    ['a form that nobody knows', '/jks?encoding=pem', 404],
    ['an encoding that nobody knows', '/raw?encoding=base32', 400],
    ['a switch that is neither on nor off', '/chain?withEndCertificate=perhaps', 400],
    ['a chain as one certificate', '/chain/raw?encoding=der&withEndCertificate=true', 422],
  ])('refuse %s', async (_, path, status) => {
    expect((await used.app.call('get', `${ALL}/${issued}${path}`)).status).toBe(status)
  })

  it('of what is not issued are not there; contents leave it out', async () => {
    const { app } = used
    for (const path of ['/raw', '/chain', '/chain/pkcs7'])
      expect((await app.call('get', `${ALL}/${waiting}${path}`)).status).toBe(404)
    const { json } = await app.call('post', `${ALL}/content`, { body: [waiting, issued, 'nothing'] })
    expect(json).toMatchObject([{ uuid: issued, commonName: 'issued.one.test' }])
    expect((await app.call('post', `${ALL}/content`, { body: [issued], by: app.stranger })).json).toEqual([])
    expect((await app.call('post', `${ALL}/content`, { body: new Array(10_000).fill(issued) })).status).toBe(422)
  })
})

describe('history and validation', () => {
  it('tell what happened in the words of the contract', async () => {
    const events = async (uuid: string) =>
      (await used.app.call('get', `${ALL}/${uuid}/history`)).json.map((one: { event: string }) => one.event)
    expect(await events(issued)).toContain('Issue Certificate')
    expect(await events(waiting)).toEqual(['Approve action requested'])
    expect(await events(revoked)).toContain('Revoke Certificate')
    const { json } = await used.app.call('get', `${ALL}/${rejected}/history`)
    expect(json).toMatchObject([{ event: 'Approve action closed', status: 'FAILED', createdBy: 'operator' }])
  })

  it('look at a certificate, and keep what was found', async () => {
    const { app } = used
    const { json } = await app.call('get', `${ALL}/${revoked}/validate`)
    expect(json).toMatchObject({
      resultStatus: 'revoked',
      validationChecks: { signature: { status: 'valid' }, crl_verification: { status: 'revoked' } },
    })
    expect((await detail(revoked)).validationStatus).toBe('revoked')
    expect((await app.call('get', `${ALL}/${waiting}/validate`)).status).toBe(422)
  })

  it('say what is filled in for a request, for all or for an RA profile', async () => {
    const { app } = used
    const asked = (sent: Sent = {}) => app.call('get', `${ALL}/csr/attributes?raProfileUuid=${app.place.profile}`, sent)
    expect((await asked()).status).toBe(200)
    expect((await app.call('get', `${ALL}/csr/attributes`)).status).toBe(200)
    expect((await asked({ by: app.stranger })).status).toBe(404)
  })

  it('start no check of compliance, for findings are always those of now', async () => {
    const { app } = used
    const check = (uuids: string[], sent: Sent = {}) =>
      app.call('post', `${ALL}/compliance`, { body: { certificateUuids: uuids }, ...sent })
    expect((await check([issued])).status).toBe(204)
    expect((await check([issued], { by: app.stranger })).status).toBe(404)
  })
})

describe('what is of another organization is not there', () => {
  it.each(['', '/raw', '/chain', '/chain/pkcs7', '/history', '/locations', '/validate', '/relations'])(
    'GET %s',
    async (path) => {
      const { app } = used
      const foreign = await app.call('get', `${ALL}/${issued}${path}`, { by: app.stranger })
      const none = await app.call('get', `${ALL}/0190a5b0-0000-7000-8000-000000000000${path}`, { by: app.stranger })
      expect([foreign.status, foreign.text]).toEqual([404, none.text])
    },
  )
})
