import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { system } from '../../src/core/requester.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { withTables } from '../../src/db/tables.ts'
import type { AcmeApp } from './acmeApp.ts'
import { type AcmeModel, type Op, orderStatus, step } from './acmeModel.ts'
import { type AcmeWalk, certificateOf } from './acmeWalk.ts'
import { ocspRequest } from './statusServer.ts'

/** After a walk: everything as the model has it, for who owns it; nothing for anybody else; one certificate an order; OCSP. */
export async function auditWalk(app: AcmeApp, walk: AcmeWalk): Promise<void> {
  const { model } = walk
  const reads: Op[] = [0, 1].flatMap((client): Op[] => [
    ...model.authorizations.map((_, authorization): Op => ({ kind: 'readAuthorization', client, authorization })),
    ...model.orders.map((_, order): Op => ({ kind: 'readOrder', client, order })),
  ])
  await expectAll(walk, reads)
  const certified = model.orders.flatMap(({ certificate }, order) => (certificate === undefined ? [] : [order]))
  await expectAll(
    walk,
    [0, 1].flatMap((client) => certified.map((order): Op => ({ kind: 'readCertificate', client, order }))),
  )
  for (const client of [0, 1]) await expectOrdersList(walk, client)
  await expectCertificates(app, model)
  await expectOcsp(app, model, certified)
}

async function expectAll(walk: AcmeWalk, ops: Op[]): Promise<void> {
  for (const op of ops) {
    const [reply] = await walk.perform([op])
    expect(reply && step(walk.model, op, reply), JSON.stringify(op)).toBeUndefined()
  }
}

/** RFC 8555 section 7.1.2.1. */
async function expectOrdersList({ model, clients }: AcmeWalk, client: number): Promise<void> {
  const owner = model.clients[client] ?? -1
  const by = clients[client]
  if (!by || model.accounts[owner]?.status !== 'valid') return
  await by.get(by.directory.newNonce ?? '', 'HEAD')
  const { json } = await by.post(`${by.kid}/orders`)
  const own = model.orders.filter((order) => order.owner === owner && orderStatus(model, order) !== 'invalid')
  expect((json.orders as string[]).sort()).toEqual(own.map(({ url }) => url).sort())
}

/** Whoever finalized, as often as they liked: what was signed is one certificate for each valid order. */
async function expectCertificates({ host }: AcmeApp, model: AcmeModel): Promise<void> {
  for (const [owner, { url }] of model.accounts.entries()) {
    const rows = await withTables<CoreTables>(host.db)
      .selectFrom('certificates')
      .select('id')
      .where('requester_key', '=', `acme-account:${url.split('/').pop()}`)
      .execute()
    const signed = model.orders.filter((order) => order.owner === owner && order.decision === 'signed')
    expect(rows).toHaveLength(signed.length)
  }
}

const reasons: Record<number, string> = { 1: 'keyCompromise', 4: 'superseded' }

function readOcsp(response: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'walk-'))
  try {
    writeFileSync(join(folder, 'response.der'), response)
    const args = ['ocsp', '-respin', 'response.der', '-noverify', '-resp_text']
    return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** What openssl reads in one answer about all of them. */
async function expectOcsp(app: AcmeApp, model: AcmeModel, orders: number[]): Promise<void> {
  const asked = orders.slice(-32)
  if (asked.length === 0) return
  const door = app.world.core.as(system('test'))
  const { active } = await door.authorityChain('issuing')
  if (!active) throw new Error('there is no issuing authority')
  const serials: string[] = []
  for (const order of asked) serials.push(new X509Certificate(await certificateOf(app, model, order)).serialNumber)
  const question = ocspRequest(active, serials)
  const text = readOcsp((await door.ocsp({ text: question.toString('latin1'), der: () => question })).der)
  const shown = [...text.matchAll(/Cert Status: (\w+)\n(?:\s+Revocation Time: .*\n)?(?:\s+Revocation Reason: (\w+))?/g)]
  expect(shown.map(([, status, reason]) => [status, reason])).toEqual(
    asked.map((order) => {
      const revoked = model.orders[order]?.revoked
      return revoked
        ? ['revoked', revoked.reason === undefined ? undefined : reasons[revoked.reason]]
        : ['good', undefined]
    }),
  )
}
