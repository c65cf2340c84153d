import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, requireSuperuser } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { tellOfOperator } from '../audit/operatorAlert.ts'
import { Failure } from '../failure.ts'
import type { CoreTables } from '../tables.ts'

/** A key for which nothing is issued: reported compromised, or blocked by hand. */
export interface BlockedKeyView {
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  spkiSha256: string
  reason: string
  createdAt: Date
}

const atMost = 1000

/** See Admin.blockedKeys. Blocked keys count for every organization, so they are a superuser's. */
export async function viewBlockedKeys({ it, requester }: AdminContext): Promise<BlockedKeyView[]> {
  requireSuperuser(await actorOf(it.db, requester))
  const rows = await blockedRows(it.db).orderBy('created_at', 'desc').orderBy('spki_hash').limit(atMost).execute()
  return rows.map(toView)
}

/** See Admin.blockKey. */
export async function blockKey(
  { it, requester }: AdminContext,
  { spkiSha256, reason }: { spkiSha256: string; reason: string },
): Promise<BlockedKeyView> {
  const hash = checkedHash(spkiSha256)
  const at = it.clock()
  return transaction(it.db, async (db) => {
    requireSuperuser(await actorOf(db, requester))
    const row = await withTables<CoreTables>(db)
      .insertInto('blocked_keys')
      .values({ spki_hash: hash, reason, created_at: at.getTime() })
      .onConflict((conflict) => conflict.doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!row) throw new Failure('conflict', 'this key is blocked already')
    const details = { spkiSha256: hash, reason }
    await audit(db, requester, at, { action: 'key.blocked', organizationId: null, subject, details })
    return toView(row)
  })
}

/** See Admin.unblockKey. */
export async function unblockKey({ it, requester }: AdminContext, spkiSha256: string): Promise<void> {
  const hash = checkedHash(spkiSha256)
  const at = it.clock()
  await transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    requireSuperuser(actor)
    const row = await withTables<CoreTables>(db)
      .deleteFrom('blocked_keys')
      .where('spki_hash', '=', hash)
      .returningAll()
      .executeTakeFirst()
    if (!row) throw new Failure('notFound', 'this key is not blocked')
    const details = { spkiSha256: hash, reason: row.reason }
    await audit(db, requester, at, { action: 'key.unblocked', organizationId: null, subject, details })
    await tellOfOperator(db, actor, { at, organizationId: null, subject, what: `unblocked the key ${hash}` })
  })
}

const subject = { kind: 'key', id: null } as const

function checkedHash(text: string): string {
  const hash = text.replaceAll(':', '').toLowerCase()
  if (/^[0-9a-f]{64}$/.test(hash)) return hash
  throw new Failure('malformed', 'a key is given as the SHA-256 of its SubjectPublicKeyInfo, 64 hexadecimal digits')
}

function blockedRows(db: Database) {
  return withTables<CoreTables>(db).selectFrom('blocked_keys').selectAll()
}

function toView(row: CoreTables['blocked_keys']): BlockedKeyView {
  return { spkiSha256: row.spki_hash, reason: row.reason, createdAt: new Date(row.created_at) }
}
