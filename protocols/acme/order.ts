import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Answer } from './answer.ts'
import { delayedState, learnChaos } from './chaos.ts'
import { AcmeError } from './errors.ts'
import { isId } from './id.ts'
import { refundOrder } from './limits.ts'
import { findOrder, type Order } from './orderRecord.ts'
import { type OrderState, orderObject, orderState } from './orderState.ts'
import { type AccountRequest, notFound, requirePostAsGet } from './signed.ts'
import { urls } from './urls.ts'

/** The profile that the account belongs to, as it is now. A new one that took over its name is another. Throws Failure('notFound'). */
export async function accountProfile({ server, door, account }: AccountRequest): Promise<RaProfile> {
  const profile = learnChaos(server, await door.profile(account.profile, 'acme'))
  if (profile.id !== account.profileId)
    throw new AcmeError('accountDoesNotExist', 'the account belongs to a profile that is gone: register again')
  return profile
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
  request: AccountRequest,
  order: Order,
  asked: SignRequest | undefined,
): Promise<OrderState> {
  const { door, now } = request
  if (asked?.status !== 'failed') return orderState(order, asked, now)
  await door.answered(asked.id)
  const told = await door.findSignRequest({ protocol: 'acme', ref: order.uuid })
  if (told?.status === 'failed') await refundOrder(request, order)
  return orderState(order, told, now)
}

export function answerOrder(
  { root, server, profile, now }: AccountRequest,
  order: Order,
  told: OrderState,
  status: 200 | 201 = 200,
): Answer {
  const state = server.chaos.size === 0 ? told : delayedState(server, order, { profile, now, state: told })
  return {
    status,
    location: urls.order(root, order.uuid),
    json: orderObject(root, order, state),
    ...(state.status === 'processing' ? { retryAfter: state.retryAfter } : {}),
  }
}
