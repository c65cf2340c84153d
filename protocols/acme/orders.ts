import { withTables } from '../../src/db/tables.ts'
import { type Answer, link } from './answer.ts'
import { AcmeError } from './errors.ts'
import { isId, timeOfId } from './id.ts'
import { currentState } from './order.ts'
import { findOrders } from './orderRecord.ts'
import { type AccountRequest, notFound, requirePostAsGet } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

const PAGE = 50

/** RFC 8555 section 7.1.2.1: newest first, those that are invalid left out. A page may be short, or empty, with a next one. */
export async function orders(request: AccountRequest): Promise<Answer> {
  requirePostAsGet(request)
  const { server, account, root, param } = request
  if (param('id') !== account.uuid) throw notFound('account')
  const { db } = server.host
  const { uuids, more } = await page(request)
  const found = uuids.length === 0 ? [] : await findOrders(db, account.id, uuids)
  const byUuid = new Map(found.map((order) => [order.uuid, order]))
  const shown: string[] = []
  for (const uuid of uuids) {
    const order = byUuid.get(uuid)
    if (order && (await currentState(request, order)).status !== 'invalid') shown.push(urls.order(root, uuid))
  }
  const last = uuids.at(-1)
  const next = more && last !== undefined ? { links: [link(urls.orders(root, account.uuid, last), 'next')] } : {}
  return { status: 200, json: { orders: shown }, ...next }
}

/** The cursor is the last order that was looked at. */
async function page({ server, account, query }: AccountRequest): Promise<{ uuids: string[]; more: boolean }> {
  const tables = withTables<AcmeTables>(server.host.db)
  const cursor = query('cursor')
  if (cursor !== undefined && !isId(cursor))
    throw new AcmeError('malformed', 'the cursor is not one that was handed out')
  let rows = tables.selectFrom('acme_orders').select('uuid').where('account_id', '=', account.id)
  if (cursor !== undefined) {
    const last = await tables
      .selectFrom('acme_orders')
      .select('id')
      .where('uuid', '=', cursor)
      .where('account_id', '=', account.id)
      .executeTakeFirst()
    // One that was forgotten meanwhile (retention.ts) still tells its time.
    rows = last ? rows.where('id', '<', last.id) : rows.where('created_at', '<', timeOfId(cursor))
  }
  const uuids = (
    await rows
      .orderBy('id', 'desc')
      .limit(PAGE + 1)
      .execute()
  ).map(({ uuid }) => uuid)
  return { uuids: uuids.slice(0, PAGE), more: uuids.length > PAGE }
}
