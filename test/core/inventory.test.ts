import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import { uuidv7 } from '../../src/core/uuid.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { audited, failure } from '../helpers/people.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

describe.each(databases)('the inventory, on $name', ({ open }) => {
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

  test('an entry says what the certificate says, and nothing more than is known', async () => {
    const { id, uuid } = await order('entry.auto.test')
    const entry = await of(it.people.alice).entry(uuid)
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
    for (const change of changes) await expect(change(of(it.people.alice))).rejects.toMatchObject(failure('forbidden'))
    const none = uuidv7(it.world.time.now)
    await expect(of().entry(none)).rejects.toMatchObject(failure('notFound', /^there is no such certificate$/))
    for (const use of [...changes, ...reads])
      await expect(use(of(it.people.stranger))).rejects.toMatchObject(
        failure('notFound', /^there is no (such )?certificate/),
      )
    expect((await it.people.as(it.people.root).inventory.entry(uuid)).item.uuid).toBe(uuid)
  })

  test('owner and groups of many are set at once: all or none, and of the organization alone', async () => {
    const [a, b] = [await order(), await order()]
    const ours = await group('ours')
    const theirs = await group('theirs', it.people.stranger)
    await of().assign([a.uuid, b.id], { owner: it.people.chief.uuid, groups: [ours] })
    await of().assign([a.uuid], { owner: null })
    await of().assign([b.uuid], { groups: [] })
    expect(await of().entry(a.uuid)).toMatchObject({ groups: [{ name: 'ours' }] })
    expect(await of().entry(a.uuid)).not.toHaveProperty('owner')
    expect(await of().entry(b.uuid)).toMatchObject({ owner: { name: 'chief' }, groups: [] })
    for (const [refs, belonging] of [
      [[a.uuid], { owner: it.people.stranger.uuid }],
      [[a.uuid], { groups: [ours, theirs] }],
      [[a.uuid, uuidv7(it.world.time.now)], { owner: it.people.alice.uuid }],
    ] as const)
      await expect(of().assign(refs, belonging)).rejects.toMatchObject(failure('notFound'))
    expect(await of().entry(a.uuid)).not.toHaveProperty('owner')
    await expect(of().assign([a.uuid], { trustedCa: true })).rejects.toMatchObject(failure('malformed'))
    const many = Array.from({ length: 1001 }, (_, id) => id)
    await expect(of().assign(many, { owner: null })).rejects.toMatchObject(failure('malformed', /at most 1000/))
    // On SQLite the next group has the number of the last one.
    await it.people.as(it.people.chief).groups.delete({ name: 'ours' })
    await group('after it')
    expect(await of().entry(a.uuid)).toMatchObject({ groups: [] })
  })

  test('what is archived is refused to who would renew or revoke it, until it is brought back', async () => {
    const { uuid } = await order()
    await of().refuseArchived(uuid)
    await of().archive([uuid])
    await of().archive([uuid])
    expect((await of().entry(uuid)).item.archivedAt).toEqual(it.world.time.now)
    await expect(of().refuseArchived(uuid)).rejects.toMatchObject(failure('conflict', /archived/))
    expect(
      (await audited(it.world, 'certificate.archived')).filter(({ subject_kind }) => subject_kind === 'certificate'),
    ).toHaveLength(1)
    const listed = async (archived: boolean) => {
      const { list } = it.people.as(it.people.chief)
      const { rows } = await list.searchCertificates({ page: 1, size: 1000, archived })
      const requests = await list.searchRequests({ kind: 'sign', page: 1, size: 1000, archived })
      const plain = await list.certificates({ archived, limit: 100 })
      return [rows, requests.rows, plain.rows].map((all) => all.some((row) => row.uuid === uuid))
    }
    expect(await listed(false)).toEqual([false, false, false])
    expect(await listed(true)).toEqual([true, true, true])
    await of().unarchive([uuid])
    expect(await listed(false)).toEqual([true, true, true])
    await of().refuseArchived(uuid)
  })

  test('nothing of ours is ever deleted, and requests only when they ended without a certificate', async () => {
    const [issued, waiting] = [await order(), await order('stays.test')]
    await expect(of().remove([issued.uuid])).rejects.toMatchObject(failure('conflict', /never deleted/))
    await expect(of().remove([waiting.uuid])).rejects.toMatchObject(failure('conflict', /still open/))
    await it.people.as(it.people.chief).approvals.cancel('sign', waiting.id, 'not needed')
    await expect(of().remove([waiting.uuid, issued.uuid])).rejects.toMatchObject(failure('conflict'))
    expect((await of().entry(waiting.uuid)).item.status).toBe('canceled')
    await of().remove([waiting.uuid])
    await expect(of().entry(waiting.uuid)).rejects.toMatchObject(failure('notFound'))
    expect(await findCertificate(it.world.it.db, { uuid: issued.uuid })).toBeDefined()
  })

  test('findings of soft policies are what is not compliant', async () => {
    await it.world.save('soft', {
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
      profile: await it.world.profile('soft'),
      protocol: 'acme',
      action: 'issue',
      csr,
      refusal: 'store',
    } as const
    const { request } = await it.world.core
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
    expect((await verifyAudit(it.world.it.db, it.world.it.auditSecret)).problems).toEqual([])
  })
})
