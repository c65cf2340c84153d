import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { audit } from '../audit/audit.ts'
import { findCertificate } from '../certificate.ts'
import type { Installation } from '../installation.ts'
import { findByOrigin } from '../request/records.ts'
import type { Origin } from '../request/request.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { originOf } from './serverKey.ts'

const DAY = 86_400_000
const BATCH = 100

/** Forgets the keys whose time has come; one whose request is still open waits on. Answers how many are gone. */
export async function forgetServerKeys(it: Installation): Promise<number> {
  const at = it.clock()
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('server_keys')
    .select(['id', 'profile_id', 'protocol', 'ref', 'number', 'organization_id', 'spki_hash', 'delivered_at', 'keep'])
    .where('forget_at', '<=', at.getTime())
    .orderBy('forget_at')
    .limit(BATCH)
    .execute()
  let forgotten = 0
  for (const row of rows) {
    const until = row.delivered_at === null ? await neededUntil(it.db, row, at) : undefined
    const change = until === undefined ? { sealed: null, forget_at: null } : { forget_at: until }
    forgotten += await transaction(it.db, async (db) => {
      const changed = await withTables<CoreTables>(db)
        .updateTable('server_keys')
        .set(change)
        .where('id', '=', row.id)
        .where('forget_at', '<=', at.getTime())
        .returning('id')
        .executeTakeFirst()
      if (!changed || until !== undefined) return 0
      await audit(db, system('upkeep'), at, {
        action: 'server_key.forgotten',
        organizationId: row.organization_id,
        subject: { kind: 'server_key', id: row.id },
        details: { spkiHash: row.spki_hash, delivered: row.delivered_at !== null },
      })
      return 1
    })
  }
  return forgotten
}

type Asked = Origin & { profile_id: number; number: number; keep: number }

/** Epoch milliseconds. While its order is open, and of a key that is kept while its certificate is good; undefined: nobody needs it. */
async function neededUntil(db: Database, row: Asked, at: Date): Promise<number | undefined> {
  const known = await findByOrigin(db, originOf(row.profile_id, row, row.number))
  if (!known) return undefined
  if (known.request.endedAt === undefined) return at.getTime() + DAY
  if (row.keep === 0 || known.request.status !== 'signed') return undefined
  const certificate = await findCertificate(db, { id: known.request.id })
  const good = certificate?.status !== 'revoked' && certificate !== undefined && certificate.notAfter > at
  return good ? certificate.notAfter.getTime() : undefined
}
