import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import { databases } from '../helpers/databases.ts'
import { attribute, createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { audited, failure } from '../helpers/people.ts'

describe.each(databases)('attributes of certificates, on $name', ({ open }) => {
  let it: InventoryWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    it = await createInventoryWorld(opened.db)
  })
  afterAll(() => close())

  const of: InventoryWorld['of'] = (user) => it.of(user)
  const order: InventoryWorld['order'] = (name, more) => it.order(name, more)
  const group = async (name: string, by = it.people.chief) => (await it.people.as(by).groups.create({ name })).uuid

  test('attributes and metadata are kept, replaced, and pass to what renews it in its transaction', async () => {
    const { id, uuid } = await order()
    const team = await group('team')
    await of().setAttributes(uuid, [attribute('cost', 'A 1'), attribute('n', 7, 'integer')])
    await of().setAttributes(uuid, [attribute('cost', 'A 2'), attribute('when', '2027-02-28', 'date')])
    await of().setMetadata(id, [attribute('host', 'a.test')])
    await of().assign([uuid], { owner: it.people.alice.uuid, groups: [team] })
    const kept = {
      attributes: [attribute('cost', 'A 2'), attribute('when', '2027-02-28', 'date')],
      metadata: [attribute('host', 'a.test')],
      owner: { name: 'alice', uuid: it.people.alice.uuid },
      groups: [{ name: 'team', uuid: team }],
    }
    expect(await of(it.people.alice).entry(uuid)).toMatchObject(kept)
    const renewed = await order('again.auto.test', { action: 'renew', renews: id })
    const waiting = await order('again.auto.test', { action: 'rekey', renews: id })
    expect([renewed.status, waiting.status]).toEqual(['signed', 'requested'])
    for (const next of [renewed, waiting]) expect(await of().entry(next.id)).toMatchObject(kept)
    expect((await audited(it.world, 'certificate.attributes')).at(-1)).toMatchObject({
      subject_id: id,
      details: { names: ['cost', 'when'] },
    })
  })

  test('attributes that do not fit change nothing', async () => {
    const { uuid } = await shared()
    await of().setAttributes(uuid, [attribute('x', 'a')])
    await expect(of().setAttributes(uuid, [attribute('x', 5)])).rejects.toMatchObject(failure('malformed', /no string/))
    await expect(of().setMetadata(uuid, [attribute('x', 5)])).rejects.toMatchObject(failure('malformed', /no string/))
    expect(await of().entry(uuid)).toMatchObject({ attributes: [attribute('x', 'a')], metadata: [] })
    await of().setAttributes(uuid, [])
  })

  test('locations have a description and custom attributes, which are held against what is defined for locations', async () => {
    const definition = { label: 'Room', contentType: 'string', constraints: { regExp: '[A-Z][0-9]+' } } as const
    const { uuid } = await of().attributes.add({ ...definition, name: 'room', resources: ['locations'] })
    const folder = (name: string, more: object) =>
      of().locations.add({ name, kind: 'folder', settings: { path: name }, ...more })
    const made = await folder('said', { description: 'the web farm', attributes: [attribute('room', 'B7')] })
    const read = async () => (await of().locations.list()).find((one) => one.uuid === made.uuid)
    expect(await read()).toEqual(made)
    expect(made).toMatchObject({ description: 'the web farm', attributes: [{ name: 'room', label: 'Room' }] })
    const wrong = { attributes: [attribute('room', 'cellar')] }
    await expect(of().locations.change(made.uuid, wrong)).rejects.toMatchObject(failure('malformed'))
    await expect(folder('wrong', wrong)).rejects.toMatchObject(failure('malformed'))
    await expect(of().locations.change(made.uuid, { description: 'a\u0000b' })).rejects.toMatchObject(
      failure('malformed'),
    )
    await of().locations.change(made.uuid, { enabled: true })
    expect(await read()).toEqual(made)
    await of().locations.change(made.uuid, { description: null, attributes: [attribute('wing', 'east')] })
    expect(await read()).toMatchObject({ attributes: [{ name: 'wing' }] })
    expect(await read()).not.toHaveProperty('description')
    const told = JSON.stringify(await audited(it.world, 'location.changed'))
    await of().attributes.remove(uuid)
    expect(told).toContain('wing')
    expect(told).not.toContain('east')
  })

  let one: Promise<SignRequest> | undefined
  const shared = () => {
    one ??= order('shared.auto.test')
    return one
  }

  test('definitions say what attributes are like, in their organization', async () => {
    const { uuid } = await order()
    const define = of().attributes
    const cost = await define.add({
      name: 'Cost',
      label: 'Cost centre',
      contentType: 'string',
      constraints: { regExp: '[0-9]{4}' },
    })
    await define.add({
      name: 'size',
      label: 'Size',
      contentType: 'integer',
      list: true,
      constraints: { range: { from: 1, to: 9 } },
    })
    const until = await define.add({
      name: 'until',
      label: 'Until',
      contentType: 'date',
      required: true,
      constraints: { dateTime: { from: '2027-01-01T00:00:00Z' } },
    })
    const day = attribute('until', '2027-06-01', 'date')
    await of().setAttributes(uuid, [
      attribute('Cost', '1234'),
      day,
      { ...attribute('size', 1, 'integer'), content: [{ data: 1 }, { data: 9 }] },
    ])
    expect((await of().entry(uuid)).attributes[0]).toMatchObject({ uuid: cost.uuid, label: 'Cost centre' })
    for (const [given, why] of [
      [[attribute('Cost', '1234')], /until is required/],
      [[day, attribute('Cost', '12345')], /written like/],
      [[day, attribute('Cost', 5, 'integer')], /its contentType is string/],
      [[day, { ...attribute('Cost', '1234'), content: [{ data: '1234' }, { data: '1235' }] }], /one value/],
      [[day, attribute('size', 10, 'integer')], /from 1 to 9/],
      [[attribute('until', '2026-12-31', 'date')], /from 2027/],
    ] as const)
      await expect(of().setAttributes(uuid, given)).rejects.toMatchObject(failure('malformed', why))
    expect((await define.list()).map(({ name }) => name)).toEqual(['Cost', 'size', 'until'])
    expect(await of(it.people.stranger).attributes.list()).toEqual([])
    const again = { name: 'Cost', label: 'x', contentType: 'string' } as const
    await expect(define.add(again)).rejects.toMatchObject(failure('conflict'))
    await expect(define.add({ ...again, name: 'y', constraints: { regExp: '(' } })).rejects.toMatchObject(
      failure('malformed'),
    )
    await expect(of(it.people.alice).attributes.add({ ...again, name: 'z' })).rejects.toMatchObject(
      failure('forbidden'),
    )
    await expect(of(it.people.stranger).attributes.remove(until.uuid)).rejects.toMatchObject(failure('notFound'))
    for (const { uuid: gone } of await define.list()) await define.remove(gone)
    await of().setAttributes(uuid, [])
  })

  test('the audit trail agrees with all of it', async () => {
    expect((await verifyAudit(it.world.it.db, it.world.it.auditSecret)).problems).toEqual([])
  })
})
