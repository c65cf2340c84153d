import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { nameOf } from '../../src/pki/name.ts'
import { databases } from '../helpers/databases.ts'
import { createInventoryWorld, type InventoryWorld } from '../helpers/inventoryWorld.ts'
import { newCsr } from '../helpers/world.ts'

const DAY = 86_400_000

describe.each(databases)('what lists show on $name', ({ open }) => {
  let made: InventoryWorld
  let chief: Door
  let close: () => Promise<void>

  beforeAll(async () => {
    const opened = await open()
    close = opened.close
    made = await createInventoryWorld(opened.db)
    chief = made.people.as(made.people.chief)
  })
  afterAll(() => close())

  const order = async (names: string[], more: { notAfter?: Date } = {}) => {
    const csr = await newCsr(names, { subject: { CN: names[0] ?? '' } })
    const draft = { profile: await made.world.profile('kept'), protocol: 'ra', action: 'issue', csr } as const
    const door = made.world.core.as({ ...chiefRequester(), source: '192.0.2.7' })
    return (await door.sign({ ...draft, refusal: 'store', subject: nameOf({ CN: names[0] ?? '' }), ...more })).request
  }
  const chiefRequester = () => {
    const { id, uuid, name } = made.people.chief
    return { kind: 'user' as const, ref: uuid, name, people: [id] }
  }
  const newest = async (kind: 'sign' | 'revoke') => {
    const { rows } = await chief.list.searchRequests({ kind, page: 1, size: 1 })
    return rows[0]
  }

  it('of a request: its authority and that one’s owner, names, requester, address, validity and duration', async () => {
    const { authorityId } = await made.world.profile('kept')
    const notAfter = new Date(made.world.time.now.getTime() + 20 * DAY)
    const { id } = await order(['one.waits.test', 'two.waits.test'], { notAfter })
    const authority = (await chief.admin.authorities()).find(({ name }) => name.includes('issuing'))
    expect(authorityId).toBeGreaterThan(0)
    expect(await newest('sign')).toMatchObject({
      id,
      status: 'requested',
      authority: authority?.name,
      administrator: authority?.owner,
      authorityKind: 'local',
      names: ['one.waits.test', 'two.waits.test'],
      commonName: 'one.waits.test',
      requester: 'chief',
      source: '192.0.2.7',
      protocol: 'ra',
      validity: 20 * DAY,
      endedAt: null,
      duration: null,
      code: null,
      certificate: null,
    })
    made.world.time.pass(5_000)
    await chief.approvals.cancel('sign', id)
    expect(await newest('sign')).toMatchObject({ status: 'canceled', duration: 5_000 })
    const { settings } = await made.world.profile('kept')
    await order(['three.waits.test'])
    expect(await newest('sign')).toMatchObject({ validity: settings.certificate.validity.default })
  })

  it('of a revocation: its reason, and the certificate’s common name', async () => {
    const { id } = await order(['gone.auto.test'])
    await chief.revoke({ protocol: 'ra', certificate: id, grounds: 'user', reason: 'superseded' })
    const { serial } = (await chief.findCertificate({ id })) ?? {}
    expect(await newest('revoke')).toMatchObject({
      commonName: 'gone.auto.test',
      code: 'superseded',
      certificate: { id, serial },
      requester: 'chief',
      validity: null,
    })
  })

  it('of a certificate: issuer, algorithm, source and the days that are left', async () => {
    const { id } = await order(['days.auto.test'])
    const { notAfter, der } = (await chief.findCertificate({ id })) ?? { notAfter: new Date(0), der: Buffer.alloc(0) }
    const issuer = new X509Certificate(der).issuer.split('\n').find((line) => line.startsWith('CN='))
    const shown = async () => (await chief.list.searchCertificates({ page: 1, size: 1 })).rows[0]
    const row = await shown()
    expect(row).toMatchObject({ id, commonName: 'days.auto.test', keyAlgorithm: 'P-256', source: 'managed' })
    expect(row?.issuer).toContain(issuer)
    expect(row?.daysLeft).toBe(Math.floor((notAfter.getTime() - made.world.time.now.getTime()) / DAY))
    made.world.time.now = new Date(notAfter.getTime() + DAY / 2)
    expect(await shown()).toMatchObject({ status: 'expired', daysLeft: -1 })
  })
})
