import { describe, expect, it } from 'vitest'
import type { Door } from '../../src/core/core.ts'
import { readSignRequest } from '../../src/core/request/records.ts'
import { system } from '../../src/core/requester.ts'
import { databases } from '../helpers/databases.ts'
import { doorOf, everything, type FastpkiApp, type Person, server, useFastpkiApp } from '../helpers/fastpkiApp.ts'
import { type Driven, reasons, statusDrive } from '../helpers/statusDrive.ts'
import { signStatusTable } from '../helpers/statusTable.ts'

describe.each(databases)('the status table in FastPKI on $name', ({ open }) => {
  const used = useFastpkiApp(open)
  let approver: Person | undefined

  /** An order that waits for the approver. */
  async function waiting(
    app: FastpkiApp,
    name: string,
  ): Promise<{ id: number; vote: Parameters<typeof statusDrive>[1] }> {
    approver ??= await app.person('approver', { capabilities: ['approve', 'read'] })
    await app.save('shop', {
      rules: { ...everything, issue: [{ name: 'a person looks', require: [{ users: ['approver'] }] }] },
    })
    const { status, json } = await app.call('post', `/certificates/?ca_id=${app.ca}`, { body: server(name) })
    expect(status).toBe(202)
    const door: Door = doorOf(app, approver)
    const vote: Parameters<typeof statusDrive>[1] = async (input = {}) => {
      const { hash } = await door.approvals.review('sign', json.id)
      return door.approvals.vote('sign', json.id, { verdict: 'approve', hash, ...input })
    }
    return { id: json.id, vote }
  }

  it('knows no draft', () => expect(signStatusTable.draft.fastpki).toBeUndefined())

  const cells = Object.entries(signStatusTable).flatMap(([status, { fastpki }]) =>
    fastpki && status !== 'draft' ? [{ status: status as Driven, cell: fastpki }] : [],
  )

  it.each(cells)(
    'an order that is $status is answered by $cell.status when it is asked for',
    async ({ status, cell }) => {
      const { app } = used
      const { id, vote } = await waiting(app, `${status}.test`)
      await statusDrive(app.world, vote)[status](id)
      expect((await readSignRequest(app.host.db, id)).status).toBe(status)
      const answer = await app.call('get', `/certificates/${id}`)
      // 201 is for who makes something: who asks for it gets 200.
      expect(answer.status).toBe(cell.status === 201 ? 200 : cell.status)
      expect(answer.json.id === id).toBe(cell.id)
      expect(typeof answer.json.certificate === 'string').toBe(cell.certificate)
      if (cell.status === 403 && reasons[status]) expect(answer.json.detail).toContain(reasons[status])
      if (cell.status === 503) expect(answer.headers.get('retry-after')).toMatch(/^[1-9]\d*$/)
      expect((await readSignRequest(app.host.db, id)).status, 'asking moves nothing').toBe(status)
    },
  )

  it('who repeats an order with its Idempotency-Key hears what became of it', async () => {
    const { app } = used
    approver ??= await app.person('approver', { capabilities: ['approve', 'read'] })
    const sent = { body: server('repeated.test'), headers: { 'idempotency-key': 'one' } }
    const first = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent)
    const second = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent)
    expect([second.status, second.json]).toEqual([202, first.json])
    const door = doorOf(app, approver)
    const { hash } = await door.approvals.review('sign', first.json.id)
    await door.approvals.vote('sign', first.json.id, { verdict: 'approve', hash })
    const third = await app.call('post', `/certificates/?ca_id=${app.ca}`, sent)
    expect(third).toMatchObject({ status: 201, json: { id: first.json.id, private_key: expect.any(String) } })
    expect(await app.world.core.as(system('test')).list.request(first.json.id)).toMatchObject({ protocol: 'fastpki' })
  })
})
