import { beforeAll, describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { everywhere, hashOf, ordered } from '../helpers/consoleRequests.ts'
import { waits } from '../helpers/raApp.ts'

const used = useConsoleApp()

beforeAll(() => used.app.save('decided', { rules: everywhere(waits) }))

describe('sending a failed order again', () => {
  it('makes one order, however often the button is pressed, and one for each person', async () => {
    const { app } = used
    const { at, uuid } = await ordered(app, 'twice.test')
    const fields = { hash: await hashOf(app, at), verdict: 'deny', reason: 'not now' }
    await app.post(`${at}/vote`, fields, { by: app.approver })
    await Promise.all([app.session(app.operator), app.session(app.admin)])
    const send = (by = app.operator) => app.post(`/console/orders/${uuid}/again`, {}, { by })
    const [first, second] = await Promise.all([send(), send()])
    expect([first.status, second.status]).toEqual([303, 303])
    expect(second.location).toBe(first.location)
    expect((await send(app.admin)).location).not.toBe(first.location)
    const sent = await app.post(`/console/orders/${first.location?.split('/').at(-1)}/again`)
    expect(sent.status).toBe(409)
  })
})
