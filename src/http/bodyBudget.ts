import type { IncomingMessage } from 'node:http'

/** Whether so many more octets of a body may be held in memory; what is taken is given back by whoever made the account, when the request has ended. */
export type TakeOctets = (octets: number) => boolean

/** On the request itself: in a WeakMap it would cost every collection of garbage something. */
const account = Symbol('account')

interface Accounted extends IncomingMessage {
  [account]?: TakeOctets
}

/** From now on what is read of this request's body (body.ts) is asked for there first. */
export function accountBody(incoming: Accounted, take: TakeOctets): void {
  incoming[account] = take
}

/** Always yes for a request that nobody keeps an account of. */
export function takeOctets(incoming: Accounted, octets: number): boolean {
  return incoming[account]?.(octets) ?? true
}
