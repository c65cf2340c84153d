import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSignRequest } from '../../src/core/request/records.ts'
import { system } from '../../src/core/requester.ts'
import { type CmpApp, createCmpApp } from '../helpers/cmpApp.ts'
import { pollReq } from '../helpers/cmpClient.ts'
import { ecKey } from '../helpers/csrs.ts'
import { databases } from '../helpers/databases.ts'
import { type Driven, reasons, statusDrive } from '../helpers/statusDrive.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

describe.each(databases)('the status table in CMP on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let app: CmpApp

  beforeAll(async () => {
    opened = await open()
    app = await createCmpApp(opened.db)
  })
  afterAll(async () => {
    await app.close()
    await opened.close()
  })

  /** An order that waits, and how it is repeated and polled. */
  async function waiting(dns: string) {
    const [key, sent] = [ecKey(), { mac: await app.secret(), transactionId: randomBytes(16) }]
    const order = () => app.ir({ dns, key }, sent)
    const first = await order()
    expect(first.status).toBe('waiting')
    const recipNonce = first.header.senderNonce ?? Buffer.alloc(0)
    const poll = () => app.send({ type: 'pollReq', content: pollReq(), recipNonce, ...sent })
    return { id: await app.newest(), order, poll }
  }

  it('knows no draft', () => expect(signStatusTable.draft.cmp).toBeUndefined())

  const cells = Object.entries(signStatusTable).flatMap(([status, { cmp }]) =>
    cmp && status !== 'draft' ? [{ status: status as Driven, cell: cmp }] : [],
  )

  it.each(cells)('a request that is $status is $cell.status, polled or repeated', async ({ status, cell }) => {
    const { id, order, poll } = await waiting(`${status}.example.org`)
    await statusDrive(app.world, app.vote)[status](id)
    expect((await readSignRequest(opened.db, id)).status).toBe(status)
    const polled = await poll()
    for (const reply of cell.status === 'waiting' ? [await order()] : [polled, await order()]) {
      expect(reply).toMatchObject({ type: 'ip', ...cell })
      expect(reply.certificate === undefined).toBe(status !== 'signed')
      if (cell.status === 'rejection') expect(reply.text).toContain(reasons[status] ?? 'in time')
    }
    if (cell.status === 'waiting') expect(polled.type).toBe('pollRep')
    expect((await readSignRequest(opened.db, id)).status, 'asking moves nothing').toBe(status)
  })

  it('a failure that the client was told of is not retried behind its back', async () => {
    const { id, poll } = await waiting('told.example.org')
    const door = app.world.core.as(system('test'))
    await statusDrive(app.world, app.vote).failed(id)
    await poll()
    await expect(door.approvals.retry('sign', id)).rejects.toMatchObject({ code: 'conflict' })
  })
})
