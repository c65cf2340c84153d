import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { currentCrl } from '../../src/core/crl/crl.ts'
import { asRequester } from '../../src/core/identity/identity.ts'
import { enqueueJob } from '../../src/core/jobs.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { createCustody } from '../../src/core/upkeep/custody.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { crlWorld } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { createWebhookWorld, type WebhookWorld } from '../helpers/webhookWorld.ts'

describe.each(databases)('what a restore changes, on $name', ({ open }) => {
  let hooks: WebhookWorld
  beforeEach(async () => {
    hooks = await createWebhookWorld(open)
  })
  afterEach(() => hooks.close())

  const custody = () => createCustody({ it: hooks.world.it, requester: system('test') })
  const tables = () => withTables<CoreTables>(hooks.world.it.db)
  const backup = (age: number) => ({
    madeAt: new Date(hooks.world.it.clock().getTime() - age).toISOString(),
    rows: 1,
    head: { position: 1, hash: 'x' },
  })

  test('nothing is told twice: what waits is marked, and what comes is told', async () => {
    await hooks.add()
    hooks.receiver.answer = 500
    await hooks.order('auto.example.org')
    await hooks.upkeep()
    const waiting = await tables()
      .selectFrom('webhook_deliveries')
      .selectAll()
      .where('status', '=', 'pending')
      .execute()
    expect(waiting.length).toBeGreaterThan(0)
    // Stored, and not made a message of yet: it may have been sent by who went on from here.
    await hooks.order('auto2.example.org')
    hooks.receiver.answer = 204
    const resumed = await custody().restored(backup(60_000))
    expect(resumed.messagesGivenUp).toBe(waiting.length)
    const before = hooks.receiver.heard.length
    hooks.world.time.pass(3_600_000)
    await hooks.upkeep()
    expect(hooks.receiver.heard.length).toBe(before)
    await hooks.order('auto3.example.org')
    await hooks.upkeep()
    expect(hooks.receiver.heard.length).toBeGreaterThan(before)
  })

  test('CRLs go on from a number that none of since can have had', async () => {
    const { it } = hooks.world
    const first = await currentCrl(it, { authority: 'issuing' })
    expect((await currentCrl(it, { authority: 'issuing' })).number).toBe(first.number)
    const { crlNumbersSkipped } = await custody().restored(backup(86_400_000))
    expect(crlNumbersSkipped).toBeGreaterThanOrEqual(86_400_000)
    const next = await currentCrl(it, { authority: 'issuing' })
    expect(next.number).toBeGreaterThan(first.number + 86_400_000n)
  })

  test('delta CRLs go on alike, also where the setting for them is gone', async () => {
    const crls = crlWorld(hooks.world)
    await crls.settings({ crlDelta: '1h' })
    const revoked = await crls.issue('delta.example.org')
    const base = await crls.crl()
    await crls.revoke(revoked)
    const before = await crls.crl({ delta: true })
    expect(before.entries.map(({ serial }) => serial)).toEqual([revoked.serial])
    await crls.settings({})
    await custody().restored(backup(60_000))
    const complete = await crls.crl()
    expect(complete.number).toBeGreaterThan((before.number ?? 0n) + 60_000n)
    expect(complete.entries.map(({ serial }) => serial)).toEqual([revoked.serial])
    const delta = await crls.crl({ delta: true })
    expect(delta.number).toBeGreaterThan((base.number ?? 0n) + 60_000n)
    expect(delta.deltaBase).toBe(complete.number)
  })

  test('leases are free, sessions and setup links are ended, and the trail says so', async () => {
    const { it } = hooks.world
    const now = it.clock()
    await transaction(it.db, async (db) => {
      await enqueueJob(db, { kind: 'x', ref: 'y', runAt: now, at: now })
      const own = withTables<CoreTables>(db)
      await own
        .updateTable('jobs')
        .set({ lease_owner: 'gone', lease_until: now.getTime() + 60_000 })
        .execute()
      await own
        .insertInto('sessions')
        .values({
          uuid: 'u',
          hash: 'h',
          user_id: hooks.people.chief.id,
          method: 'password',
          source: null,
          user_agent: null,
          created_at: 1,
          seen_at: 1,
          idle: 1,
          ends_at: now.getTime() + 1e9,
        })
        .execute()
    })
    const links = await tables().selectFrom('setup_links').selectAll().where('used_at', 'is', null).execute()
    const resumed = await custody().restored(backup(1_000))
    expect(resumed).toMatchObject({ sessionsEnded: 1, setupLinksEnded: links.length })
    expect(await tables().selectFrom('jobs').select('lease_owner').executeTakeFirst()).toEqual({ lease_owner: null })
    expect(await tables().selectFrom('sessions').selectAll().execute()).toEqual([])
    const events = await tables().selectFrom('audit_events').select('action').orderBy('id', 'desc').execute()
    expect(events.map(({ action }) => action)).toContain('installation.restored')
    await hooks.seal()
    expect((await verifyAudit(it.db, it.auditSecret)).problems).toEqual([])
    expect(await custody().lastBackup()).toMatchObject({ rows: 1 })
  })

  test('belongs to superusers and to who has the data folder', async () => {
    const nobody = createCustody({ it: hooks.world.it, requester: asRequester(hooks.people.chief) })
    await expect(nobody.restored(backup(1))).rejects.toMatchObject({ code: 'forbidden' })
    await expect(nobody.backedUp(backup(1))).rejects.toMatchObject({ code: 'forbidden' })
    await expect(nobody.keyRotation()).rejects.toMatchObject({ code: 'forbidden' })
    // This one seals under a key that nothing changes.
    await expect(custody().keyRotation()).rejects.toMatchObject({ code: 'unsupported' })
  })
})
