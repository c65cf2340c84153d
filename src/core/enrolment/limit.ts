import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { Failure, type Problem } from '../failure.ts'
import type { CoreTables } from '../tables.ts'
import { number, takeOnce } from './limitTake.ts'
import { type Rate, rateText, readRate, waitText } from './rate.ts'

/** What is counted together: one limit of one profile, for one key. */
export interface Bucket {
  profileId: number
  /** Of the limit, as its settings name it, behind its protocol: acme.ordersByAccount. */
  limit: string
  /** Whose: an account's uuid, an address, an account and a name. */
  key: string
}

export interface Take extends Bucket {
  /** 300/3h as rate.ts reads it; an override of this key counts in its place. */
  rate: string
  /** What is refused, at the beginning of a sentence for the client: "new orders of this account". */
  what: string
  /** How many; one when absent. Never more than the rate allows at once. */
  cost?: number
  /** The name that it is about, where it is about one of several. */
  identifier?: { type: string; value: string }
}

/** Why a take does not pass now. */
export interface Refusal {
  take: Take
  rate: Rate
  /** Whole seconds until it passes; undefined: not before somebody lifts the block. */
  retryAfter: number | undefined
  /** Why it was overridden, if it was. */
  note: string | undefined
}

interface Standing extends Rate {
  arrival: number
  overridden_until: number
  note: string | null
}

const micros = (at: Date): number => at.getTime() * 1_000

/**
 * Takes from a bucket, in the caller's transaction, by one statement: of any number of nodes at once no more pass than the
 * rate allows. Answers why not when it does not pass. Generic cell rate algorithm (ITU-T I.371): `arrival` moves on by the
 * spacing for each that passes, and may be ahead of the time by the burst. It never counts as further ahead than that, so
 * that a bucket which was filled under another rate, or before the clock was set back, is at worst empty.
 */
export async function takeFrom(db: Database, take: Take, at: Date): Promise<Refusal | undefined> {
  const rate = readRate(take.rate)
  if (await takeOnce(db, take, { rate, cost: take.cost ?? 1, at })) return undefined
  const [refusal] = await refusals(db, [take], at)
  return refusal ?? { take, rate, retryAfter: 1, note: undefined }
}

const bucketRow = statement((tables: Kysely<CoreTables>, profileId: number, name: string, key: string) =>
  tables
    .selectFrom('limit_buckets')
    .selectAll()
    .where('profile_id', '=', profileId)
    .where('name', '=', name)
    .where('key', '=', key),
)

/** Which takes would not pass, without taking anything. */
export async function refusals(db: Database, takes: readonly Take[], at: Date): Promise<Refusal[]> {
  const [only] = takes
  if (!only) return []
  if (takes.length === 1) {
    const { rows } = await bucketRow(db, only.profileId, only.limit, only.key)
    const refusal = refusalOf(only, rows[0], at)
    return refusal ? [refusal] : []
  }
  const distinct = (texts: string[]) => [...new Set(texts)]
  const rows = await withTables<CoreTables>(db)
    .selectFrom('limit_buckets')
    .selectAll()
    .where('profile_id', 'in', [...new Set(takes.map(({ profileId }) => profileId))])
    .where('name', 'in', distinct(takes.map(({ limit }) => limit)))
    .where('key', 'in', distinct(takes.map(({ key }) => key)))
    .execute()
  return takes.flatMap((take) => {
    const row = rows.find(
      ({ profile_id, name, key }) => profile_id === take.profileId && name === take.limit && key === take.key,
    )
    return refusalOf(take, row, at) ?? []
  })
}

function refusalOf(take: Take, stands: Standing | undefined, at: Date): Refusal | undefined {
  if (!stands) return undefined
  const overridden = stands.overridden_until > at.getTime()
  const rate = overridden ? stands : readRate(take.rate)
  const wait = ahead(stands.arrival, rate, at) + (take.cost ?? 1) * rate.spacing - rate.burst * rate.spacing
  if (wait <= 0) return undefined
  const { spacing, burst } = rate
  return {
    take,
    rate: { spacing, burst },
    retryAfter: burst === 0 ? undefined : Math.ceil(wait / 1_000_000),
    note: overridden ? (stands.note ?? undefined) : undefined,
  }
}

/** Microseconds until a bucket is full again. */
export function ahead(arrival: number, { spacing, burst }: Rate, at: Date): number {
  const now = micros(at)
  return Math.min(Math.max(arrival, now), now + spacing * burst) - now
}

/**
 * What a client is told. Throws Failure: rateLimited with the time after which all of it passes (RFC 8555 section 6.6), or
 * forbidden where waiting does not help.
 */
export function refuse(found: readonly Refusal[]): void {
  const [first] = found
  if (!first) return
  const problems = found.map(problemOf)
  const detail = problems.map((problem) => problem.detail).join('; ')
  const named = problems.some(({ identifier }) => identifier) ? { problems } : {}
  const waits = found.map(({ retryAfter }) => retryAfter)
  if (waits.includes(undefined)) throw new Failure('forbidden', detail, named)
  throw new Failure('rateLimited', detail, { ...named, retryAfter: Math.max(...waits.map((wait) => wait ?? 0)) })
}

function problemOf({ take: { what, limit, identifier }, rate, retryAfter, note }: Refusal): Problem {
  const about = identifier ? { identifier } : {}
  const because = note === undefined ? '' : `: ${note}`
  if (retryAfter === undefined)
    return { at: limit, code: 'forbidden', detail: `${what} are stopped (${limit})${because}`, ...about }
  const detail = `${what}: no more than ${rateText(rate)} (${limit}); try again in ${waitText(retryAfter)}`
  return { at: limit, code: 'rateLimited', detail, ...about }
}

/** Undoes takes, at the rate of now. */
export async function giveBack(db: Database, take: Take, at: Date): Promise<void> {
  const { spacing } = readRate(take.rate)
  const cost = number(take.cost ?? 1)
  const back = sql<number>`case when overridden_until > ${number(at.getTime())} then spacing else ${number(spacing)} end`
  await withTables<CoreTables>(db)
    .updateTable('limit_buckets')
    .set({ arrival: sql<number>`arrival - ${cost} * (${back})` })
    .where(isBucket(take))
    .execute()
}

/** As if nothing had been taken; overrides stay. */
export async function empty(db: Database, bucket: Bucket): Promise<void> {
  await withTables<CoreTables>(db).updateTable('limit_buckets').set({ arrival: 0 }).where(isBucket(bucket)).execute()
}

/** Whether a row is that bucket's. */
export function isBucket({ profileId, limit, key }: Bucket): RawBuilder<boolean> {
  return sql<boolean>`profile_id = ${profileId} and name = ${limit} and key = ${key}`
}

/** Forgets what has come back in full and is not overridden: a chore of every node. */
export async function pruneLimits(db: Database, at: Date): Promise<void> {
  await withTables<CoreTables>(db)
    .deleteFrom('limit_buckets')
    .where('arrival', '<=', micros(at))
    .where('overridden_until', '<=', at.getTime())
    .execute()
}
