import type { IncomingMessage } from 'node:http'

/** Whether so many more octets of a body may be held in memory; what is taken is given back by whoever made the account, when the request has ended. */
export type TakeOctets = (octets: number) => boolean

const accounts = new WeakMap<IncomingMessage, TakeOctets>()

/** From now on what is read of this request's body (body.ts) is asked for there first. */
export function accountBody(incoming: IncomingMessage, take: TakeOctets): void {
  accounts.set(incoming, take)
}

/** Always yes for a request that nobody keeps an account of. */
export function takeOctets(incoming: IncomingMessage, octets: number): boolean {
  return accounts.get(incoming)?.(octets) ?? true
}
