import type { Insertable, Kysely } from 'kysely'
import type { Take } from '../../src/core/enrolment/limit.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Database } from '../../src/db/open.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import { isUniqueViolation, transaction } from '../../src/db/transaction.ts'
import { milliseconds } from '../../src/http/optionFields.ts'
import type { NewAuthorization, Planned } from './authorizationPlan.ts'
import type { OrderName } from './identifiers.ts'
import { freshOf } from './limits.ts'
import { optionsOf } from './options.ts'
import type { Order, OrderedName } from './orderRecord.ts'
import { alreadyReplaced, type Replaced } from './replaces.ts'
import type { AccountRequest } from './signed.ts'
import type { AcmeTables } from './tables.ts'

/** An order that passed. */
export interface Ordered {
  uuid: string
  /** With the variant that was chosen. */
  profile: RaProfile
  names: OrderName[]
  plan: Planned[]
  /** By the credential that the account is bound to. */
  entitled: boolean
  notBefore?: Date
  notAfter?: Date
  replaced?: Replaced
  /** What it takes of a limit. */
  charge: Take | undefined
  /** Asks people, where the rules want them asked before the CSR is there. */
  ask: ((db: Database) => Promise<void>) | undefined
}

/** Stores an order with the authorizations that are new. Throws AcmeError('alreadyReplaced'). */
export async function storeOrder(request: AccountRequest, ordered: Ordered): Promise<Order> {
  const { account, now } = request
  const { uuid, profile, plan, notBefore, notAfter, replaced, charge } = ordered
  const { orderLifetime } = optionsOf(profile)
  const ends = plan.flatMap((planned) => ('held' in planned ? [planned.held.expiresAt] : []))
  const row = {
    uuid,
    account_id: account.id,
    not_before: notBefore?.getTime() ?? null,
    not_after: notAfter?.getTime() ?? null,
    // With the first of its authorizations an order ends too.
    expires_at: Math.min(now.getTime() + milliseconds(orderLifetime), ...ends),
    variant: profile.variant ?? null,
    replaces: replaced?.text ?? null,
    replaces_id: replaced?.certificate.id ?? null,
    replaces_turn: replaced?.turn ?? null,
    charged: charge ? 1 : 0,
    created_at: now.getTime(),
  }
  const id = await insert(request, row, ordered)
  return {
    id,
    uuid,
    notBefore: notBefore?.getTime(),
    notAfter: notAfter?.getTime(),
    expiresAt: row.expires_at,
    finalizedAt: undefined,
    variant: profile.variant,
    replaces: replaced?.text,
    replacesId: replaced?.certificate.id,
    names: plan.map(orderedName),
  }
}

function orderedName(planned: Planned): OrderedName {
  const { asked, ancestor } = planned.name
  const authorization =
    'held' in planned
      ? { ...planned.held, error: undefined }
      : {
          uuid: planned.fresh.uuid,
          status: 'pending' as const,
          expiresAt: planned.fresh.expires_at,
          error: undefined,
        }
  return { ...asked, ancestor, authorization }
}

const insertAuthorization = statement((tables: Kysely<AcmeTables>, row: NewAuthorization) =>
  tables.insertInto('acme_authorizations').values(row).returning(['id', 'uuid']),
)

/** An order of one name, which most are, by a statement that is built already. */
async function insertAuthorizations(db: Database, rows: NewAuthorization[]): Promise<{ id: number; uuid: string }[]> {
  const [first] = rows
  if (first === undefined) return []
  if (rows.length === 1) return (await insertAuthorization(db, first)).rows
  return withTables<AcmeTables>(db).insertInto('acme_authorizations').values(rows).returning(['id', 'uuid']).execute()
}

type LinkRow = Insertable<AcmeTables['acme_order_identifiers']>

const insertLink = statement((tables: Kysely<AcmeTables>, row: LinkRow) =>
  tables.insertInto('acme_order_identifiers').values(row),
)

async function insertLinks(db: Database, rows: LinkRow[]): Promise<void> {
  const [first] = rows
  if (first !== undefined && rows.length === 1) await insertLink(db, first)
  else await withTables<AcmeTables>(db).insertInto('acme_order_identifiers').values(rows).execute()
}

type OrderRow = Omit<Insertable<AcmeTables['acme_orders']>, 'id'>

const insertOrder = statement((tables: Kysely<AcmeTables>, row: OrderRow) =>
  tables.insertInto('acme_orders').values(row).returning('id'),
)

async function insert(
  { server, door }: AccountRequest,
  row: OrderRow,
  { plan, charge, ask }: Ordered,
): Promise<number> {
  const rows = freshOf(plan)
  try {
    return await transaction(server.host.db, async (db) => {
      const stored = await insertAuthorizations(db, rows)
      const ids = new Map(stored.map((authorization) => [authorization.uuid, authorization.id]))
      const [order] = (await insertOrder(db, row)).rows
      if (!order) throw new Failure('internal', 'an order was not stored')
      const links = plan.map((planned, position) => ({
        order_id: order.id,
        position,
        ...planned.name.asked,
        ancestor: planned.name.ancestor ?? null,
        authorization_id: 'held' in planned ? planned.held.id : (ids.get(planned.fresh.uuid) ?? 0),
      }))
      await insertLinks(db, links)
      if (charge) await door.limits.take(db, charge)
      await ask?.(db)
      return order.id
    })
  } catch (error) {
    // Two orders at once wanted the same turn.
    if (row.replaces_id !== null && isUniqueViolation(error)) throw alreadyReplaced()
    throw error
  }
}
