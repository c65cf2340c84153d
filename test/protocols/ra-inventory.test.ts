import { beforeAll, describe, expect, it } from 'vitest'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { type Sent, useRaApp, waits } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

const used = useRaApp()
const ALL = '/v1/certificates'

/** What older clients demand, as something else than null (pyCZERTAINLY). */
const strict = {
  entry: [
    'uuid',
    'commonName',
    'subjectDn',
    'publicKeyAlgorithm',
    'signatureAlgorithm',
    'keySize',
    'state',
    'validationStatus',
    'privateKeyAvailability',
    'trustedCa',
  ],
  detail: ['keyUsage', 'subjectType', 'certificateContent'],
}

async function order(name: string, { path = used.app.place.path, ...more }: Record<string, unknown> = {}) {
  const csr = await newCsr([name], { subject: { CN: name } })
  const body = { request: csr.der.toString('base64'), attributes: [], ...more }
  const { json } = await used.app.call('post', `${path}/certificates`, { body })
  return json.uuid as string
}

const detail = async (uuid: string, sent: Sent = {}) => (await used.app.call('get', `${ALL}/${uuid}`, sent)).json
const search = (body: unknown, sent: Sent = {}) => used.app.call('post', ALL, { body, ...sent })
const filter = (fieldIdentifier: string, condition: string, value?: unknown) => ({
  fieldSource: 'property',
  fieldIdentifier,
  condition,
  ...(value === undefined ? {} : { value }),
})

let issued: string
let waiting: string
let rejected: string
let revoked: string
beforeAll(async () => {
  const { app } = used
  const slow = await app.save('slow', { rules: { issue: waits, renew: [], rekey: [], revoke: [], export: [] } })
  const narrow = await app.save('narrow', { settings: { certificate: { names: { dns: ['.inside.test'] } } } })
  issued = await order('issued.one.test')
  waiting = await order('waiting.two.test', { path: slow.path })
  rejected = await order('rejected.three.test', { path: narrow.path })
  revoked = await order('revoked.four.test')
  await app.call('post', `${app.place.path}/certificates/${revoked}/revoke`, {
    body: { reason: 'superseded', attributes: [] },
  })
})

describe('the detail of a certificate', () => {
  it('has what strict clients demand in every state, and in lists', async () => {
    const { json } = await search({ itemsPerPage: 100 })
    expect(json.certificates.length).toBeGreaterThanOrEqual(4)
    for (const one of json.certificates) for (const name of strict.entry) expect(one[name], name).not.toBeNull()
    for (const uuid of [issued, waiting, rejected, revoked]) {
      const one = await detail(uuid)
      for (const name of [...strict.entry, ...strict.detail]) expect([null, undefined], name).not.toContain(one[name])
    }
    expect((await detail(waiting)).certificateContent).toBe('')
  })

  it('says what is known of the certificate and its issuer', async () => {
    const { app } = used
    const one = await detail(issued)
    const chain = await app.call('get', `${ALL}/${issued}/chain`)
    expect(one).toMatchObject({
      state: 'issued',
      complianceStatus: 'ok',
      nonCompliantRules: [],
      trustedCa: false,
      archived: false,
      subjectType: 'endEntity',
      groups: [],
      issuerSerialNumber: chain.json.certificates[0].serialNumber,
      certificateRequest: { certificateRequestFormat: 'pkcs10', commonName: 'issued.one.test', attributes: [] },
    })
    expect(one.owner).toBeUndefined()
    expect(one.keyUsage).toContain('digitalSignature')
  })

  it('shows what was filled in with the order and with the revocation, and no secret', async () => {
    const { app } = used
    const asks = (name: string, contentType = 'string') => ({ name, description: '', contentType })
    const { path } = await app.save('asks', {
      options: { issueAttributes: [asks('team'), asks('pin', 'secret')], revokeAttributes: [asks('ticket')] },
    })
    const given = (name: string, data: unknown, contentType = 'string') => ({ name, contentType, content: [{ data }] })
    const uuid = await order('filled.test', {
      path,
      attributes: [given('team', 'shop'), given('pin', { secret: 'hunter2hunter2' }, 'secret')],
    })
    await app.call('post', `${path}/certificates/${uuid}/revoke`, { body: { attributes: [given('ticket', 'T1')] } })
    const one = await detail(uuid)
    expect(one.issueAttributes).toMatchObject([{ name: 'team', content: [{ data: 'shop' }] }, { name: 'pin' }])
    expect(one.revokeAttributes).toMatchObject([{ name: 'ticket', content: [{ data: 'T1' }] }])
    expect(JSON.stringify(one)).not.toContain('hunter2')
  })

  it('says registered of what is registered; lists say requested', async () => {
    const { app } = used
    const expiresAt = new Date(app.world.time.now.getTime() + 3_600_000).toISOString()
    const { json } = await app.call('post', `${app.place.path}/certificates/register`, {
      body: { subjectDn: 'CN=later.test', subjectAltName: 'DNS:later.test', expiresAt },
    })
    expect(await detail(json.uuid)).toMatchObject({
      state: 'registered',
      registration: { state: 'active', expiresAt, failedAttempts: 0 },
    })
    const listed = await search({ filters: [filter('COMMON_NAME', 'EQUALS', 'later.test')] })
    expect(listed.json.certificates).toMatchObject([{ uuid: json.uuid, state: 'requested' }])
  })

  it('relates a renewal to what it renews', async () => {
    const { app } = used
    const old = await order('renewed.test')
    const { json } = await app.call('post', `${app.place.path}/certificates/${old}/renew`)
    expect(await detail(json.uuid)).toMatchObject({ sourceCertificateUuid: old, relatedCertificates: [{ uuid: old }] })
    const relations = await app.call('get', `${ALL}/${old}/relations`)
    expect(relations.json).toMatchObject({
      certificateUuid: old,
      successorCertificates: [{ uuid: json.uuid, relationType: 'renewal' }],
      predecessorCertificates: [],
    })
  })
})

describe('lists', () => {
  it.each([
    ['a common name', [filter('COMMON_NAME', 'EQUALS', 'issued.one.test')], ['issued']],
    ['part of one, without case', [filter('COMMON_NAME', 'CONTAINS', 'ONE.TEST')], ['issued']],
    ['an expression', [filter('COMMON_NAME', 'MATCHES', '^waiting\\.tw.')], ['waiting']],
    ['names', [filter('SUBJECT_ALTERNATIVE_NAMES', 'ENDS_WITH', 'three.test')], ['rejected']],
    ['a state of orders', [filter('CERTIFICATE_STATE', 'EQUALS', 'pending_approval')], ['waiting']],
    [
      'states of orders',
      [filter('CERTIFICATE_STATE', 'EQUALS', ['rejected', 'pending_approval'])],
      ['rejected', 'waiting'],
    ],
    [
      'a state of certificates',
      [filter('CERTIFICATE_STATE', 'EQUALS', 'revoked'), filter('COMMON_NAME', 'CONTAINS', 'four')],
      ['revoked'],
    ],
    ['a profile', [filter('RA_PROFILE_NAME', 'EQUALS', 'narrow')], ['rejected']],
    [
      'an end to come',
      [filter('NOT_AFTER', 'IN_NEXT', 'P10Y'), filter('COMMON_NAME', 'CONTAINS', 'issued.one')],
      ['issued'],
    ],
    ['an end before a day', [filter('NOT_AFTER', 'LESSER', '2001-01-01')], []],
    [
      'a moment',
      [filter('CREATED', 'GREATER', '2001-01-01T00:00:00Z'), filter('COMMON_NAME', 'CONTAINS', 'four')],
      ['revoked'],
    ],
    ['nothing that is there', [filter('REVOKED', 'EMPTY'), filter('COMMON_NAME', 'CONTAINS', 'four')], []],
  ] as const)('filter by %s', async (_, filters, names) => {
    const uuids = { issued, waiting, rejected, revoked }
    const { status, json } = await search({ filters, itemsPerPage: 50 })
    expect(status).toBe(200)
    expect(json.certificates.map((one: { uuid: string }) => one.uuid)).toEqual(names.map((name) => uuids[name]))
    expect(json.totalItems).toBe(names.length)
  })

  it('by serial number and fingerprint, as the detail shows them', async () => {
    const { serialNumber, fingerprint } = await detail(issued)
    for (const one of [filter('SERIAL_NUMBER', 'EQUALS', serialNumber), filter('FINGERPRINT', 'EQUALS', fingerprint)])
      expect((await search({ filters: [one] })).json.certificates).toMatchObject([{ uuid: issued, serialNumber }])
  })

  it('have pages, with how many there are', async () => {
    const whole = (await search({ itemsPerPage: 1000 })).json
    const pages = await Promise.all([1, 2].map((pageNumber) => search({ itemsPerPage: 3, pageNumber })))
    expect(pages.flatMap(({ json }) => json.certificates)).toEqual(whole.certificates.slice(0, 6))
    expect(pages[0]?.json).toMatchObject({
      itemsPerPage: 3,
      totalItems: whole.totalItems,
      totalPages: Math.ceil(whole.totalItems / 3),
    })
    const { status, json } = await used.app.call('post', ALL)
    expect([status, json.itemsPerPage, json.pageNumber]).toEqual([200, 10, 1])
  })

  it('show nothing of another organization, and to who may read nothing what he ordered himself', async () => {
    expect((await search({}, { by: used.app.stranger })).json).toMatchObject({ certificates: [], totalItems: 0 })
    const nobody = await used.app.person('nobody')
    expect((await search({}, { by: nobody })).json.totalItems).toBe(0)
  })

  it('can be asked for every field, and with every condition, that the search says', async () => {
    const { json } = await used.app.call('get', `${ALL}/search`)
    const values: Record<string, unknown> = { string: 'a', list: 'issued' }
    const fields: { fieldIdentifier: string; type: string; conditions: string[] }[] = json[0].searchFieldData
    const whole = ['COMMON_NAME', 'NOT_AFTER', 'CERTIFICATE_STATE']
    for (const [n, { fieldIdentifier, type, conditions }] of fields.entries())
      for (const condition of whole.includes(fieldIdentifier)
        ? conditions
        : [conditions[n % conditions.length] ?? '']) {
        const value = /^IN_/.test(condition) ? 'P1M' : (values[type] ?? '2026-01-01')
        const body = { filters: [filter(fieldIdentifier, condition, /EMPTY/.test(condition) ? undefined : value)] }
        expect((await search(body)).status, `${fieldIdentifier} ${condition}`).toBe(200)
      }
  })

  it.each([
    ['another source', { ...filter('COMMON_NAME', 'EQUALS', 'a'), fieldSource: 'custom' }, 'fieldSource custom'],
    ['a field that nobody knows', filter('SHOE_SIZE', 'EQUALS', 'a'), 'fieldIdentifier SHOE_SIZE'],
    ['a name of every object', filter('constructor', 'EQUALS', 'a'), 'fieldIdentifier constructor'],
    ['a condition that nobody knows', filter('COMMON_NAME', 'LIKE', 'a'), 'condition LIKE'],
    ['a condition for dates', filter('COMMON_NAME', 'IN_NEXT', 'P1D'), 'condition IN_NEXT'],
    ['a state that nobody knows', filter('CERTIFICATE_STATE', 'EQUALS', 'lost'), 'value of CERTIFICATE_STATE'],
    ['states of both kinds', filter('CERTIFICATE_STATE', 'EQUALS', ['issued', 'failed']), 'value of CERTIFICATE_STATE'],
    ['no value', filter('COMMON_NAME', 'EQUALS'), 'value of COMMON_NAME'],
    ['truth in place of text', filter('COMMON_NAME', 'EQUALS', true), 'value of COMMON_NAME'],
    ['30 February', filter('NOT_AFTER', 'EQUALS', '2026-02-30'), 'value of NOT_AFTER'],
    ['a length of time that is none', filter('NOT_AFTER', 'IN_NEXT', 'P'), 'value of NOT_AFTER'],
    ['a length of time beyond all', filter('NOT_AFTER', 'IN_PAST', 'P9999Y99999M99999W'), ''],
    ['an expression that is none', filter('COMMON_NAME', 'MATCHES', '('), 'commonName'],
  ])('refuse %s by name', async (_, one, sentence) => {
    const { status, json } = await search({ filters: [one] })
    expect([200, 422]).toContain(status)
    if (sentence !== '') expect([status, json[0]]).toEqual([422, expect.stringContaining(sentence)])
  })

  it('refuse a state of orders beside what only a certificate has', async () => {
    const filters = [filter('CERTIFICATE_STATE', 'EQUALS', 'failed'), filter('SERIAL_NUMBER', 'EQUALS', '00')]
    expect((await search({ filters })).status).toBe(422)
  })

  it.each([
    ['ten thousand filters', { filters: new Array(10_000).fill(filter('COMMON_NAME', 'EQUALS', 'a')) }, 422],
    ['a text of nearly 1 MiB', { filters: [filter('COMMON_NAME', 'EQUALS', 'a'.repeat(1_000_000))] }, 422],
    ['a field of nearly 1 MiB', { filters: [filter('A'.repeat(1_000_000), 'EQUALS', 'a')] }, 422],
    ['a page before the first', { pageNumber: 0 }, 422],
    ['too many on a page', { itemsPerPage: 100_000 }, 422],
    ['a page that is text', { pageNumber: '1' }, 400],
    ['a list', [], 400],
  ])('refuse %s', async (_, body, status) => {
    expect((await search(body)).status).toBe(status)
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
    const pem = pemDecode((await octets('/chain/raw?encoding=pem&withEndCertificate=true')).toString())
    expect(pem.map(({ der }) => der.toString('base64'))).toEqual(contents)
    expect(readCertificate(pem.at(-1)?.der ?? Buffer.alloc(0)).isCa).toBe(true)
    expect((await octets('/chain/pkcs7?encoding=der')).length).toBeGreaterThan(500)
  })

  it.each([
    ['a form that nobody knows', '/jks?encoding=pem', 404],
    ['an encoding that nobody knows', '/raw?encoding=base32', 400],
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
