import type { Kysely } from 'kysely'
import type { Columns } from './columns.ts'

/** What ended long ago is found by its time: protocols/scep/retention.ts, src/core/enrolment/challengeRetention.ts. */
export async function scepRetention(db: Kysely<unknown>, _columns: Columns): Promise<void> {
  const index = (table: string, columns: string[]) =>
    db.schema
      .createIndex(`${table}_by_${columns.join('_')}`)
      .on(table)
      .columns(columns)
      .execute()
  await index('scep_transactions', ['created_at', 'ref'])
  await index('challenges', ['expires_at', 'id'])
  await index('challenges', ['revoked_at', 'id'])
  await index('challenge_uses', ['created_at'])
}
