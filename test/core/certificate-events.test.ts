import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import type { TokenScope } from '../../src/core/identity/tokenScope.ts'
import type { Requester } from '../../src/core/requester.ts'
import { transaction } from '../../src/db/transaction.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { audited, failure } from '../helpers/people.ts'
import { acmeAccount, newCsr } from '../helpers/world.ts'

const HOUR = 3_600_000
const auto = [{ name: 'all', auto: true }]

describe.each(databases)('what the trail tells of certificates on $name', ({ open }) => {
  let made: InventoryWorld
  let chief: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    made = await createInventoryWorld(opened.db)
    chief = made.people.as(made.people.chief)
  })
  afterAll(async () => {
    const { problems } = await made.people.as(made.people.root).admin.verifyAudit()
    expect(problems).toEqual([])
    await close()
  })

  const about = async (action: string, id: number) =>
    (await audited(made.world, action)).filter(({ subject_id }) => subject_id === id)

  const order = async (door: Door, name: string, profile = 'kept') => {
    const csr = await newCsr([name])
    const draft = { profile: await made.world.profile(profile), protocol: 'ra', action: 'issue', csr } as const
    return (await door.sign({ ...draft, refusal: 'store' })).request
  }

  it('an order by a person is a CSR, one by a client of a protocol is automated', async () => {
    const byPerson = await order(chief, 'a.auto.test')
    const byClient = await made.order('b.auto.test')
    expect(await about('certificate.request_csr.submitted', byPerson.id)).toMatchObject([
      { subject_kind: 'sign_request', actor: { name: 'chief' }, details: { protocol: 'ra', profile: 'kept' } },
    ])
    expect(await about('certificate.request_automated.submitted', byPerson.id)).toEqual([])
    expect(await about('certificate.request_automated.submitted', byClient.id)).toMatchObject([
      { details: { protocol: 'acme', action: 'issue' }, source_address: '192.0.2.1' },
    ])
    expect(await about('certificate.request_csr.submitted', byClient.id)).toEqual([])
  })

  it('one that people foresaw before its CSR is told of once', async () => {
    const door = made.world.core.as(acmeAccount())
    const csr = await newCsr(['foreseen.test'])
    const { identifiers } = csr
    const profile = await made.world.profile('kept')
    const origin = { protocol: 'acme', ref: 'order-1' }
    const draft = { profile, protocol: 'acme', action: 'issue', identifiers, origin, refusal: 'throw' } as const
    const claim = await door.foresee(draft)
    await transaction(made.world.it.db, async (db) => claim?.(db))
    const { request } = await door.sign({ ...draft, csr })
    await door.sign({ ...draft, csr })
    expect(await about('certificate.request_automated.submitted', request.id)).toHaveLength(1)
  })

  it('a soft policy lets an order pass and says so; a hard one is told of by its own name', async () => {
    const certificate = { names: { dns: ['.inside.test'] } }
    await made.world.save('soft', { settings: { certificate, enforcement: { names: 'soft' } }, rules: { issue: auto } })
    await made.world.save('hard', { settings: { certificate }, rules: { issue: auto } })
    const passed = await order(chief, 'soft.elsewhere.test', 'soft')
    expect(passed.status).toBe('signed')
    expect(await about('certificate.policy_soft_fail', passed.id)).toMatchObject([
      { subject_kind: 'sign_request', details: { profile: 'soft', detail: expect.stringMatching(/elsewhere/) } },
    ])
    const refused = await order(chief, 'hard.elsewhere.test', 'hard')
    expect(refused.status).toBe('denied')
    expect(await about('certificate.request_csr.submitted', refused.id)).toEqual([])
    const [hard] = await audited(made.world, 'certificate.policy_hard_fail')
    expect(hard).toMatchObject({ details: { request: refused.id } })
  })

  it('opening a detail is told once an hour for each person, and for no program', async () => {
    const { id, uuid } = await made.order()
    const opened = () => about('certificate.view.accessed', id)
    await Promise.all([chief.inventory.opened(id), chief.inventory.opened(uuid)])
    await chief.inventory.opened(uuid)
    expect(await opened()).toMatchObject([{ subject_kind: 'certificate', actor: { name: 'chief' } }])
    await made.people.as(made.people.root).inventory.opened(uuid)
    expect(await opened()).toHaveLength(2)
    const token: Requester = { kind: 'token', ref: 'a token', name: 'chief', people: [made.people.chief.id] }
    await made.world.core.as(token).inventory.opened(uuid)
    await made.world.core.as(acmeAccount()).inventory.opened(uuid)
    expect(await opened()).toHaveLength(2)
    made.world.time.pass(HOUR)
    await chief.inventory.opened(uuid)
    expect(await opened()).toHaveLength(3)
    const { stranger } = made.people
    await expect(made.people.as(stranger).inventory.opened(uuid)).rejects.toMatchObject(failure('notFound'))
    const waiting = await made.order('waits.test')
    await chief.inventory.opened(waiting.uuid)
    expect(await about('certificate.view.accessed', waiting.id)).toEqual([])
  })

  it('each download is told of, that of a token that only reads too, and no refused one', async () => {
    const { id, uuid } = await made.order()
    const form = { format: 'raw', encoding: 'pem', chain: 'none' } as const
    await chief.inventory.download(uuid, form)
    const token: Requester = { kind: 'token', ref: 'a token', name: 'chief', people: [made.people.chief.id] }
    const scope: TokenScope = { capabilities: ['read'], readOnly: true }
    await made.world.core.as({ ...token, scope }).inventory.download(uuid, { ...form, chain: 'whole' })
    await expect(
      chief.inventory.download(uuid, { format: 'raw', encoding: 'der', chain: 'whole' }),
    ).rejects.toMatchObject(failure('unsupported'))
    expect(await about('certificate.download.success', id)).toMatchObject([
      { subject_kind: 'certificate', details: { format: 'raw', encoding: 'pem', chain: 'none' } },
      { details: { chain: 'whole' } },
    ])
  })

  it('the history of an order has downloads for people, and not who looked', async () => {
    const { id, uuid } = await made.order()
    await chief.inventory.opened(uuid)
    await chief.inventory.download(uuid, { format: 'raw', encoding: 'pem', chain: 'none' })
    await chief.revocationCodes.make(id)
    const actions = (door: Door) => door.list.history(id).then((events) => events.map(({ action }) => action))
    expect(await actions(chief)).toEqual([
      'sign_request.signing',
      'sign_request.signed',
      'certificate.download.success',
      'certificate.revoke.requested',
    ])
    expect(await actions(made.world.core.as(acmeAccount()))).toEqual(['sign_request.signing', 'sign_request.signed'])
  })
})
