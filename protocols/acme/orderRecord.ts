import type { Kysely } from 'kysely'
import type { Database } from '../../src/db/open.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import type { ProblemDocument } from './errors.ts'
import type { AcmeTables } from './tables.ts'

/** RFC 8555 section 7.1.6. */
export type AuthorizationStatus = 'pending' | 'valid' | 'invalid' | 'deactivated' | 'expired' | 'revoked'
/** Expiry is derived. */
export type StoredStatus = Exclude<AuthorizationStatus, 'expired'>

export interface Order {
  id: number
  uuid: string
  notBefore: number | undefined
  notAfter: number | undefined
  expiresAt: number
  finalizedAt: number | undefined
  /** The variant of the profile. */
  variant: string | undefined
  /** RFC 9773 section 5: as asked, and the certificate's id. */
  replaces: string | undefined
  replacesId: number | undefined
  /** As asked, in that order. */
  names: OrderedName[]
}

export interface OrderedName {
  type: string
  value: string
  /** RFC 9444 section 4.3, as asked. */
  ancestor: string | undefined
  authorization: {
    uuid: string
    status: StoredStatus
    expiresAt: number
    error: ProblemDocument | undefined
    /** Absent right after the order was made. */
    proof?: Proof
  }
}

/** What an authorization is for, and how it was proved. */
export interface Proof {
  /** Without `*.`. */
  value: string
  wildcard: boolean
  challenge: string | undefined
  caaCheckedAt: number | undefined
}

export function authorizationStatus(
  { status, expiresAt }: { status: StoredStatus; expiresAt: number },
  now: Date,
): AuthorizationStatus {
  switch (status) {
    case 'pending':
    case 'valid':
      return expiresAt <= now.getTime() ? 'expired' : status
    case 'invalid':
    case 'deactivated':
    case 'revoked':
      return status
  }
}

function ordersOf(tables: Kysely<AcmeTables>, accountId: number) {
  return tables
    .selectFrom('acme_orders as o')
    .innerJoin('acme_order_identifiers as i', 'i.order_id', 'o.id')
    .innerJoin('acme_authorizations as a', 'a.id', 'i.authorization_id')
    .select([
      'o.id',
      'o.uuid',
      'o.not_before',
      'o.not_after',
      'o.expires_at',
      'o.finalized_at',
      'i.type',
      'i.value',
      'i.ancestor',
    ])
    .select(['o.variant', 'o.replaces', 'o.replaces_id'])
    .select(['a.uuid as authorization', 'a.status', 'a.expires_at as until', 'a.error'])
    .select(['a.value as base', 'a.wildcard', 'a.challenge', 'a.caa_checked_at'])
    .where('o.account_id', '=', accountId)
    .orderBy('i.position')
}

type OrderRow = Awaited<ReturnType<ReturnType<typeof ordersOf>['execute']>>[number]

const orderByUuid = statement((tables: Kysely<AcmeTables>, accountId: number, uuid: string) =>
  ordersOf(tables, accountId).where('o.uuid', '=', uuid),
)

/** Orders of an account with their authorizations, in one statement; those given by uuid, in no order. */
export async function findOrders(db: Database, accountId: number, uuids: readonly string[]): Promise<Order[]> {
  return toOrders(await ordersOf(withTables<AcmeTables>(db), accountId).where('o.uuid', 'in', uuids).execute())
}

export async function findOrder(db: Database, accountId: number, uuid: string): Promise<Order | undefined> {
  const [order] = toOrders((await orderByUuid(db, accountId, uuid)).rows)
  return order
}

/** A row is one name of an order. */
function toOrders(rows: readonly OrderRow[]): Order[] {
  const orders = new Map<number, Order>()
  for (const row of rows) {
    const order = orders.get(row.id) ?? {
      id: row.id,
      uuid: row.uuid,
      notBefore: row.not_before ?? undefined,
      notAfter: row.not_after ?? undefined,
      expiresAt: row.expires_at,
      finalizedAt: row.finalized_at ?? undefined,
      variant: row.variant ?? undefined,
      replaces: row.replaces ?? undefined,
      replacesId: row.replaces_id ?? undefined,
      names: [],
    }
    orders.set(row.id, order)
    const error: ProblemDocument | undefined = row.error === null ? undefined : JSON.parse(row.error)
    const proof: Proof = {
      value: row.base,
      wildcard: row.wildcard === 1,
      challenge: row.challenge ?? undefined,
      caaCheckedAt: row.caa_checked_at ?? undefined,
    }
    const status = row.status as StoredStatus
    const authorization = { uuid: row.authorization, status, expiresAt: row.until, error, proof }
    order.names.push({ type: row.type, value: row.value, ancestor: row.ancestor ?? undefined, authorization })
  }
  return [...orders.values()]
}
