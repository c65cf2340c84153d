import { beforeAll, describe, expect, it } from 'vitest'
import { pictureOf } from '../../src/console/pages/overviewOrders.tsx'
import { raiseAlert } from '../../src/core/audit/alert.ts'
import { sealAudit } from '../../src/core/audit/seal.ts'
import { transaction } from '../../src/db/transaction.ts'
import { useConsoleApp } from '../helpers/consoleApp.ts'
import { everywhere, hashOf, ordered } from '../helpers/consoleRequests.ts'
import { auto, waits } from '../helpers/raApp.ts'

const used = useConsoleApp()
const DAY = 86_400_000

beforeAll(async () => {
  const { app } = used
  await app.save('decided', { rules: everywhere(waits) })
  const validity = (days: number) => ({ certificate: { validity: { default: `${days}d`, max: '400d' } } })
  for (const days of [20, 45, 80, 200])
    await app.save(`for-${days}`, { settings: validity(days), rules: everywhere(auto) })
})

const sealed = async () => {
  const { it } = used.app.world
  while ((await sealAudit(it.db, it.auditSecret)) > 0);
}

describe('the overview', () => {
  it('says where to begin while there is nothing', async () => {
    const { app } = used
    const { status, text } = await app.get('/console', { by: app.stranger })
    expect(status).toBe(200)
    expect(text).toContain('Nothing waits for your decision.')
    expect(text).toContain('Nothing was ordered in these 30 days.')
    expect(text).toContain('No alert is open.')
  })

  it('has what waits for me, each with its link', async () => {
    const { app } = used
    const { at } = await ordered(app, 'task.test')
    const { text, html } = await app.get('/console', { by: app.approver })
    expect(text).toContain('Waiting for you: 1')
    expect(text).toContain('task.test New certificate by operator over Console, profile decided just now')
    expect(html).toContain(`href="${at}"`)
    const fields = { hash: await hashOf(app, at), verdict: 'deny', reason: 'no' }
    await app.post(`${at}/vote`, fields, { by: app.approver })
    expect((await app.get('/console', { by: app.approver })).text).toContain('Nothing waits for your decision.')
  })

  it('counts certificates that end within 30, 60 and 90 days, each with a bar and its list', async () => {
    const { app } = used
    for (const days of [20, 45, 80, 200]) await ordered(app, `${days}.test`, { profile: `for-${days}` })
    const { text, html } = await app.get('/console')
    expect(text).toMatch(/Within 30 days (\d+) Within 60 days (\d+) Within 90 days (\d+)/)
    const [, ...counts] = (/30 days (\d+) Within 60 days (\d+) Within 90 days (\d+)/.exec(text) ?? []).map(Number)
    const listed = async (days: number) => (await app.get(`/console/certificates?status=active&expiring=${days}`)).text
    expect(await listed(30)).toContain('20.test')
    expect(await listed(30)).not.toContain('45.test')
    expect(await listed(90)).toContain('80.test')
    expect(counts[1]).toBe((counts[0] ?? 0) + 1)
    expect(counts[2]).toBeGreaterThan(counts[1] ?? 0)
    expect(html.match(/<rect class="(?:bad|warn|plain)" width="[\d.]+" height="8"/g)).toHaveLength(3)
  })

  it('shows what was issued and what failed, by day and protocol, also as numbers', async () => {
    const { app } = used
    await ordered(app, 'counted.test', { profile: 'for-200' })
    await ordered(app, 'acme.test', { profile: 'for-200', draft: { protocol: 'acme' } })
    await sealed()
    const { text, html } = await app.get('/console')
    expect(text).toMatch(/Protocol Issued Failed Refused Withdrawn Console [5-9] 0 1 0 ACME 1 0 0 0/)
    expect(text).toMatch(/Console [5-9] ACME 1 .*Failed or refused 1/)
    expect(html).toContain('class="days-chart"')
    expect(html.match(/<rect class="s[01]" x=/g)?.length).toBeGreaterThanOrEqual(2)
  })

  it('has the authorities with the health of CRL and responder', async () => {
    const { text, html } = await used.app.get('/console')
    expect(text).toMatch(/Authority Ends CRL OCSP responder .*issuing/)
    expect(html).toContain('/console/authorities/issuing')
  })

  it('has alerts for administrators alone', async () => {
    const { app } = used
    const alert = {
      kind: 'login_guessing',
      organizationId: app.operator.organizationId,
      subject: { kind: 'user', id: app.operator.id },
      detail: 'ten wrong passwords for operator',
    } as const
    await transaction(app.world.it.db, (db) => raiseAlert(db, app.world.time.now, alert))
    const { text } = await app.get('/console')
    expect(text).toContain('Alerts: 1 Review Somebody guesses a password ten wrong passwords for operator')
    for (const by of [app.operator, app.stranger])
      expect((await app.get('/console', { by })).text).not.toContain('ten wrong passwords')
  })

  it("shows nothing of another organization's", async () => {
    const { app } = used
    const { text } = await app.get('/console', { by: app.stranger })
    for (const hidden of ['task.test', 'issuing', 'Console 5', 'Console 6']) expect(text).not.toContain(hidden)
    expect(text).toMatch(/Within 30 days 0 Within 60 days 0 Within 90 days 0/)
  })
})

describe('the picture of the last days', () => {
  const now = new Date('2026-11-22T15:00:00Z')
  const row = (
    day: string,
    protocol: string,
    counts: Partial<Record<'issued' | 'failed' | 'refused' | 'canceled', number>>,
  ) => ({
    day: new Date(`${day}T00:00:00Z`),
    protocol,
    issued: 0,
    failed: 0,
    refused: 0,
    canceled: 0,
    ...counts,
  })

  it('has thirty days, today last, and an empty one where nothing was', () => {
    const { days, up, down } = pictureOf(
      [row('2026-11-22', 'est', { issued: 2 }), row('2026-10-24', 'est', { issued: 1 })],
      now,
    )
    expect(days).toHaveLength(30)
    expect(days.at(-1)?.toISOString()).toBe('2026-11-22T00:00:00.000Z')
    expect((days.at(-1)?.getTime() ?? 0) - (days[0]?.getTime() ?? 0)).toBe(29 * DAY)
    expect(up).toEqual([{ name: 'EST', values: [1, ...Array(28).fill(0), 2] }])
    expect(down.values).toEqual(Array(30).fill(0))
  })

  it('puts the protocol with most first, leaves out what issued nothing, and counts failed and refused, not withdrawn', () => {
    const rows = [
      row('2026-11-21', 'scep', { failed: 2, canceled: 9 }),
      row('2026-11-21', 'acme', { issued: 5, refused: 1 }),
      row('2026-11-20', 'ra', { issued: 7 }),
    ]
    const { up, down } = pictureOf(rows, now)
    expect(up.map(({ name }) => name)).toEqual(['REST', 'ACME'])
    expect(down.values.slice(-3)).toEqual([0, 3, 0])
  })
})
