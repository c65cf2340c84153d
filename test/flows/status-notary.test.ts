import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readSignRequest } from '../../src/core/request/records.ts'
import { databases } from '../helpers/databases.ts'
import { createNotaryApp, doorOf, type NotaryApp, REQUESTS } from '../helpers/notaryApp.ts'
import { type Driven, reasons, statusDrive } from '../helpers/statusDrive.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

describe.each(databases)('the status table in Notary on $name', ({ open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let app: NotaryApp
  let id = 0

  beforeAll(async () => {
    opened = await open()
    app = await createNotaryApp(opened.db)
  })
  afterAll(() => opened.close())

  const drive = statusDriveOf()

  function statusDriveOf() {
    return (status: Driven) =>
      statusDrive(app.world, async (input) => {
        const { approvals } = await doorOf(app, 'admin')
        const { hash } = await approvals.review('sign', id)
        return approvals.vote('sign', id, { verdict: 'approve', hash, ...input })
      })[status](id)
  }

  const cells = Object.entries(signStatusTable).flatMap(([status, { notary }]) =>
    status === 'draft' ? [] : [{ status: status as Driven, cell: notary }],
  )

  it.each(cells)('a request that is $status is $cell.status', async ({ status, cell }) => {
    id = await app.request(`${status}.example.org`)
    await drive(status)
    expect((await readSignRequest(opened.db, id)).status).toBe(status)
    const view = await app.result('GET', `${REQUESTS}/${id}`, { by: app.requestor })
    expect(view.status).toBe(cell.status)
    expect(view.certificate_chain === '').toBe(cell.status !== 'Active')
    if (cell.status === 'Rejected') expect(view.reason).toContain(reasons[status] ?? 'in time')
    const listed = await app.result('GET', REQUESTS, { by: app.requestor })
    expect(listed.find((one: { id: number }) => one.id === id)).toEqual(view)
    expect((await readSignRequest(opened.db, id)).status, 'asking moves nothing').toBe(status)
  })

  it('what has failed is signed once more', async () => {
    id = await app.request('again.example.org')
    const sign = () =>
      app.call('POST', `${REQUESTS}/${id}/sign`, {
        by: app.admin,
        body: { certificate_authority_id: String(app.issuing) },
      })
    await drive('failed')
    expect((await sign()).status, 'ordered anew, and approved').toBe(202)
    const anew = await app.result('GET', `${REQUESTS}/${id}`, { by: app.requestor })
    expect(anew).toMatchObject({ id, status: 'Active' })
    id = await app.request('approved.example.org')
    await drive('signing')
    await app.world.core
      .as({ kind: 'system', ref: 'test', name: 'test', people: [] })
      .approvals.markFailed('sign', id, 'the authority was away')
    expect((await sign()).status).toBe(202)
    expect((await readSignRequest(opened.db, id)).status).toBe('signed')
  })
})
