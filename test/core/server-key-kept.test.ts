import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { grantCapability } from '../../src/core/identity/capability.ts'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import { forgetServerKeys } from '../../src/core/key/serverKeyForget.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { auto, createServerKeyWorld, minute, type ServerKeyWorld } from '../helpers/serverKeyWorld.ts'
import { newCsr } from '../helpers/world.ts'

describe.each(databases)('private keys that the server made, on $name', ({ open }) => {
  let keys: ServerKeyWorld
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    keys = await createServerKeyWorld(opened.db)
  })
  afterAll(() => close())
  beforeEach(() => keys.save({ rules: auto }))

  describe('audit verify', () => {
    const problems = async () => (await verifyAudit(keys.world.it.db, keys.world.it.auditSecret)).problems
    type Forged = Partial<Record<'keep' | 'delivered_at' | 'spki_hash' | 'sealed', number | string | Buffer | null>>

    it('agrees with keys that were made, handed over and forgotten', async () => {
      await keys.handOver(await keys.order())
      await keys.handOver(await keys.order({ ref: 'kept', keep: true }))
      await keys.order({ ref: 'waiting' })
      keys.world.time.pass(20 * minute)
      await forgetServerKeys(keys.world.it)
      expect((await keys.rows()).map(({ sealed }) => sealed === null)).toEqual([true, false, false])
      expect(await problems()).toEqual([])
    })

    it.each<[string, Forged, string]>([
      ['kept by nobody’s word', { keep: 1 }, 'is kept, its event says otherwise'],
      ['not handed over any more', { delivered_at: null }, 'was not handed over, its events say otherwise'],
      ['another one', { spki_hash: 'ab'.repeat(32) }, 'is another than the one that was made'],
      ['forgotten by no event', { sealed: null }, 'is forgotten, its events say otherwise'],
    ])('finds one that is %s', async (_, forged, problem) => {
      const { key, request } = await keys.order()
      await keys.handOver({ key, request })
      const [row] = await keys.rows()
      if (!row) throw new Error('no key')
      const write = (values: Forged) =>
        transaction(keys.world.it.db, (db) =>
          withTables<CoreTables>(db)
            .updateTable('server_keys')
            .set(values as object)
            .where('id', '=', row.id)
            .execute(),
        )
      await write(forged)
      expect(await problems()).toEqual([`private key ${row.id} ${problem}`])
      const { keep, delivered_at, spki_hash, sealed } = row
      await write({ keep, delivered_at, spki_hash, sealed })
      expect(await problems()).toEqual([])
    })

    // The last one: nobody brings it back.
    it('finds one that is gone', async () => {
      await keys.order()
      const [row] = await keys.rows()
      if (!row) throw new Error('no key')
      const tables = (db: Database) => withTables<CoreTables>(db)
      await transaction(keys.world.it.db, (db) =>
        tables(db).deleteFrom('server_keys').where('id', '=', row.id).execute(),
      )
      expect(await problems()).toEqual([`private key ${row.id} is gone`])
    })
  })

  describe('export', () => {
    let number = 0
    const exporterName = () => `exporter-${number}`
    const exporter = async (capabilities: 'export_private_key'[]) => {
      const { organizationId } = keys.profile
      const change = { actor: system('test'), at: keys.world.time.now }
      number += 1
      const user = await transaction(keys.world.it.db, async (db) => {
        const made = await createUser(db, change, { name: exporterName(), organizationId })
        for (const capability of capabilities)
          await grantCapability(db, change, { capability, to: { userId: made.id }, organizationId })
        return made
      })
      return keys.world.core.as(asRequester(user)).admin
    }

    it('of a kept key, by who holds export_private_key, and the trail says who', async () => {
      const made = await keys.order({ keep: true })
      const sent = await keys.handOver(made)
      const admin = await exporter(['export_private_key'])
      expect(await admin.exportKey({ id: made.request.id })).toEqual(sent)
      const exported = (await keys.events()).find(({ action }) => action === 'server_key.exported')
      expect(JSON.parse(exported?.actor ?? '{}').name).toBe(exporterName())
    })

    it('is refused without the capability, and to the local operator', async () => {
      const made = await keys.order({ keep: true })
      await keys.handOver(made)
      const forbidden = { code: 'forbidden' }
      await expect((await exporter([])).exportKey({ id: made.request.id })).rejects.toMatchObject(forbidden)
      const operator = keys.world.core.as(system('cli')).admin
      await expect(operator.exportKey({ id: made.request.id })).rejects.toMatchObject(forbidden)
    })

    it('is refused where the key is not kept, before and after it was handed over, and where it was not made here', async () => {
      const made = await keys.order()
      const admin = await exporter(['export_private_key'])
      const notKept = { code: 'notFound', detail: expect.stringContaining('is not kept') }
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject(notKept)
      await keys.handOver(made)
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject(notKept)
      const { request } = await keys.door.sign({
        profile: keys.profile,
        protocol: 'est',
        action: 'issue',
        csr: await newCsr(['own.test']),
        refusal: 'store',
      })
      const elsewhere = { code: 'notFound', detail: expect.stringContaining('was not made here') }
      await expect(admin.exportKey({ id: request.id })).rejects.toMatchObject(elsewhere)
      await expect(admin.exportKey({ id: 999_999 })).rejects.toMatchObject({ code: 'notFound' })
    })

    it('is refused where the profile has rules for exports: nobody passes them over', async () => {
      const made = await keys.order({ keep: true })
      await keys.handOver(made)
      await keys.save({ rules: { ...auto, export: [{ name: 'never', deny: 'no' }] } }, 'again')
      const admin = await exporter(['export_private_key'])
      await expect(admin.exportKey({ id: made.request.id })).rejects.toMatchObject({ code: 'unsupported' })
    })
  })
})
