import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import { type Bucket, isBucket } from './limit.ts'
import { readRate } from './rate.ts'

/** Another rate for one key of a limit. */
export interface Override {
  /** 3000/3h, unlimited or blocked. */
  rate: string
  /** Absent: until it is removed. */
  until?: Date
  note?: string
  /** Leaves an override that counts as it is. */
  onlyIfNone?: boolean
}

/** `overridden_until` of one without an end. */
export const FOREVER = Number.MAX_SAFE_INTEGER

/** Sets or replaces an override; the bucket is full again. Answers whether it did. Throws Failure('malformed') for the rate. */
export async function setOverride(
  db: Database,
  { profileId, limit, key }: Bucket,
  { rate, until, note, onlyIfNone }: Override,
  at: Date,
): Promise<boolean> {
  const set = {
    arrival: 0,
    ...readRate(rate),
    overridden_until: until?.getTime() ?? FOREVER,
    note: note ?? null,
  }
  const row = await withTables<CoreTables>(db)
    .insertInto('limit_buckets')
    .values({ profile_id: profileId, name: limit, key, ...set })
    .onConflict((conflict) => {
      const update = conflict.columns(['profile_id', 'name', 'key']).doUpdateSet(set)
      return onlyIfNone ? update.where('limit_buckets.overridden_until', '<=', at.getTime()) : update
    })
    .returning('key')
    .executeTakeFirst()
  return row !== undefined
}

/** The profile's rate counts again, with a full bucket. Answers whether there was an override. */
export async function dropOverride(db: Database, bucket: Bucket, at: Date): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .deleteFrom('limit_buckets')
    .where(isBucket(bucket))
    .where('overridden_until', '>', at.getTime())
    .returning('key')
    .executeTakeFirst()
  return row !== undefined
}
