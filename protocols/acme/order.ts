import { z } from 'zod'
import type { RaProfile } from '../../src/core/profile.ts'
import type { SignRequest } from '../../src/core/request.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Answer } from './answer.ts'
import { AcmeError } from './errors.ts'
import { admitByBinding } from './externalAccount.ts'
import { isId, newId, newToken } from './id.ts'
import { challengesFor, type OrderName, readIdentifiers } from './identifiers.ts'
import { milliseconds, optionsOf } from './options.ts'
import { findOrder, type Order, type StoredStatus } from './orderRecord.ts'
import { type OrderState, orderObject, orderState } from './orderState.ts'
import { type AccountRequest, notFound, readPayload, requirePostAsGet } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { readTime } from './time.ts'
import { urls } from './urls.ts'

/** No profile takes more; a body of 64 KiB holds some two thousand. */
const MAX_IDENTIFIERS = 1000

const payload = z.object({
  identifiers: z.array(z.object({ type: z.string(), value: z.string() })).max(MAX_IDENTIFIERS),
  notBefore: z.string().optional(),
  notAfter: z.string().optional(),
})

/** RFC 8555 section 7.4. What the profile would never certify is refused here and not at finalize. */
export async function newOrder(request: AccountRequest): Promise<Answer> {
  const asked = readPayload(request, payload)
  const names = readIdentifiers(asked.identifiers)
  const period = {
    ...(asked.notBefore === undefined ? {} : { notBefore: readTime(asked.notBefore, 'notBefore') }),
    ...(asked.notAfter === undefined ? {} : { notAfter: readTime(asked.notAfter, 'notAfter') }),
  }
  const profile = await accountProfile(request)
  const identifiers = names.map(({ identifier }) => identifier)
  request.door.admitNames(profile, identifiers, period)
  const entitled = await admitByBinding(request, identifiers)
  const uuid = newId(request.now)
  await foresee(request, { uuid, profile, names, entitled, ...period })
  const order = await store(request, { uuid, profile, names, entitled, ...period })
  return answerOrder(request, order, { status: 'pending' }, 201)
}

/** The profile that the account belongs to, as it is now. A new one that took over its name is another. Throws Failure('notFound'). */
export async function accountProfile({ door, account }: AccountRequest): Promise<RaProfile> {
  const profile = await door.profile(account.profile, 'acme')
  if (profile.id !== account.profileId)
    throw new AcmeError('accountDoesNotExist', 'the account belongs to a profile that is gone: register again')
  return profile
}

interface Ordered {
  uuid: string
  profile: RaProfile
  names: OrderName[]
  entitled: boolean
  notBefore?: Date
  notAfter?: Date
}

/** What the rules can say without the CSR is said now: a denial, or the question to people. */
async function foresee({ door }: AccountRequest, { uuid, profile, names, ...period }: Ordered): Promise<void> {
  await door.foresee({
    profile,
    protocol: 'acme',
    action: 'issue',
    origin: { protocol: 'acme', ref: uuid },
    identifiers: names.map(({ identifier }) => identifier),
    ...period,
  })
}

async function store(
  { server, account, now }: AccountRequest,
  { uuid, profile, names, notBefore, notAfter }: Ordered,
): Promise<Order> {
  const options = optionsOf(profile)
  const at = now.getTime()
  const expiresAt = at + milliseconds(options.orderLifetime)
  const authorizations = names.map((name) => ({
    uuid: newId(now),
    account_id: account.id,
    ...name.base,
    wildcard: name.wildcard ? 1 : 0,
    token: newToken(),
    offered: challengesFor(name, options).join(' '),
    status: 'pending' satisfies StoredStatus,
    expires_at: expiresAt,
    lifetime: milliseconds(options.authorizationLifetime),
    queries: 0,
    created_at: at,
  }))
  const row = {
    uuid,
    account_id: account.id,
    not_before: notBefore?.getTime() ?? null,
    not_after: notAfter?.getTime() ?? null,
    expires_at: expiresAt,
    created_at: at,
  }
  const id = await transaction(server.host.db, async (db) => {
    const tables = withTables<AcmeTables>(db)
    const stored = await tables
      .insertInto('acme_authorizations')
      .values(authorizations)
      .returning(['id', 'uuid'])
      .execute()
    const ids = new Map(stored.map((authorization) => [authorization.uuid, authorization.id]))
    const order = await tables.insertInto('acme_orders').values(row).returning('id').executeTakeFirstOrThrow()
    const links = names.map(({ asked }, position) => ({
      order_id: order.id,
      position,
      ...asked,
      authorization_id: ids.get(authorizations[position]?.uuid ?? '') ?? 0,
    }))
    await tables.insertInto('acme_order_identifiers').values(links).execute()
    return order.id
  })
  return {
    id,
    uuid: row.uuid,
    notBefore: notBefore?.getTime(),
    notAfter: notAfter?.getTime(),
    expiresAt,
    finalizedAt: undefined,
    names: names.map(({ asked }, position) => ({
      ...asked,
      authorization: { uuid: authorizations[position]?.uuid ?? '', status: 'pending', expiresAt, error: undefined },
    })),
  }
}

/** The order by POST-as-GET. */
export async function order(request: AccountRequest): Promise<Answer> {
  requirePostAsGet(request)
  const own = await ownOrder(request)
  return answerOrder(request, own, await currentState(request, own))
}

/** The order that the URL names, if it is this account's. Throws AcmeError('malformed', 404). */
export async function ownOrder({ server, account, param }: AccountRequest): Promise<Order> {
  const uuid = param('id')
  const found = isId(uuid) ? await findOrder(server.host.db, account.id, uuid) : undefined
  if (!found) throw notFound('order')
  return found
}

export async function currentState(request: AccountRequest, { finalizedAt, ...order }: Order): Promise<OrderState> {
  const asked =
    finalizedAt === undefined ? undefined : await request.door.findSignRequest({ protocol: 'acme', ref: order.uuid })
  return toldState(request, { finalizedAt, ...order }, asked)
}

/** A request that has failed is tried again by an administrator only as long as no client has read that it failed. */
export async function toldState(
  { door, now }: AccountRequest,
  order: Order,
  asked: SignRequest | undefined,
): Promise<OrderState> {
  if (asked?.status !== 'failed') return orderState(order, asked, now)
  await door.answered(asked.id)
  return orderState(order, await door.findSignRequest({ protocol: 'acme', ref: order.uuid }), now)
}

export function answerOrder(
  { root }: AccountRequest,
  order: Order,
  state: OrderState,
  status: 200 | 201 = 200,
): Answer {
  return {
    status,
    location: urls.order(root, order.uuid),
    json: orderObject(root, order, state),
    ...(state.status === 'processing' ? { retryAfter: state.retryAfter } : {}),
  }
}
