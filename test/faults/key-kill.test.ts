import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { asRequester, createUser } from '../../src/core/identity/identity.ts'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { openWorld, type World } from '../helpers/world.ts'

const program = fileURLToPath(new URL('./keyUntilKilled.ts', import.meta.url))

/** Rekeys in a process that kills itself at its n-th look at the clock. */
function rekeyUntilKilled(args: (string | number)[]): Promise<{ killed: boolean }> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', program, ...args.map(String)], (error, _, stderr) => {
      if (error && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve({ killed: error !== null })
    })
  })
}

describe.each(databases)('SIGKILL while a key is made and ordered by, on $name', ({ open, name: dialect }) => {
  const secret = randomBytes(32)
  let world: World
  let url: string
  let close: () => Promise<void>
  let userId: number
  let certificate: number

  beforeAll(async () => {
    const opened = await open()
    url = opened.url
    close = opened.close
    world = await openWorld(opened.db, secret)
    const { organizationId } = await world.profile()
    const change = { actor: system('test'), at: world.time.now }
    const user = await transaction(opened.db, (db) =>
      createUser(db, change, { name: 'chief', organizationId, admin: true }),
    )
    userId = user.id
    const rules = { issue: [{ name: 'all', auto: true }], rekey: [{ name: 'all', auto: true }] }
    const profile = await world.save('keys', { rules })
    const door = world.core.as(asRequester(user))
    const [store] = await door.keyPairs.keystores()
    const draft = { name: 'web', specs: ['P-256'], enabled: true } as const
    const allowed = await door.keyPairs.createProfile(store?.uuid ?? '', draft)
    const key = await door.keyPairs.create({ profile: allowed.uuid, name: 'first' })
    const names = { subject: nameOf({ CN: 'a.test' }), identifiers: [{ type: 'dns', value: 'a.test' }] as const }
    const { csr, claim } = await door.keyPairs.order(profile, { key: key.uuid, ...names })
    const order = { profile, protocol: 'ra', action: 'issue', csr, refusal: 'store' } as const
    certificate = (await door.sign(order, claim)).request.id
  })
  afterAll(() => close())

  it('leaves no key without its order, and no order without its key', { timeout: 280_000 }, async () => {
    let killed = true
    let step = dialect === 'sqlite' ? 1 : 3
    for (; killed && step < 60; step += 4) {
      ;({ killed } = await rekeyUntilKilled([url, secret.toString('hex'), userId, certificate, step]))
      const tables = withTables<CoreTables>(world.it.db)
      const keys = await tables.selectFrom('key_pairs').select('spki_hash').orderBy('spki_hash').execute()
      const orders = await tables
        .selectFrom('sign_requests')
        .select('spki_hash')
        .where('profile_id', '=', (await world.profile('keys')).id)
        .orderBy('spki_hash')
        .execute()
      expect(keys, `killed at step ${step}`).toEqual(orders)
    }
    expect(step).toBeGreaterThan(3)
    expect((await verifyAudit(world.it.db, world.it.auditSecret)).problems).toEqual([])
  })
})
