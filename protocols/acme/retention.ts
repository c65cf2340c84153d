import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Chore, Host } from '../../src/protocol.ts'
import { keyHolder } from './signed.ts'
import type { AcmeTables } from './tables.ts'

/** How long orders and authorizations are kept after they have ended; docs/protocols/acme.md names it. */
const KEPT_MS = 90 * 86_400_000
/** Rows of one look, and of one transaction. */
const BATCH = 200
/** As long as there is much to forget, so many looks follow each other. */
const MOST_LOOKS = 50
const PAUSE_MS = 60_000

/** What one look at the next rows came to. */
interface Look {
  forgotten: number
  /** Id of the last row that was looked at; 0: those after it are too young, and the next look begins anew. */
  last: number
}

/**
 * Forgets orders and authorizations that ended long ago, some at a time, from the oldest on; after the last that is old
 * enough it begins again. Where it is, each process knows for itself.
 */
export function retention(host: Host): Chore {
  const at = { orders: 0, authorizations: 0 }
  return {
    name: 'forget ACME orders that ended long ago',
    every: PAUSE_MS,
    async run() {
      // Orders first: an authorization stays as long as an order names it.
      at.orders = await advance(at.orders, (after) => forgetOrders(host, after))
      at.authorizations = await advance(at.authorizations, (after) => forgetAuthorizations(host, after))
    },
  }
}

async function advance(from: number, look: (after: number) => Promise<Look>): Promise<number> {
  let after = from
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const { forgotten, last } = await look(after)
    after = last
    // Those that are kept cost questions: where they are many, there is no hurry.
    if (last === 0 || forgotten < BATCH / 2) break
  }
  return after
}

/** One look at orders. Exported for tests, as the next. */
export async function forgetOrders(host: Host, after: number, batch = BATCH): Promise<Look> {
  const cutoff = host.clock().getTime() - KEPT_MS
  const rows = await withTables<AcmeTables>(host.db)
    .selectFrom('acme_orders')
    .select(['id', 'uuid', 'created_at', 'expires_at', 'finalized_at', 'replaces_id'])
    .where('id', '>', after)
    .orderBy('id')
    .limit(batch)
    .execute()
  const ids: number[] = []
  for (const row of rows) if (row.expires_at <= cutoff && (await isOver(host, row, cutoff))) ids.push(row.id)
  if (ids.length > 0)
    await transaction(host.db, async (db) => {
      const tables = withTables<AcmeTables>(db)
      await tables.deleteFrom('acme_order_identifiers').where('order_id', 'in', ids).execute()
      await tables.deleteFrom('acme_orders').where('id', 'in', ids).execute()
    })
  return { forgotten: ids.length, last: nextAfter(rows, { batch, cutoff }) }
}

interface OldOrder {
  uuid: string
  finalized_at: number | null
  replaces_id: number | null
}

/**
 * An order is over when its request is and, if it has come to a certificate, when that has ended; one that replaces a
 * certificate not before that one has ended, since nothing else says that it was replaced (RFC 9773 section 5).
 */
async function isOver(host: Host, order: OldOrder, cutoff: number): Promise<boolean> {
  const door = host.core.as(keyHolder('', undefined))
  if (order.replaces_id !== null) {
    const replaced = await door.findCertificate({ id: order.replaces_id })
    if (replaced && replaced.notAfter > host.clock()) return false
  }
  if (order.finalized_at === null) return true
  const request = await door.findSignRequest({ protocol: 'acme', ref: order.uuid })
  if (!request?.endedAt || request.endedAt.getTime() > cutoff) return false
  const certificate = request.status === 'signed' ? await door.findCertificate({ uuid: request.uuid }) : undefined
  return !certificate || certificate.notAfter.getTime() <= cutoff
}

/** One look at authorizations. */
export async function forgetAuthorizations(host: Host, after: number, batch = BATCH): Promise<Look> {
  const cutoff = host.clock().getTime() - KEPT_MS
  const rows = await withTables<AcmeTables>(host.db)
    .selectFrom('acme_authorizations')
    .select(['id', 'created_at', 'expires_at'])
    .where('id', '>', after)
    .orderBy('id')
    .limit(batch)
    .execute()
  const ids = rows.filter(({ expires_at }) => expires_at <= cutoff).map(({ id }) => id)
  const forgotten =
    ids.length === 0
      ? []
      : await transaction(host.db, (db) =>
          withTables<AcmeTables>(db)
            .deleteFrom('acme_authorizations')
            .where('id', 'in', ids)
            .where(({ not, exists, selectFrom }) =>
              not(
                exists(
                  selectFrom('acme_order_identifiers as i')
                    .select('i.order_id')
                    .whereRef('i.authorization_id', '=', 'acme_authorizations.id'),
                ),
              ),
            )
            .returning('id')
            .execute(),
        )
  return { forgotten: forgotten.length, last: nextAfter(rows, { batch, cutoff }) }
}

/** Ids grow with time: behind a row that is too young there is none that is old enough. */
function nextAfter(
  rows: readonly { id: number; created_at: number }[],
  { batch, cutoff }: { batch: number; cutoff: number },
): number {
  const last = rows.at(-1)
  return last && rows.length === batch && last.created_at <= cutoff ? last.id : 0
}
