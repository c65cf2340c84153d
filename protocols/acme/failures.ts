import type { Bucket, Take } from '../../src/core/enrolment/limit.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Database } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import type { Host } from '../../src/protocol.ts'
import { type Account, accountRequester } from './accountRecord.ts'
import type { AcmeIdentifier } from './errors.ts'
import type { LimitOptions } from './limitOptions.ts'
import { optionsOf } from './options.ts'
import type { ValidationResult } from './outcome.ts'
import type { AcmeTables } from './tables.ts'
import { writeTime } from './time.ts'

/** No limit looks back further, and no pause lasts longer. */
const MEMORY_MS = 30 * 86_400_000
const FAILED = 'acme.failedValidations'
const PAUSE = 'acme.failuresUntilPause'

/** Whether anything can stand against this account: most never fail, and then nobody asks. */
export function hasFailed({ failedAt }: Account, now: Date): boolean {
  return failedAt !== undefined && now.getTime() - failedAt < MEMORY_MS
}

function bucket({ uuid, profileId }: Account, limit: string, { value }: AcmeIdentifier): Bucket {
  return { profileId, limit, key: `${uuid}/${value}` }
}

/** What new authorizations of a name must pass, and what a failed one takes. */
export function failedTake(account: Account, limits: LimitOptions, identifier: AcmeIdentifier): Take | undefined {
  const { failedValidations: rate, failuresUntilPause } = limits
  if (rate === 'off' && failuresUntilPause === 'off') return undefined
  return {
    ...bucket(account, FAILED, identifier),
    rate: rate === 'off' ? 'unlimited' : rate,
    what: `validation of ${identifier.value} fails again and again; new attempts of this account`,
    identifier,
  }
}

/** How results count; it is read before the transaction that stores the result. */
export interface Counting {
  host: Host
  account: Account
  identifier: AcmeIdentifier
  limits: LimitOptions
}

/** Undefined where the result changes nothing: a success of an account that has not failed, or a fault of ours. */
export async function counting(
  host: Host,
  account: Account,
  identifier: AcmeIdentifier,
  result: ValidationResult,
): Promise<Counting | undefined> {
  if (result.ok ? !hasFailed(account, host.clock()) : result.error.type === 'serverInternal') return undefined
  const limits = await limitsOf(host, account)
  return limits && { host, account, identifier, limits }
}

/** A profile that is gone or closed limits nothing. */
export async function limitsOf(host: Host, account: Account): Promise<LimitOptions | undefined> {
  try {
    const door = host.core.as(accountRequester(account, undefined))
    return optionsOf(await door.profile(account.profile, 'acme')).limits
  } catch (error) {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  }
}

/** In the transaction that stores a final result: a success makes good what failed before. */
export async function count(
  db: Database,
  { host, account, identifier, limits }: Counting,
  result: ValidationResult,
): Promise<void> {
  const door = host.core.as(accountRequester(account, undefined))
  if (result.ok) return door.limits.clear(db, [bucket(account, FAILED, identifier), bucket(account, PAUSE, identifier)])
  const { failedValidations, failuresUntilPause } = limits
  if (failedValidations === 'off' && failuresUntilPause === 'off') return
  await withTables<AcmeTables>(db)
    .updateTable('acme_accounts')
    .set({ failed_at: host.clock().getTime() })
    .where('id', '=', account.id)
    .execute()
  const take = failedTake(account, limits, identifier)
  if (take && failedValidations !== 'off') await door.limits.spend(db, take)
  if (failuresUntilPause === 'off') return
  const pause = { ...bucket(account, PAUSE, identifier), rate: failuresUntilPause, what: '' }
  if (await door.limits.spend(db, pause)) return
  const until = new Date(host.clock().getTime() + MEMORY_MS)
  await door.limits.block(db, bucket(account, FAILED, identifier), { until, note: pausedNote(account, pause, until) })
}

/** RFC 8555 section 6.6 has clients wait; this one would wait too long, so its people are told what to do. */
function pausedNote({ profile }: Account, { rate, key }: Take, until: Date): string {
  const [count, period] = rate.split('/')
  return (
    `it has failed more than ${count} times in ${period} without a success, and is paused until ${writeTime(until.getTime())}. ` +
    `Correct the cause, then ask the operator of this CA to go on: countersign limit reset --profile ${profile} ${key}`
  )
}
