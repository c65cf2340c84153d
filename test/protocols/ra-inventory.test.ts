import { beforeAll, describe, expect, it } from 'vitest'
import { type Sent, useRaApp, waits } from '../helpers/raApp.ts'
import { INVENTORY, inventoryOf } from '../helpers/raInventory.ts'

const used = useRaApp()
const ALL = INVENTORY

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

const { ordered, detail } = inventoryOf(used)
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
  issued = await ordered({ name: 'issued.one.test' })
  waiting = await ordered({ name: 'waiting.two.test', path: slow.path })
  rejected = await ordered({ name: 'rejected.three.test', path: narrow.path })
  revoked = await ordered({ name: 'revoked.four.test' })
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
    const uuid = await ordered({
      name: 'filled.test',
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
    const old = await ordered({ name: 'renewed.test' })
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
