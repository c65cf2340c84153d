import type { Take } from '../../src/core/enrolment/limit.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import { networkOf } from '../../src/pki/ip.ts'
import type { Account } from './accountRecord.ts'
import type { NewAuthorization, Planned } from './authorizationPlan.ts'
import { failedTake, hasFailed, limitsOf } from './failures.ts'
import type { LimitOptions } from './limitOptions.ts'
import { optionsOf } from './options.ts'
import type { Order } from './orderRecord.ts'
import type { Replaced } from './replaces.ts'
import type { AccountRequest } from './signed.ts'
import type { AcmeTables } from './tables.ts'

/** Orders that may replace one certificate, each after the one before came to nothing, and do not count. */
const FREE_RENEWALS = 5

/** For an account that is made without the word of anybody here; one with external account binding is expected. */
export function accountTake(profile: RaProfile, source: string | undefined): Take | undefined {
  const { newAccountsByAddress: rate } = optionsOf(profile).limits
  if (rate === 'off') return undefined
  const key = networkOf(source)
  return { profileId: profile.id, limit: 'acme.newAccountsByAddress', key, rate, what: `new accounts from ${key}` }
}

/** Of an order, or of an authorization before one. RFC 9773 section 5: renewals at the time that was asked for must not fail because many come at once. */
export function orderTake({ account }: AccountRequest, profile: RaProfile, replaced?: Replaced): Take | undefined {
  if (replaced && replaced.turn < FREE_RENEWALS) return undefined
  return chargeOf(account, optionsOf(profile).limits)
}

function chargeOf({ uuid, profileId }: Account, { ordersByAccount: rate }: LimitOptions): Take | undefined {
  if (rate === 'off') return undefined
  return {
    profileId,
    limit: 'acme.ordersByAccount',
    key: uuid,
    rate,
    what: 'new orders and authorizations of this account',
  }
}

/**
 * Refuses names that fail again and again, before anything is stored. Nobody looks unless the account has failed lately.
 * `charge` is only looked at, so that Retry-After is the time when all passes (RFC 8555 section 6.6). Throws Failure.
 */
export async function admitFresh(
  { server, account, door, now }: AccountRequest,
  profile: RaProfile,
  { fresh, charge }: { fresh: readonly Pick<NewAuthorization, 'type' | 'value'>[]; charge?: Take | undefined },
): Promise<void> {
  if (!hasFailed(account, now)) return
  const { limits } = optionsOf(profile)
  const takes = fresh.map(({ type, value }) => failedTake(account, limits, { type, value }))
  const failing = takes.filter((take) => take !== undefined)
  if (failing.length > 0) await door.limits.admit(server.host.db, charge ? [...failing, charge] : failing)
}

/** What of a plan has to be proved anew. */
export function freshOf(plan: readonly Planned[]): NewAuthorization[] {
  return [...new Set(plan.flatMap((planned) => ('fresh' in planned ? [planned.fresh] : [])))]
}

/** An order that came to nothing by our fault does not count; once, whoever asks how often. */
export async function refundOrder({ server, account, door }: AccountRequest, order: Order): Promise<void> {
  const limits = await limitsOf(server.host, account)
  const take = limits && chargeOf(account, limits)
  if (!take) return
  await transaction(server.host.db, async (db) => {
    const { numUpdatedRows } = await withTables<AcmeTables>(db)
      .updateTable('acme_orders')
      .set({ charged: 0 })
      .where('id', '=', order.id)
      .where('charged', '=', 1)
      .executeTakeFirst()
    if (numUpdatedRows > 0n) await door.limits.refund(db, take)
  })
}
