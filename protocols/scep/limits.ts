import type { Take } from '../../src/core/enrolment/limit.ts'
import { transaction } from '../../src/db/transaction.ts'
import { networkOf } from '../../src/pki/ip.ts'
import { ATTRIBUTE, MESSAGE_TYPE } from './attributes.ts'
import type { Exchange } from './exchange.ts'
import type { LimitOptions } from './limitOptions.ts'
import type { ClaimedMessage } from './message.ts'

const WHAT = {
  withoutChallengeBySource: 'requests without a challenge that is good, from this address',
  unreadableBySource: 'messages that cannot be opened, from this address',
} satisfies Record<keyof LimitOptions, string>

function takeOf({ profile, options, source }: Exchange, name: keyof LimitOptions): Take | undefined {
  const rate = options.limits[name]
  if (rate === 'off') return undefined
  return { profileId: profile.id, limit: `scep.${name}`, key: networkOf(source), rate, what: WHAT[name] }
}

/** What a new order costs that nobody vouches for: a place among those that people look at. */
export const orderTake = (exchange: Exchange): Take | undefined => takeOf(exchange, 'withoutChallengeBySource')

const RECOVERIES = '100/1h'

/** What another transaction about an order that waits costs: a row that is kept as long as the order. `content`: of the transaction. */
export const recoveryTake = ({ profile }: Exchange, content: string): Take => ({
  profileId: profile.id,
  limit: 'scep.recoveries',
  key: content,
  rate: RECOVERIES,
  what: 'transactions about one and the same request',
})

/**
 * Whether messages from here are opened, before any is: who sends altered copies of another's cannot try for ever (RFC 3218). Polls are never opened, and pass.
 * Throws Failure('rateLimited').
 */
export async function admitOpening(exchange: Exchange, message: ClaimedMessage): Promise<void> {
  const take = takeOf(exchange, 'unreadableBySource')
  if (take && !isPoll(message)) await exchange.door.limits.admit(exchange.host.db, [take])
}

const isPoll = ({ claimed }: ClaimedMessage): boolean =>
  claimed.attributes.get(ATTRIBUTE.messageType)?.value.equals(POLL) ?? false

const POLL = Buffer.from(MESSAGE_TYPE.CertPoll)

/** Counts one that did not open. */
export async function countUnreadable(exchange: Exchange): Promise<void> {
  const take = takeOf(exchange, 'unreadableBySource')
  if (take) await transaction(exchange.host.db, (db) => exchange.door.limits.spend(db, take))
}
