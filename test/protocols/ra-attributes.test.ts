import { describe, expect, it } from 'vitest'
import { useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** What a profile asks of clients, and what is said to answers that do not fit. */

const used = useRaApp()
const day = 86_400_000

const attribute = (name: string, data: unknown, contentType?: string) => ({
  name,
  ...(contentType ? { contentType } : {}),
  content: [{ data }],
})

const issueAttributes = [
  {
    name: 'costCentre',
    label: 'Cost centre',
    description: 'who pays',
    contentType: 'integer',
    required: true,
    constraints: [{ type: 'range', data: { from: 1000, to: 9999 } }],
  },
  {
    name: 'host',
    contentType: 'string',
    constraints: [{ type: 'regExp', data: '[a-z]+', errorMessage: 'is lower-case letters' }],
  },
  { name: 'site', contentType: 'string', choices: ['north', 'south'], multiSelect: true },
  {
    name: 'from',
    contentType: 'datetime',
    constraints: [{ type: 'dateTime', data: { from: '2026-01-01T00:00:00Z' } }],
  },
  { name: 'pin', contentType: 'secret' },
]
const revokeAttributes = [{ name: 'ticket', contentType: 'string', required: true }]

let made = 0
async function place(options: object = { issueAttributes, revokeAttributes }): Promise<string> {
  const certificate = { overrides: ['validity'], validity: { default: '30d', max: '90d' } }
  const variants = { short: { validity: { default: '1d' }, description: 'for a day' } }
  made += 1
  return (await used.app.save(`attributes-${made}`, { settings: { certificate, variants }, options })).path
}
const validate = (path: string, kind: string, body: unknown) =>
  used.app.call('post', `${path}/attributes/${kind}/validate`, { body })

describe('attributes to order by', () => {
  it('are listed with their types, labels, choices and constraints', async () => {
    const { json } = await used.app.call('get', `${await place()}/attributes/issue`)
    expect(json.map(({ name }: { name: string }) => name)).toEqual([
      'validity',
      'variant',
      'costCentre',
      'host',
      'site',
      'from',
      'pin',
    ])
    const [validity, variant, cost, , site, , pin] = json
    expect(validity).toMatchObject({
      contentType: 'integer',
      constraints: [{ type: 'range', data: { from: 1, to: 90 } }],
    })
    expect(variant).toMatchObject({ description: 'short: for a day', content: [{ reference: 'short', data: 'short' }] })
    expect(cost).toEqual({
      uuid: expect.stringMatching(/^[0-9a-f]{8}-/),
      name: 'costCentre',
      description: 'who pays',
      version: 2,
      type: 'data',
      contentType: 'integer',
      properties: {
        label: 'Cost centre',
        visible: true,
        required: true,
        readOnly: false,
        list: false,
        multiSelect: false,
        protectionLevel: 'none',
        extensibleList: false,
      },
      constraints: [{ type: 'range', description: '', errorMessage: '', data: { from: 1000, to: 9999 } }],
    })
    expect(site).toMatchObject({
      properties: { list: true, multiSelect: true },
      content: [{ reference: 'north', data: 'north' }, { data: 'south' }],
    })
    expect(pin.properties.protectionLevel).toBe('encrypted')
  })

  it('are those of the profile as it is now, under the same uuids', async () => {
    const path = await place()
    const list = async () => (await used.app.call('get', `${path}/attributes/issue`)).json
    const [validity, , cost] = await list()
    await used.app.save(`attributes-${made}`, { options: { issueAttributes: issueAttributes.slice(0, 1) } })
    const later = await list()
    expect(later).toMatchObject([
      { name: 'validity', uuid: validity.uuid },
      { name: 'costCentre', uuid: cost.uuid },
    ])
    expect(later).toHaveLength(2)
  })

  it('that fit are 200 without a body', async () => {
    const good = [
      { ...attribute('costCentre', 1234, 'integer'), uuid: crypto.randomUUID(), version: 'v3' },
      attribute('validity', 7),
      {
        name: 'site',
        content: [
          { data: 'north', contentType: 'string' },
          { data: 'south', reference: 'South' },
        ],
      },
      attribute('from', '2026-06-01T00:00:00.000+02:00'),
      attribute('pin', { secret: '1234' }),
    ]
    const { status, text } = await validate(await place(), 'issue', good)
    expect([status, text]).toEqual([200, ''])
  })

  it.each([
    ['one that is missing', [], 'Attribute costCentre is required'],
    ['one that nobody knows', [attribute('colour', 'red')], 'Attribute colour is not known here'],
    [
      'another type',
      [attribute('costCentre', '1234', 'string')],
      'Attribute costCentre: content type is integer, not string',
    ],
    ['a text for a number', [attribute('costCentre', '1234')], 'Attribute costCentre: is a whole number'],
    ['what is too large', [attribute('costCentre', 10_000)], 'Attribute costCentre: is at most 9999'],
    ['no value', [{ name: 'costCentre', content: [] }], 'Attribute costCentre: a value is required'],
    ['what does not match', [attribute('host', 'A1')], 'Attribute host: is lower-case letters'],
    ['what is no choice', [attribute('site', 'west')], 'Attribute site: is one of north, south'],
    [
      'what is too early',
      [attribute('from', '2025-12-31T00:00:00Z')],
      'Attribute from: is not before 2026-01-01T00:00:00Z',
    ],
    ['more days than there may be', [attribute('validity', 91)], 'Attribute validity: is at most 90'],
    ['a variant that there is not', [attribute('variant', 'long')], 'Attribute variant: is one of short'],
    ['one twice', [attribute('host', 'a'), attribute('host', 'b')], 'Attribute host comes twice'],
    [
      'several values of one',
      [{ name: 'host', content: [{ data: 'a' }, { data: 'b' }] }],
      'Attribute host: takes one value',
    ],
  ])('that do not fit are 422 with a sentence for each: %s', async (_, given, said) => {
    const { status, json } = await validate(await place(), 'issue', given)
    expect(status).toBe(422)
    expect(json).toContain(said)
  })

  it('that do not fit are all told of at once, and order nothing', async () => {
    const path = await place()
    const wrong = [attribute('host', 'A1'), attribute('colour', 'red')]
    const told = (await validate(path, 'issue', wrong)).json
    expect(told).toHaveLength(3)
    const request = (await newCsr(['wrong.test'])).der.toString('base64')
    const ordered = await used.app.call('post', `${path}/certificates`, { body: { request, attributes: wrong } })
    expect([ordered.status, ordered.json]).toEqual([422, told])
    const { json } = await used.app.call('get', `/v1/countersign/signRequests?profile=attributes-${made}`)
    expect(json.requests).toEqual([])
  })

  it('choose what the profile leaves open, and are shown with the order, but no secret', async () => {
    const path = await place()
    const request = (await newCsr(['chosen.test'])).der.toString('base64')
    const attributes = [
      attribute('validity', 7, 'integer'),
      attribute('costCentre', 1234, 'integer'),
      attribute('pin', { secret: 'hunter2' }, 'secret'),
    ]
    const { json } = await used.app.call('post', `${path}/certificates`, { body: { request, attributes } })
    const detail = await used.app.call('get', `/v1/certificates/${json.uuid}`)
    expect(Math.round((Date.parse(detail.json.notAfter) - Date.parse(detail.json.notBefore)) / day)).toBe(7)
    expect(detail.json.issueAttributes).toMatchObject([
      { name: 'validity', type: 'data', contentType: 'integer', version: 'v2', content: [{ data: 7 }] },
      { name: 'costCentre', content: [{ data: 1234 }] },
      { name: 'pin', contentType: 'secret' },
    ])
    expect(detail.text).not.toContain('hunter2')
  })
})

describe('each content type', () => {
  it.each([
    ['string', ['a'], [1, null, 'a\u0000']],
    ['text', ['a\nb'], [['a']]],
    ['integer', [0, -7], [1.5, '1', 2 ** 60]],
    ['float', [1.5, 2], ['1.5']],
    ['boolean', [true, false], ['true', 1]],
    ['date', ['2028-02-29'], ['2027-02-29', '28.2.2027', '2027-2-1']],
    ['time', ['23:59:59'], ['24:00:00', '1:00:00']],
    ['datetime', ['2027-01-31T00:00:00Z', '2027-01-31T00:00:00.123+01:00'], ['2027-01-31', '2027-02-30T00:00:00Z']],
    ['secret', [{ secret: 's' }], ['s', { value: 's' }]],
    ['file', [{ content: 'QQ==', fileName: 'a.txt', mimeType: 'text/plain' }], ['QQ==', { content: 'QQ==' }]],
    ['codeblock', [{ language: 'sh', code: 'bHM=' }], ['ls', { code: 'bHM=' }]],
    ['credential', [{ uuid: crypto.randomUUID(), name: 'vault', kind: 'Basic' }], ['vault', { name: 'vault' }]],
    ['object', [{}, { a: [1, { b: null }] }], ['a', 1, [1], null, { a: 'x'.repeat(65_537) }]],
    ['resource', [{ uuid: crypto.randomUUID(), name: 'a group' }], ['a group', { uuid: 'x', name: 'a group' }]],
  ])('takes %s as the contract writes it, and nothing else', async (contentType, good, bad) => {
    const path = await place({ issueAttributes: [{ name: 'value', contentType }] })
    for (const data of good)
      expect((await validate(path, 'issue', [attribute('value', data, contentType)])).text).toBe('')
    for (const data of bad)
      expect((await validate(path, 'issue', [attribute('value', data)])).json).toEqual([
        expect.stringContaining('Attribute value: is '),
      ])
  })

  it('must be one of the contract', async () => {
    const answer = await validate(await place(), 'issue', [attribute('costCentre', 1234, 'number')])
    expect(answer.status).toBe(400)
    const nameless = await validate(await place(), 'issue', [{ content: [{ data: 1 }] }])
    expect(nameless.status).toBe(422)
  })
})

describe('attributes to revoke by', () => {
  it('are listed, validated, and asked of who revokes', async () => {
    const path = await place()
    const listed = await used.app.call('get', `${path}/attributes/revoke`)
    expect(listed.json).toMatchObject([{ name: 'ticket', contentType: 'string', properties: { required: true } }])
    expect((await validate(path, 'revoke', [attribute('ticket', 'T-1')])).text).toBe('')
    expect((await validate(path, 'revoke', [])).json).toEqual(['Attribute ticket is required'])
    const request = (await newCsr(['ticket.test'])).der.toString('base64')
    const attributes = [attribute('costCentre', 1234)]
    const { json } = await used.app.call('post', `${path}/certificates`, { body: { request, attributes } })
    const revoke = (body: object) => used.app.call('post', `${path}/certificates/${json.uuid}/revoke`, { body })
    expect((await revoke({ attributes: [] })).json).toEqual(['Attribute ticket is required'])
    const detail = async () => (await used.app.call('get', `/v1/certificates/${json.uuid}`)).json
    expect((await detail()).state).toBe('issued')
    expect((await revoke({ attributes: [attribute('ticket', 'T-1')] })).status).toBe(204)
    expect(await detail()).toMatchObject({ state: 'revoked', revokeAttributes: [{ name: 'ticket' }] })
  })
})

describe('attributes', () => {
  it('are not shown to another organization, nor to nobody', async () => {
    const path = await place()
    for (const kind of ['issue', 'revoke']) {
      const get = (by: typeof used.app.stranger | null) => used.app.call('get', `${path}/attributes/${kind}`, { by })
      expect((await get(used.app.stranger)).status).toBe(404)
      expect((await get(null)).status).toBe(401)
    }
  })
})
