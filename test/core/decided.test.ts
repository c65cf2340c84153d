import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeAttempt } from '../../src/core/issuance/attempt.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { undecided } from '../helpers/decided.ts'
import { failure } from '../helpers/people.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

describe.each(databases)('nothing is signed without a decision for exactly this, on $name', ({ open }) => {
  let world: World
  let close: () => Promise<void>
  let waiting: number
  let signed: number

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    world = await createWorld(opened.db)
    await world.save('waits', { rules: { issue: [{ name: 'people', require: [{ owner: true }] }] } })
    await world.save('auto', { rules: { issue: [{ name: 'nobody', auto: true }] } })
    const order = async (name: string) => {
      const csr = await newCsr(['decided.test'])
      const draft = { profile: await world.profile(name), protocol: 'acme', action: 'issue', csr } as const
      return (await world.core.as(acmeAccount()).sign({ ...draft, refusal: 'store' })).request.id
    }
    waiting = await order('waits')
    signed = await order('auto')
  })
  afterAll(() => close())

  const tables = () => withTables<CoreTables>(world.it.db)
  const attempt = async (request: { id: number; revision: number }) => {
    const { issuer } = await tables()
      .selectFrom('authority_certificates')
      .select('id as issuer')
      .where('key_id', 'is not', null)
      .executeTakeFirstOrThrow()
    const made = { ...request, number: 7, spkiHash: 'ab' }
    const under = { id: issuer, shards: 1, crlIssuer: undefined }
    return transaction(world.it.db, (db) => storeAttempt(db, world.it, made, under))
  }
  const attempts = () => tables().selectFrom('sign_attempts').selectAll().orderBy('id').execute()

  it('no attempt is stored for a request that waits, nor for another revision than was decided on', async () => {
    const before = await attempts()
    const refused = failure('conflict', /no decision lets this request pass as it stands/)
    await expect(attempt({ id: waiting, revision: 1 })).rejects.toMatchObject(refused)
    await expect(attempt({ id: signed, revision: 2 })).rejects.toMatchObject(refused)
    expect(await attempts()).toEqual(before)
    await expect(attempt({ id: signed, revision: 1 })).resolves.toMatchObject({ number: 7 })
  })

  it('the database takes no attempt without a decision, nor one of none', async () => {
    const [like] = await attempts()
    if (!like) throw new Error('no attempt')
    const { id: _, ...row } = like
    const before = await attempts()
    for (const [number, decision_id] of [null, 1_000_000].entries()) {
      const wrong = { ...row, number: 90 + number, serial: `abc${number}`, decision_id: decision_id as number }
      const inserted = transaction(world.it.db, (db) =>
        withTables<CoreTables>(db).insertInto('sign_attempts').values(wrong).execute(),
      )
      await expect(inserted).rejects.toThrow(/foreign key|not.null/i)
    }
    expect(await attempts()).toEqual(before)
  })

  it('what every test of an adapter asks finds one who went around', async () => {
    expect(await undecided(world.it.db)).toEqual([])
    const forge = (table: 'sign_requests' | 'decisions', set: Record<string, unknown>, id: number) =>
      transaction(world.it.db, (db) =>
        withTables<CoreTables>(db)
          .updateTable(table)
          .set(set as never)
          .where(table === 'decisions' ? ('sign_request_id' as never) : ('id' as never), '=', id as never)
          .execute(),
      )
    await forge('sign_requests', { status: 'signing' }, waiting)
    await forge('decisions', { revision: 2 }, signed)
    expect(await undecided(world.it.db)).toEqual(expect.arrayContaining([`request ${waiting}`, `request ${signed}`]))
    await forge('decisions', { revision: 1, outcome: 'waiting' }, signed)
    expect(await undecided(world.it.db)).toContainEqual(expect.stringMatching(/^attempt \d+$/))
  })
})
