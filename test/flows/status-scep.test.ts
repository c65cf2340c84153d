import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expireWaiting } from '../../src/core/expire.ts'
import { readSignRequest } from '../../src/core/records.ts'
import type { SignStatus } from '../../src/core/request.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { createScepApp, type ScepApp } from '../helpers/scepApp.ts'
import { device, issuerAndSubject } from '../helpers/scepClient.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

const reasons: Partial<Record<SignStatus, string>> = {
  denied: 'this name belongs to another team',
  canceled: 'ordered by mistake',
  failed: 'the authority is being moved',
}

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

  /** Switches the authority off meanwhile, so that what is approved cannot be signed. */
  async function approveUnsigned(): Promise<void> {
    await door().admin.changeAuthority('issuing', { enabled: false })
    await app.vote().finally(() => door().admin.changeAuthority('issuing', { enabled: true }))
  }

  /** How a waiting request gets into a status, by what people and time do. */
  const drive: Record<Exclude<SignStatus, 'draft'>, (id: number) => Promise<unknown>> = {
    requested: async () => {},
    signing: approveUnsigned,
    signed: () => app.vote(),
    denied: () => app.vote({ verdict: 'deny', reason: reasons.denied ?? '' }),
    expired: () => expireWaiting(opened.db, new Date(app.world.time.now.getTime() + 8 * 86_400_000)),
    canceled: (id) => door().approvals.cancel('sign', id, reasons.canceled),
    failed: (id) => door().approvals.markFailed('sign', id, reasons.failed ?? ''),
  }

  it('knows no draft', () => expect(signStatusTable.draft.scep).toBeUndefined())

  const cells = Object.entries(signStatusTable).flatMap(([status, { scep }]) =>
    scep && status !== 'draft' ? [{ status: status as Exclude<SignStatus, 'draft'>, cell: scep }] : [],
  )

  it.each(cells)('a request that is $status is $cell.pkiStatus, polled or repeated', async ({ status, cell }) => {
    const by = device(status)
    const asked = { subject: { CN: `${status}.example.org` }, transactionId: status }
    expect((await app.enrol(by, asked)).pkiStatus).toBe('PENDING')
    const id = await app.newest()
    await drive[status](id)
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
    await drive.failed(id)
    await app.send({ type: 'CertPoll', data: issuerAndSubject({}, {}), by, transactionId: 'told' })
    await expect(door().approvals.retry('sign', id)).rejects.toMatchObject({ code: 'conflict' })
  })
})
