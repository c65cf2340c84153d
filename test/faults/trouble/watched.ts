import { request } from 'node:http'
import { expect } from 'vitest'
import { verifyAudit } from '../../../src/core/audit/verify.ts'
import type { CoreTables } from '../../../src/core/tables.ts'
import { withTables } from '../../../src/db/tables.ts'
import { until } from '../../helpers/until.ts'
import type { CrowdWorld } from '../crowd/world.ts'
import { type Orders, shapeOf, unavailable } from './contracts.ts'

/** What /readyz says: the status. */
export function readiness({ server }: CrowdWorld): Promise<number> {
  return new Promise((resolve, reject) => {
    request(`${server.httpUrl}/readyz`, { agent: false }, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
    })
      .once('error', reject)
      .end()
  })
}

export const turns = (world: CrowdWorld, status: 200 | 503) =>
  until(`/readyz says ${status}`, async () => ((await readiness(world)) === status ? true : undefined), {
    within: 30_000,
  })

/** The log says it, which is written beside the answers and may come after them. */
export const logs = (world: CrowdWorld, what: RegExp) =>
  until(`the log says ${what}`, async () => (what.test(world.server.output().stderr) ? true : undefined), {
    within: 10_000,
  })

/** Every contract refuses with 503 in its own form. */
export async function expectUnavailable(orders: Orders, prefix: string): Promise<void> {
  for (const [contract, answered] of Object.entries(await orders.send(prefix)))
    expect({ contract, ...shapeOf(contract, answered) }, answered.text).toEqual({ contract, ...unavailable(contract) })
}

/** Every contract takes an order; all that it refused before left nothing half done. */
export async function expectServed(orders: Orders, prefix: string): Promise<void> {
  for (const [contract, { status, text }] of Object.entries(await orders.send(prefix)))
    expect([contract, status < 300], `${status} ${text}`).toEqual([contract, true])
}

/** An alert of the kind is open, and the audit chain holds. */
export async function expectTold(world: CrowdWorld, kind: string, detail: RegExp): Promise<void> {
  await world.beside(async ({ it }) => {
    const alerts = withTables<CoreTables>(it.db).selectFrom('alerts').select('detail')
    const open = alerts.where('kind', '=', kind).where('closed_at', 'is', null)
    const told = async () => (await open.execute()).find((alert) => detail.test(alert.detail))
    await until(`an alert of the kind ${kind} that says ${detail}`, told, { within: 10_000 })
    expect((await verifyAudit(it.db, it.auditSecret)).problems).toEqual([])
  })
}
