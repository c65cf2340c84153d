import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { queueLocations } from '../../src/core/inventory/locationPush.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { attribute, createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

const codeOf = (asked: Promise<unknown>) =>
  asked.then(
    () => 'done',
    ({ code }) => code,
  )

describe.each(databases)('lines of the inventory, and what is said with an order, on $name', ({ open }) => {
  let inventory: InventoryWorld
  let close: () => Promise<void>
  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    inventory = await createInventoryWorld(opened.db)
  })
  afterAll(() => close())

  const sign = async (kept: object, name: string) => {
    const { world } = inventory
    const csr = await newCsr([name])
    const { identifiers } = csr
    const draft = { profile: await world.profile('kept'), protocol: 'acme', action: 'issue', csr, identifiers } as const
    return world.core.as(acmeAccount()).sign({ ...draft, validated: identifiers, refusal: 'store', kept })
  }

  test('come in the order asked, as the entries say, and without what is not there', async () => {
    const { of, order, people } = inventory
    const [one, two, waiting] = [await order(), await order(), await order('waits.test')]
    const renewed = await order(undefined, { action: 'renew', renews: one.id })
    await of().assign([two.id], { owner: people.alice.uuid })
    const lines = await of(people.alice).lines([waiting.uuid, 'none', two.id, renewed.id, one.id])
    expect(lines.map(({ record }) => record.request.id)).toEqual([waiting.id, two.id, renewed.id, one.id])
    for (const line of lines) {
      const entry = await of().entry(line.record.request.id)
      expect(line).toMatchObject({
        compliance: entry.compliance.status,
        validation: entry.validation?.status ?? 'not_checked',
        groups: entry.groups,
        privateKey: entry.privateKey,
        archived: false,
        foreign: false,
      })
      expect(line.owner).toEqual(entry.owner)
      expect(line.record).toEqual(await people.as(people.alice).list.record(line.record.request.id))
    }
    expect(await of().lines([])).toEqual([])
    expect(await of(people.stranger).lines([one.id, two.uuid])).toEqual([])
  })

  test('what is said with an order is kept in its transaction, or there is no order', async () => {
    const { of, people, world } = inventory
    const count = async () => {
      const tables = withTables<CoreTables>(world.it.db)
      const { n } = await tables
        .selectFrom('sign_requests')
        .select((eb) => eb.fn.countAll<number | string>().as('n'))
        .executeTakeFirstOrThrow()
      return Number(n)
    }
    const kept = { attributes: [attribute('team', 'shop')], owner: people.alice.uuid }
    const { request } = await sign(kept, 'said.auto.test')
    expect(await of().entry(request.id)).toMatchObject({
      attributes: [{ name: 'team' }],
      owner: { uuid: people.alice.uuid },
    })
    const before = await count()
    const refused = [
      { attributes: [attribute('count', 'many', 'integer')] },
      { attributes: 'none' },
      { owner: 'nobody' },
      { groups: ['nothing'] },
    ]
    const codes = []
    for (const kept of refused) codes.push(await codeOf(sign(kept, 'unsaid.auto.test')))
    expect(codes).toEqual(['malformed', 'malformed', 'notFound', 'notFound'])
    expect(await count()).toBe(before)
  })

  test('a location shows what is in it, and puts it there once more', async () => {
    const { of, order, people, world } = inventory
    const { uuid } = await of().locations.add({ name: 'www', kind: 'folder', settings: { path: 'www' } })
    const { id } = await order()
    await of().associate(id, { location: uuid })
    expect(await of(people.alice).locations.content(uuid)).toMatchObject([{ id, status: 'waiting' }])
    const set = (status: string) =>
      transaction(world.it.db, async (db) => {
        await withTables<CoreTables>(db)
          .updateTable('certificate_locations')
          .set({ status, last_error: 'no room' })
          .where('certificate_id', '=', id)
          .execute()
      })
    await set('failed')
    await of().pushAgain(id, uuid)
    const [entry] = await of().locationsOf(id)
    expect([entry?.status, entry?.lastError]).toEqual(['waiting', undefined])
    expect(await queueLocations(world.it)).toBe(1)
    await of().pushAgain(id, uuid)
    expect((await of().locationsOf(id))[0]?.status).toBe('queued')
    expect(await codeOf(of(people.alice).pushAgain(id, uuid))).toBe('forbidden')
    expect(await codeOf(of().pushAgain((await order()).id, uuid))).toBe('notFound')
    await of().locations.change(uuid, { enabled: false })
    expect(await codeOf(of().pushAgain(id, uuid))).toBe('conflict')
    expect(await codeOf(of().locations.content('none'))).toBe('notFound')
  })

  test('the audit trail holds together', async () => {
    const { db, auditSecret } = inventory.world.it
    expect((await verifyAudit(db, auditSecret)).problems).toEqual([])
  })
})
