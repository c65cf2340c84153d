import type { Take } from '../../src/core/enrolment/limit.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { transaction } from '../../src/db/transaction.ts'
import { networkOf } from '../../src/pki/ip.ts'
import type { Exchange } from './exchange.ts'
import type { Sender } from './sender.ts'

/** What a new order costs; undefined: nothing. */
export function orderTake(
  { profile, options }: Exchange,
  sender: Sender,
  { renews }: Pick<SignDraft, 'renews'>,
): Take | undefined {
  const rate = options.limits.ordersByCertificate
  if (sender.by === 'secret' || renews !== undefined || rate === 'off') return undefined
  if (sender.by === 'certificate' && sender.registrationAuthority) return undefined
  const { fingerprint } = sender.by === 'device' ? sender.device : sender.certificate
  const what = 'new orders by the holder of this certificate'
  return { profileId: profile.id, limit: 'cmp.ordersByCertificate', key: fingerprint, rate, what }
}

const RECOVERIES = '100/1h'

/** What another transaction about an order that waits costs: a row that is kept as long as the order. `content`: of the transaction. */
export const recoveryTake = ({ profile }: Exchange, content: string): Take => ({
  profileId: profile.id,
  limit: 'cmp.recoveries',
  key: content,
  rate: RECOVERIES,
  what: 'transactions about one and the same request',
})

function unprotected({ profile, options, source }: Exchange): Take | undefined {
  const rate = options.limits.unprotectedBySource
  if (rate === 'off') return undefined
  const what = 'messages whose protection is wrong, from this address'
  return { profileId: profile.id, limit: 'cmp.unprotectedBySource', key: networkOf(source), rate, what }
}

/** Whether messages from here are looked at: who guesses cannot for ever. Throws Failure('rateLimited'). */
export async function admitMessage(exchange: Exchange): Promise<void> {
  const take = unprotected(exchange)
  if (take) await exchange.door.limits.admit(exchange.host.db, [take])
}

/** Counts a message whose protection is wrong. */
export async function countUnprotected(exchange: Exchange): Promise<void> {
  const take = unprotected(exchange)
  if (take) await transaction(exchange.host.db, (db) => exchange.door.limits.spend(db, take))
}
