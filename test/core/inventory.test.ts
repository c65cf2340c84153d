import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findCertificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import type { SignRequest } from '../../src/core/request.ts'
import type { Requester } from '../../src/core/requester.ts'
import { uuidv7 } from '../../src/core/uuid.ts'
import { verifyAudit } from '../../src/core/verify.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { audited, createPeople, failure, type People } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

const rules = {
  issue: [
    { name: 'own', when: 'identifiers.exists(i, i.value.endsWith(".auto.test"))', auto: true },
    { name: 'ask', require: [{ owner: true }] },
  ],
  renew: [{ name: 'all', auto: true }],
  rekey: [{ name: 'people look', require: [{ users: ['chief'] }] }],
}

describe.each(databases)('the inventory, on $name', ({ open }) => {
  let world: World
  let people: People
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    people = await createPeople(world)
    await world.save('kept', { rules })
    await people.give(people.alice, 'read')
  })
  afterAll(() => close())

  const of = (user = people.chief) => people.as(user).inventory
  interface Order {
    action?: 'issue' | 'renew' | 'rekey'
    renews?: number
    by?: Requester
  }
  let names = 0
  async function order(name = `n${++names}.auto.test`, { action = 'issue', renews, by = acmeAccount() }: Order = {}) {
    const csr = await newCsr([name])
    const draft = { profile: await world.profile('kept'), protocol: 'acme', action, csr, refusal: 'store' } as const
    const more = {
      identifiers: csr.identifiers,
      validated: csr.identifiers,
      ...(renews === undefined ? {} : { renews }),
    }
    return (await world.core.as(by).sign({ ...draft, ...more })).request
  }
  const group = async (name: string, by = people.chief) => (await people.as(by).groups.create({ name })).uuid
  const attribute = (name: string, data: unknown, contentType = 'string') => ({
    name,
    contentType,
    content: [{ data }],
  })

  test('an entry says what the certificate says, and nothing more than is known', async () => {
    const { id, uuid } = await order('entry.auto.test')
    const entry = await of(people.alice).entry(uuid)
    expect(entry).toMatchObject({
      item: { id, uuid, status: 'signed', source: 'managed', foreign: false },
      facts: {
        commonName: 'entry.auto.test',
        subjectType: 'endEntity',
        alternativeNames: { dNSName: ['entry.auto.test'] },
      },
      groups: [],
      attributes: [],
      metadata: [],
      privateKey: false,
      compliance: { status: 'ok', findings: [] },
      locations: [],
    })
    expect(entry).not.toHaveProperty('owner')
    expect(entry).not.toHaveProperty('trustedCa')
    expect(entry).not.toHaveProperty('validation')
    const waiting = await order('waits.test')
    expect(waiting.status).toBe('requested')
    expect(await of().entry(waiting.id)).not.toHaveProperty('facts')
  })

  test('is for who may read, and changes are for who may manage; nothing of another organization is there', async () => {
    const { uuid } = await order()
    type Use = (inventory: Door['inventory']) => Promise<unknown>
    const changes: Use[] = [
      (inventory) => inventory.setAttributes(uuid, []),
      (inventory) => inventory.setMetadata(uuid, []),
      (inventory) => inventory.assign([uuid], { owner: null }),
      (inventory) => inventory.archive([uuid]),
      (inventory) => inventory.remove([uuid]),
    ]
    const reads: Use[] = [
      (inventory) => inventory.entry(uuid),
      (inventory) => inventory.relations(uuid),
      (inventory) => inventory.chain(uuid),
      (inventory) => inventory.refuseArchived(uuid),
      (inventory) => inventory.locationsOf(uuid),
      (inventory) => inventory.validate(uuid),
      (inventory) => inventory.download(uuid, { format: 'raw', encoding: 'der', chain: 'none' }),
    ]
    for (const change of changes) await expect(change(of(people.alice))).rejects.toMatchObject(failure('forbidden'))
    const none = uuidv7(world.time.now)
    await expect(of().entry(none)).rejects.toMatchObject(failure('notFound', /^there is no such certificate$/))
    for (const use of [...changes, ...reads])
      await expect(use(of(people.stranger))).rejects.toMatchObject(
        failure('notFound', /^there is no (such )?certificate/),
      )
    expect((await people.as(people.root).inventory.entry(uuid)).item.uuid).toBe(uuid)
  })

  test('attributes and metadata are kept, replaced, and pass to what renews it in its transaction', async () => {
    const { id, uuid } = await order()
    const team = await group('team')
    await of().setAttributes(uuid, [attribute('cost', 'A 1'), attribute('n', 7, 'integer')])
    await of().setAttributes(uuid, [attribute('cost', 'A 2'), attribute('when', '2027-02-28', 'date')])
    await of().setMetadata(id, [attribute('host', 'a.test')])
    await of().assign([uuid], { owner: people.alice.uuid, groups: [team] })
    const kept = {
      attributes: [attribute('cost', 'A 2'), attribute('when', '2027-02-28', 'date')],
      metadata: [attribute('host', 'a.test')],
      owner: { name: 'alice', uuid: people.alice.uuid },
      groups: [{ name: 'team', uuid: team }],
    }
    expect(await of(people.alice).entry(uuid)).toMatchObject(kept)
    const renewed = await order('again.auto.test', { action: 'renew', renews: id })
    const waiting = await order('again.auto.test', { action: 'rekey', renews: id })
    expect([renewed.status, waiting.status]).toEqual(['signed', 'requested'])
    for (const next of [renewed, waiting]) expect(await of().entry(next.id)).toMatchObject(kept)
    expect((await audited(world, 'certificate.attributes')).at(-1)).toMatchObject({
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
    expect(await of(people.stranger).attributes.list()).toEqual([])
    const again = { name: 'Cost', label: 'x', contentType: 'string' } as const
    await expect(define.add(again)).rejects.toMatchObject(failure('conflict'))
    await expect(define.add({ ...again, name: 'y', constraints: { regExp: '(' } })).rejects.toMatchObject(
      failure('malformed'),
    )
    await expect(of(people.alice).attributes.add({ ...again, name: 'z' })).rejects.toMatchObject(failure('forbidden'))
    await expect(of(people.stranger).attributes.remove(until.uuid)).rejects.toMatchObject(failure('notFound'))
    for (const { uuid: gone } of await define.list()) await define.remove(gone)
    await of().setAttributes(uuid, [])
  })

  test('owner and groups of many are set at once: all or none, and of the organization alone', async () => {
    const [a, b] = [await order(), await order()]
    const ours = await group('ours')
    const theirs = await group('theirs', people.stranger)
    await of().assign([a.uuid, b.id], { owner: people.chief.uuid, groups: [ours] })
    await of().assign([a.uuid], { owner: null })
    await of().assign([b.uuid], { groups: [] })
    expect(await of().entry(a.uuid)).toMatchObject({ groups: [{ name: 'ours' }] })
    expect(await of().entry(a.uuid)).not.toHaveProperty('owner')
    expect(await of().entry(b.uuid)).toMatchObject({ owner: { name: 'chief' }, groups: [] })
    for (const [refs, belonging] of [
      [[a.uuid], { owner: people.stranger.uuid }],
      [[a.uuid], { groups: [ours, theirs] }],
      [[a.uuid, uuidv7(world.time.now)], { owner: people.alice.uuid }],
    ] as const)
      await expect(of().assign(refs, belonging)).rejects.toMatchObject(failure('notFound'))
    expect(await of().entry(a.uuid)).not.toHaveProperty('owner')
    await expect(of().assign([a.uuid], { trustedCa: true })).rejects.toMatchObject(failure('malformed'))
    const many = Array.from({ length: 1001 }, (_, id) => id)
    await expect(of().assign(many, { owner: null })).rejects.toMatchObject(failure('malformed', /at most 1000/))
  })

  test('what is archived is refused to who would renew or revoke it, until it is brought back', async () => {
    const { uuid } = await order()
    await of().refuseArchived(uuid)
    await of().archive([uuid])
    await of().archive([uuid])
    expect((await of().entry(uuid)).item.archivedAt).toEqual(world.time.now)
    await expect(of().refuseArchived(uuid)).rejects.toMatchObject(failure('conflict', /archived/))
    expect(
      (await audited(world, 'certificate.archived')).filter(({ subject_kind }) => subject_kind === 'certificate'),
    ).toHaveLength(1)
    await of().unarchive([uuid])
    await of().refuseArchived(uuid)
  })

  test('nothing of ours is ever deleted, and requests only when they ended without a certificate', async () => {
    const [issued, waiting] = [await order(), await order('stays.test')]
    await expect(of().remove([issued.uuid])).rejects.toMatchObject(failure('conflict', /never deleted/))
    await expect(of().remove([waiting.uuid])).rejects.toMatchObject(failure('conflict', /still open/))
    await people.as(people.chief).approvals.cancel('sign', waiting.id, 'not needed')
    await expect(of().remove([waiting.uuid, issued.uuid])).rejects.toMatchObject(failure('conflict'))
    expect((await of().entry(waiting.uuid)).item.status).toBe('canceled')
    await of().remove([waiting.uuid])
    await expect(of().entry(waiting.uuid)).rejects.toMatchObject(failure('notFound'))
    expect(await findCertificate(world.it.db, { uuid: issued.uuid })).toBeDefined()
  })

  test('renewals are related by themselves, others by people; an order that came to nothing is not', async () => {
    const first = await order()
    const second = await order('r.auto.test', { action: 'renew', renews: first.id })
    const pending = await order('r.auto.test', { action: 'rekey', renews: first.id })
    const third = await order()
    await of().relate({ successor: third.uuid, predecessor: second.uuid })
    expect(await of(people.alice).relations(first.uuid)).toMatchObject([
      { uuid: pending.uuid, kind: 'rekey', role: 'successor', pending: true, manual: false },
      { uuid: second.uuid, kind: 'renewal', role: 'successor', pending: false, manual: false },
    ])
    expect(await of().relations(second.uuid)).toMatchObject([
      { uuid: first.uuid, kind: 'renewal', role: 'predecessor', pending: false },
      { uuid: third.uuid, kind: 'replacement', role: 'successor', manual: true },
    ])
    await people.as(people.chief).approvals.cancel('sign', pending.id, 'no')
    expect((await of().relations(first.uuid)).map(({ uuid }) => uuid)).toEqual([second.uuid])
    for (const [successor, predecessor, code] of [
      [third, second, 'conflict'],
      [second, third, 'conflict'],
      [first, second, 'conflict'],
      [third, third, 'malformed'],
    ] as const)
      await expect(of().relate({ successor: successor.uuid, predecessor: predecessor.uuid })).rejects.toMatchObject(
        failure(code),
      )
    const renewal = { successor: second.uuid, predecessor: first.uuid }
    await expect(of().unrelate(renewal)).rejects.toMatchObject(failure('conflict'))
    const made = { successor: third.uuid, predecessor: second.uuid }
    await expect(of(people.alice).unrelate(made)).rejects.toMatchObject(failure('forbidden'))
    await of().unrelate(made)
    await expect(of().unrelate(made)).rejects.toMatchObject(failure('notFound'))
    expect(await of().relations(third.uuid)).toEqual([])
  })

  test('is downloaded raw or as a certs-only message, alone, with its chain, or without itself', async () => {
    const { id, uuid } = await order()
    const { der } = (await findCertificate(world.it.db, { id })) ?? {}
    const { complete, issuers } = await of().chain(uuid)
    const above = issuers.map((issuer) => issuer.der)
    expect([complete, above.length]).toEqual([true, 2])
    const get = (format: 'raw' | 'pkcs7', encoding: 'pem' | 'der', chain: 'none' | 'above' | 'whole') =>
      of(people.alice).download(uuid, { format, encoding, chain })
    expect(await get('raw', 'der', 'none')).toEqual(der)
    const pems = async (chain: 'above' | 'whole') =>
      pemDecode(String(await get('raw', 'pem', chain))).map((block) => block.der)
    expect(await pems('above')).toEqual(above)
    expect(await pems('whole')).toEqual([der, ...above])
    expect(readCertsOnly(await get('pkcs7', 'der', 'whole')).certificates).toEqual([der, ...above])
    const [message] = pemDecode(String(await get('pkcs7', 'pem', 'none')))
    expect(message?.label).toBe('PKCS7')
    expect(readCertsOnly(message?.der ?? Buffer.alloc(0)).certificates).toEqual([der])
    await expect(get('raw', 'der', 'whole')).rejects.toMatchObject(failure('unsupported'))
    const waiting = await order('none.test')
    await expect(of().download(waiting.id, { format: 'raw', encoding: 'der', chain: 'none' })).rejects.toMatchObject(
      failure('notFound'),
    )
  })

  test('findings of soft policies are what is not compliant', async () => {
    await world.save('soft', {
      rules: {
        issue: [
          { name: 'w', warn: 'look twice' },
          { name: 'a', auto: true },
        ],
      },
      settings: { certificate: { names: { dns: ['.inside.test'] } }, enforcement: { names: 'soft' } },
    })
    const csr = await newCsr(['out.test'])
    const draft = {
      profile: await world.profile('soft'),
      protocol: 'acme',
      action: 'issue',
      csr,
      refusal: 'store',
    } as const
    const { request } = await world.core
      .as(acmeAccount())
      .sign({ ...draft, identifiers: csr.identifiers, validated: csr.identifiers })
    const { compliance } = await of().entry(request.uuid)
    expect(compliance).toMatchObject({
      status: 'nok',
      findings: [
        { by: 'policy', check: 'names' },
        { by: 'rule', check: 'w', detail: 'look twice' },
      ],
    })
  })

  test('the audit trail agrees with all of it', async () => {
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
