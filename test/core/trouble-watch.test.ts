import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { renewCrls } from '../../src/core/crl/crlUpkeep.ts'
import { findUser } from '../../src/core/identity/identity.ts'
import { createJobRunner, enqueueJob } from '../../src/core/jobs.ts'
import { createKeyVault } from '../../src/core/key.ts'
import { findSession, openSession } from '../../src/core/login/session.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { watchClock } from '../../src/core/upkeep/clockWatch.ts'
import { watchDatabase } from '../../src/core/upkeep/databaseWatch.ts'
import { canIssue } from '../../src/core/upkeep/ready.ts'
import { resumeSigning } from '../../src/core/upkeep/resume.ts'
import { closeDatabase, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { keyFileWatch } from '../../src/key/keyFileWatch.ts'
import { openKeys } from '../../src/key/keySecret.ts'
import { type CrlWorld, crlWorld } from '../helpers/crlWorld.ts'
import { databases } from '../helpers/databases.ts'
import { databaseFolder } from '../helpers/scratch.ts'
import { createWorld, type World } from '../helpers/world.ts'

const hour = 3_600_000

describe.each(databases)('what watches over the surroundings, on $name', ({ open }) => {
  let world: World
  let url = ''
  let its: CrlWorld
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    url = opened.url
    close = opened.close
    world = await createWorld(opened.db)
    its = crlWorld(world)
  })
  afterAll(() => close())

  const alerts = async (kind: string) => {
    const open = withTables<CoreTables>(world.it.db)
      .selectFrom('alerts')
      .select('detail')
      .where('closed_at', 'is', null)
    return (await open.where('kind', '=', kind).orderBy('id').execute()).map(({ detail }) => detail)
  }

  test('a clock that jumps is told of, and a job keeps the time that it had to wait', async () => {
    const { it, time } = world
    let running = 1_000_000
    const look = watchClock(it, () => running)
    const pass = (milliseconds: number) => {
      running += milliseconds
      time.pass(milliseconds)
    }
    pass(60_000)
    await look()
    expect(await alerts('clock'), 'time that passes is no jump').toEqual([])
    const done: string[] = []
    const handlers = { wait: async (ref: string) => void done.push(ref) }
    const jobs = createJobRunner({ db: it.db, node: it.node, clock: it.clock, log: it.log, handlers })
    const soon = new Date(time.now.getTime() + 30_000)
    await transaction(it.db, (db) => enqueueJob(db, { kind: 'wait', ref: 'a', runAt: soon, at: time.now }))
    time.pass(-3 * hour)
    await look()
    expect(await alerts('clock')).toEqual([expect.stringMatching(/set back by 10800 s.*time synchronisation/)])
    pass(29_000)
    expect(await jobs.begin()).toBe(0)
    pass(2_000)
    expect(await jobs.begin(), 'and not three hours later').toBe(1)
    await jobs.settled()
    expect(done).toEqual(['a'])
    time.pass(3 * hour)
    await look()
    expect(await alerts('clock')).toHaveLength(2)
  })

  test('an order whose process died before the clock was set back goes on after its lease, not hours later', async () => {
    const { it, time } = world
    let running = 0
    const look = watchClock(it, () => running)
    const { id } = await its.issue('cut-off.test')
    await transaction(it.db, async (db) => {
      const tables = withTables<CoreTables>(db)
      // As after the first step of issuing, on a node that is gone.
      await tables.deleteFrom('certificates').where('id', '=', id).execute()
      await tables
        .updateTable('sign_requests')
        .set({ status: 'signing', ended_at: null })
        .where('id', '=', id)
        .execute()
      const until = { lease_until: time.now.getTime() + 20_000, lease_owner: 'gone' }
      await tables.updateTable('sign_attempts').set(until).where('sign_request_id', '=', id).execute()
    })
    time.pass(-2 * hour)
    await look()
    expect(await resumeSigning(it)).toBe(0)
    running += 21_000
    time.pass(21_000)
    expect(await resumeSigning(it)).toBe(1)
    const { status } = await withTables<CoreTables>(it.db)
      .selectFrom('sign_requests')
      .select('status')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    expect(status).toBe('signed')
    time.pass(2 * hour)
  })

  test('serials, CRLs, sessions and the audit chain while the clock goes back and forth', async () => {
    const { it, time } = world
    const user = await findUser(it.db, { name: 'admin' })
    if (!user) throw new Error('no administrator')
    const { secret } = await openSession(it, user, { method: 'password', place: { source: '192.0.2.7' } })
    const serials = new Set<string>()
    let number = 0n
    let over = false
    for (const jump of [0, hour / 4, -4 * hour, hour / 4, -hour, 8 * hour]) {
      time.pass(jump)
      const one = await its.issue(`at${jump}.test`)
      const other = await its.issue(`and${jump}.test`)
      for (const { serial } of [one, other]) serials.add(serial)
      expect(await its.revoke(one)).toBe('revoked')
      const crl = await its.crl()
      expect(crl.number, `a CRL with what was revoked after a jump of ${jump}`).toBeGreaterThan(number)
      number = crl.number ?? 0n
      expect(crl.thisUpdate.getTime()).toBeLessThanOrEqual(time.now.getTime())
      expect(crl.nextUpdate?.getTime()).toBeGreaterThan(time.now.getTime())
      expect(await its.serials()).toContain(one.serial)
      expect(await its.serials()).not.toContain(other.serial)
      await sealAudit(it.db, it.auditSecret)
      // A session ends when it rests for longer than half an hour, as the clock has it.
      const rests = jump >= hour
      if (!over)
        expect((await findSession(it, secret)) === undefined, `the session after a jump of ${jump}`).toBe(rests)
      over ||= rests
    }
    expect(serials.size).toBe(12)
    const { problems } = await verifyAudit(it.db, it.auditSecret)
    expect(problems.filter((one) => /chain|link|event \d+ (?:is|stands)/.test(one))).toEqual([])
  })

  test('an authority whose key cannot be opened: not ready, and ready with the right key', async () => {
    expect(await canIssue(world.it)).toBe(true)
    const db = openDatabase(url)
    const wrong = { ...world.it, db, vault: createKeyVault(Buffer.alloc(32, 1)) }
    expect(await canIssue(wrong)).toBe(false)
    await expect(crlWorld({ ...world, it: wrong }).issue('keyless.test')).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringMatching(/key of the authority issuing cannot be read/),
      retryAfter: 60,
    })
    await renewCrls(wrong)
    expect(await alerts('revocation_answers'), 'one for each authority').toHaveLength(2)
    const right = { ...wrong, vault: world.it.vault }
    expect(await canIssue(right)).toBe(true)
    expect((await crlWorld({ ...world, it: right }).issue('keyed.test')).serial).toMatch(/^[0-9a-f]+$/)
    await closeDatabase(db)
  })

  test('the file of the key-encryption key is lost, or another one: an alert until it is back', async () => {
    const folder = databaseFolder('countersign-key-')
    const file = join(folder, 'key.secret')
    await openKeys(world.it.db, { dataFolder: folder })
    expect(keyFileWatch(world.it, { dataFolder: folder, keySecret: 'from the environment' })).toEqual([])
    const [watch] = keyFileWatch(world.it, { dataFolder: folder })
    const look = async () => watch?.run()
    await look()
    expect(await alerts('key_file')).toEqual([])
    renameSync(file, `${file}.away`)
    await look()
    await look()
    const told = (fault: string) => [
      expect.stringMatching(`key\\.secret ${fault}: put the right one back from your backup`),
    ]
    expect(await alerts('key_file')).toEqual(told('cannot be read'))
    writeFileSync(file, 'no key\n')
    await look()
    expect(await alerts('key_file')).toEqual(told('is damaged'))
    writeFileSync(file, `${Buffer.alloc(32, 7).toString('base64')}\n`)
    // As after a restart, which knows nothing of what was told.
    await keyFileWatch(world.it, { dataFolder: folder })[0]?.run()
    expect(await alerts('key_file')).toEqual(told('holds another key than that of this database'))
    await look()
    renameSync(`${file}.away`, file)
    await look()
    expect(await alerts('key_file')).toEqual([])
    rmSync(folder, { recursive: true })
  })

  test('a database that takes writes is asked only where nobody has written', async () => {
    const watch = watchDatabase(world.it)
    expect(watch.takesWrites()).toBe(true)
    await watch.look()
    expect(watch.takesWrites()).toBe(true)
    expect(await alerts('database')).toEqual([])
  })
})
