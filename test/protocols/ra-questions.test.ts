import { describe, expect, it } from 'vitest'
import { useRaApp } from '../helpers/raApp.ts'
import { newCsr } from '../helpers/world.ts'

/** Questions that depend on answers, or are no fields; and those that are answered later. */

const used = useRaApp()
const day = 86_400_000

const attribute = (name: string, data: unknown) => ({ name, content: [{ data }] })

const costCentre = {
  name: 'costCentre',
  contentType: 'integer',
  required: true,
  constraints: [{ type: 'range', data: { from: 1000, to: 9999 } }],
}
const plain = [costCentre, { name: 'host' }, { name: 'pin', contentType: 'secret' }]

let made = 0
async function place(options: object = { issueAttributes: plain }): Promise<string> {
  const certificate = { overrides: ['validity'], validity: { default: '30d', max: '90d' } }
  made += 1
  return (await used.app.save(`questions-${made}`, { settings: { certificate }, options })).path
}
const validate = (path: string, kind: string, body: unknown) =>
  used.app.call('post', `${path}/attributes/${kind}/validate`, { body })

describe('attributes of what is ordered later', () => {
  it('come with a registration under both names, and with its order beside those', async () => {
    const path = await place()
    const issue = async (uuid: string, attributes: object[]) => {
      const request = (await newCsr(['later.test'], { subject: { CN: 'later.test' } })).der.toString('base64')
      return used.app.call('post', `${path}/certificates/${uuid}/issue`, { body: { request, attributes } })
    }
    const register = (body: object) =>
      used.app.call('post', `${path}/certificates/register`, {
        body: { subjectDn: 'CN=later.test', subjectAltName: 'DNS:later.test', ...body },
      })
    const [validity, cost] = [attribute('validity', 7), attribute('costCentre', 1234)]
    expect((await register({ raProfileAttributes: [attribute('costCentre', 12)] })).json).toEqual([
      'Attribute costCentre: is at least 1000',
    ])
    expect((await register({ attributes: [cost], raProfileAttributes: [cost] })).json).toEqual([
      'Attribute costCentre comes twice',
    ])
    const { uuid } = (await register({ attributes: [validity], raProfileAttributes: [cost] })).json
    expect((await issue(uuid, [validity])).json).toEqual([
      'Attribute validity was fixed when the order was stored: leave it out',
    ])
    expect((await issue(uuid, [attribute('costCentre', 12)])).json).toEqual(['Attribute costCentre: is at least 1000'])
    const pin = attribute('pin', { secret: 'hunter2' })
    expect((await issue(uuid, [attribute('costCentre', 4321), attribute('host', 'a'), pin])).status).toBe(200)
    const { json, text } = await used.app.call('get', `/v1/certificates/${uuid}`)
    expect(Math.round((Date.parse(json.notAfter) - Date.parse(json.notBefore)) / day)).toBe(7)
    expect(
      json.issueAttributes.map(({ name, content }: { name: string; content?: object }) => [name, content]),
    ).toEqual([
      ['validity', [{ data: 7 }]],
      ['costCentre', [{ data: 4321 }]],
      ['host', [{ data: 'a' }]],
      ['pin', undefined],
    ])
    expect(text).not.toContain('hunter2')
  })
})

describe('questions that are more than a field', () => {
  const rich = [
    { type: 'info', name: 'note', default: 'Ask the **office** for a cost centre.', contentType: 'text' },
    { name: 'site', contentType: 'string', choices: ['north', 'south'], group: 'Where', default: 'north' },
    {
      name: 'room',
      contentType: 'string',
      required: true,
      dependsOn: 'site',
      choicesBy: { north: ['N1', 'N2'], south: ['S1'] },
    },
    {
      type: 'group',
      name: 'extra',
      dependsOn: 'site',
      questionsBy: { south: [{ name: 'floor', contentType: 'integer', required: true }] },
    },
    { name: 'tier', contentType: 'string', default: 'gold', readOnly: true },
    { name: 'colour', contentType: 'string', choices: ['red'], extensible: true, visible: false },
    { name: 'team', contentType: 'resource', resource: 'groups' },
    { name: 'login', contentType: 'credential' },
  ]
  const rooms = async (path: string, body: object) => {
    const profile = path.split('/').at(-1)
    return used.app.call('post', `/v1/raProfiles/${profile}/callback`, { body })
  }

  it('are listed with what they show, what holds, and how to ask what depends on them', async () => {
    const { json } = await used.app.call('get', `${await place({ issueAttributes: rich })}/attributes/issue`)
    const [note, site, room, extra, tier, colour, team] = json.slice(1)
    expect(note).toMatchObject({ type: 'info', content: [{ data: rich[0]?.default }], properties: { readOnly: true } })
    expect(site.properties).toMatchObject({ group: 'Where', list: true })
    expect(room.attributeCallback).toEqual({
      callbackContext: 'raProfiles',
      callbackMethod: 'POST',
      mappings: [
        { from: 'site', attributeType: 'data', attributeContentType: 'string', to: 'site', targets: ['body'] },
      ],
    })
    expect(room).not.toHaveProperty('content')
    expect(extra).toMatchObject({ type: 'group', attributeCallback: { mappings: [{ from: 'site' }] } })
    expect(extra).not.toHaveProperty('contentType')
    expect(tier).toMatchObject({ content: [{ data: 'gold' }], properties: { readOnly: true } })
    expect(colour.properties).toMatchObject({ extensibleList: true, visible: false, list: true })
    expect(team).toMatchObject({ version: 3, schemaVersion: 'v3', properties: { resource: 'groups' } })
  })

  it('say by their callback what an answer makes of another question', async () => {
    const path = await place({ issueAttributes: rich })
    const list = (await used.app.call('get', `${path}/attributes/issue`)).json
    const { uuid } = list.find(({ name }: { name: string }) => name === 'room')
    const chosen = [
      { reference: 'N1', data: 'N1' },
      { reference: 'N2', data: 'N2' },
    ]
    for (const site of ['north', { data: 'north' }, [{ reference: 'North', data: 'north' }]])
      expect((await rooms(path, { uuid, body: { site } })).json).toEqual(chosen)
    expect((await rooms(path, { name: 'room', pathVariable: { site: 'west' } })).json).toEqual([])
    const floor = await rooms(path, { name: 'extra', body: { site: 'south' } })
    expect(floor.json).toMatchObject([{ name: 'floor', contentType: 'integer', properties: { required: true } }])
    expect((await rooms(path, { name: 'extra', body: { site: 'constructor' } })).json).toEqual([])
    expect((await rooms(path, { name: 'room', body: {} })).json).toEqual([
      'body: site: the answer on which room depends is required',
    ])
    expect((await rooms(path, { name: 'site', body: { site: 'north' } })).status).toBe(404)
    expect((await rooms('x/00000000-0000-4000-8000-000000000000', { name: 'room', body: {} })).status).toBe(404)
  })

  it.each([
    ['nothing: the choice of the default', [], 'Attribute room is required'],
    ['a room of the other site', [attribute('room', 'S1')], 'Attribute room: is one of N1, N2'],
    ['a room of a site that has none', [attribute('site', 'west'), attribute('room', 'N1')], 'is one of north, south'],
    ['what only another answer asks', [attribute('floor', 1)], 'Attribute floor is not known here'],
    ['not what this answer asks', [attribute('site', 'south')], 'Attribute floor is required'],
    ['what is only read', [attribute('note', 'x')], 'Attribute note: is only read: leave it out'],
    ['what is fixed', [attribute('tier', 'silver')], 'Attribute tier: is fixed: leave it out'],
    ['a group', [attribute('extra', 'x')], 'Attribute extra is not known here'],
  ])('refuse %s', async (_, given, said) => {
    const { status, text } = await validate(await place({ issueAttributes: rich }), 'issue', given)
    expect([status, text]).toEqual([422, expect.stringContaining(said)])
  })

  it('are kept with the order, defaults too, items of v3 with their type; of a credential only which', async () => {
    const path = await place({ issueAttributes: rich })
    const request = (await newCsr(['rich.test'])).der.toString('base64')
    const login = { uuid: crypto.randomUUID(), name: 'vault', kind: 'Basic' }
    const team = { uuid: crypto.randomUUID(), name: 'web' }
    const attributes = [
      attribute('site', 'south'),
      attribute('room', 'S1'),
      attribute('floor', 3),
      attribute('colour', 'blue'),
      { ...attribute('team', team), version: 'v3' },
      attribute('login', { ...login, attributes: [{ name: 'password', content: [{ data: 'hunter2' }] }] }),
    ]
    const { json } = await used.app.call('post', `${path}/certificates`, { body: { request, attributes } })
    const detail = await used.app.call('get', `/v1/certificates/${json.uuid}`)
    const shown = detail.json.issueAttributes.map(({ name, content }: { name: string; content: object }) => [
      name,
      content,
    ])
    expect(shown).toEqual([
      ['site', [{ data: 'south' }]],
      ['room', [{ data: 'S1' }]],
      ['floor', [{ data: 3 }]],
      ['colour', [{ data: 'blue' }]],
      ['team', [{ data: team, contentType: 'resource' }]],
      ['login', [{ data: login }]],
      ['tier', [{ data: 'gold' }]],
    ])
    expect(detail.text).not.toContain('hunter2')
  })

  it.each([
    ['a question on which it depends and that comes later', [{ ...rich[2], contentType: 'string' }, rich[1]]],
    ['choices by an answer to nothing', [{ name: 'a', choicesBy: { b: ['c'] } }]],
    ['a group without questions', [rich[1], { type: 'group', name: 'a', dependsOn: 'site' }]],
    ['something to read without text', [{ type: 'info', name: 'a' }]],
    ['two of one name', [rich[1], rich[1]]],
  ])('are no profile with %s', async (_, issueAttributes) => {
    await expect(place({ issueAttributes })).rejects.toThrow()
  })
})
