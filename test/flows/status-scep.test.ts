import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSignRequest } from '../../src/core/request/records.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { createScepApp, type ScepApp } from '../helpers/scepApp.ts'
import { device, issuerAndSubject } from '../helpers/scepClient.ts'
import { type Driven, reasons, statusDrive } from '../helpers/statusDrive.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

describe.each(databases)('the status table in SCEP on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let app: ScepApp

  beforeAll(async () => {
    opened = await open()
    app = await createScepApp(opened.db)
  })
  afterAll(async () => {
    await app.close()
    await opened.close()
  })

  const door = () => app.world.core.as(system('test'))

  const drive = (status: Driven, id: number) => statusDrive(app.world, app.vote)[status](id)

  it('knows no draft', () => expect(signStatusTable.draft.scep).toBeUndefined())

  const cells = Object.entries(signStatusTable).flatMap(([status, { scep }]) =>
    scep && status !== 'draft' ? [{ status: status as Driven, cell: scep }] : [],
  )

  it.each(cells)('a request that is $status is $cell.pkiStatus, polled or repeated', async ({ status, cell }) => {
    const by = device(status)
    const asked = { subject: { CN: `${status}.example.org` }, transactionId: status }
    expect((await app.enrol(by, asked)).pkiStatus).toBe('PENDING')
    const id = await app.newest()
    await drive(status, id)
    expect((await readSignRequest(opened.db, id)).status).toBe(status)
    const data = issuerAndSubject({ CN: 'countersign Issuing CA' }, asked.subject)
    for (const reply of [
      await app.send({ type: 'CertPoll', data, by, transactionId: status }),
      await app.enrol(by, asked),
    ]) {
      expect(reply).toMatchObject(cell)
      expect(reply.certificates).toHaveLength(status === 'signed' ? 1 : 0)
      if (cell.pkiStatus === 'FAILURE') expect(reply.text).toContain(reasons[status] ?? 'in time')
    }
    expect((await readSignRequest(opened.db, id)).status, 'asking moves nothing').toBe(status)
  })

  it('a failure that the client was told of is not retried behind its back', async () => {
    const by = device('told')
    await app.enrol(by, { subject: { CN: 'told.example.org' }, transactionId: 'told' })
    const id = await app.newest()
    await drive('failed', id)
    await app.send({ type: 'CertPoll', data: issuerAndSubject({}, {}), by, transactionId: 'told' })
    await expect(door().approvals.retry('sign', id)).rejects.toMatchObject({ code: 'conflict' })
  })
})
