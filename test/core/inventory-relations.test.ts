import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyAudit } from '../../src/core/audit/verify.ts'
import { findCertificate } from '../../src/core/certificate.ts'
import { readCertsOnly } from '../../src/pki/certsOnly.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { failure } from '../helpers/people.ts'

describe.each(databases)('what belongs to a certificate, on $name', ({ open }) => {
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

  test('renewals are related by themselves, others by people; an order that came to nothing is not', async () => {
    const first = await order()
    const second = await order('r.auto.test', { action: 'renew', renews: first.id })
    const pending = await order('r.auto.test', { action: 'rekey', renews: first.id })
    const third = await order()
    await of().relate({ successor: third.uuid, predecessor: second.uuid })
    expect(await of(it.people.alice).relations(first.uuid)).toMatchObject([
      { uuid: pending.uuid, kind: 'rekey', role: 'successor', pending: true, manual: false },
      { uuid: second.uuid, kind: 'renewal', role: 'successor', pending: false, manual: false },
    ])
    expect(await of().relations(second.uuid)).toMatchObject([
      { uuid: first.uuid, kind: 'renewal', role: 'predecessor', pending: false },
      { uuid: third.uuid, kind: 'replacement', role: 'successor', manual: true },
    ])
    await it.people.as(it.people.chief).approvals.cancel('sign', pending.id, 'no')
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
    await expect(of(it.people.alice).unrelate(made)).rejects.toMatchObject(failure('forbidden'))
    await of().unrelate(made)
    await expect(of().unrelate(made)).rejects.toMatchObject(failure('notFound'))
    expect(await of().relations(third.uuid)).toEqual([])
  })

  test('is downloaded raw or as a certs-only message, alone, with its chain, or without itself', async () => {
    const { id, uuid } = await order()
    const { der } = (await findCertificate(it.world.it.db, { id })) ?? {}
    const { complete, issuers } = await of().chain(uuid)
    const above = issuers.map((issuer) => issuer.der)
    expect([complete, above.length]).toEqual([true, 2])
    const get = (format: 'raw' | 'pkcs7', encoding: 'pem' | 'der', chain: 'none' | 'above' | 'whole') =>
      of(it.people.alice).download(uuid, { format, encoding, chain })
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

  test('the audit trail agrees with all of it', async () => {
    expect((await verifyAudit(it.world.it.db, it.world.it.auditSecret)).problems).toEqual([])
  })
})
