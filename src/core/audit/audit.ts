import type { Insertable, Kysely } from 'kysely'
import type { Database } from '../../db/open.ts'
import { statement, withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'

export type AuditSubject =
  | 'sign_request'
  | 'revoke_request'
  | 'certificate'
  | 'authority'
  | 'profile'
  | 'user'
  | 'token'
  | 'key'
  | 'key_pair'
  | 'key_profile'
  | 'server_key'
  | 'credential'
  | 'challenge'
  | 'account'
  | 'group'
  | 'delegation'
  | 'standing_approval'
  | 'location'
  | 'discovery'
  | 'webhook'
  | 'attribute'
  | 'installation'

export interface AuditEntry {
  /** What happened, as noun.verb: sign_request.requested, certificate.policy_hard_fail, vote.approve. */
  action: string
  organizationId: number | null
  subject: { kind: AuditSubject; id: number | null }
  /** The status that the subject has after this, where it has one. */
  status?: string
  /** Small and readable: never a key, password or token. */
  details?: Record<string, unknown>
}

/** What an adapter changed in its own tables that people must be able to trace: the accounts of its clients. */
export interface AccountEvent {
  change: 'created' | 'changed' | 'key_changed' | 'deactivated'
  protocol: string
  profileId: number
  /** The adapter's own id of the account. */
  id: number
  details?: Record<string, unknown>
}

/** See Door.record. */
export async function auditAccount(db: Database, actor: Requester, at: Date, event: AccountEvent): Promise<void> {
  const profile = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select(['name', 'organization_id'])
    .where('id', '=', event.profileId)
    .executeTakeFirstOrThrow()
  await audit(db, actor, at, {
    action: `account.${event.change}`,
    organizationId: profile.organization_id,
    subject: { kind: 'account', id: event.id },
    details: { protocol: event.protocol, profile: profile.name, ...event.details },
  })
}

type EventRow = Omit<Insertable<CoreTables['audit_events']>, 'id'>

const insertEvent = statement((tables: Kysely<CoreTables>, row: EventRow) =>
  tables.insertInto('audit_events').values(row),
)

/**
 * Writes one audit row. Call it in the transaction of the change itself; the sealer chains it within a second. Since every
 * change writes one, a token that only reads is stopped here, whatever was overlooked elsewhere: Failure('forbidden').
 */
export async function audit(db: Database, actor: Requester, at: Date, entry: AuditEntry): Promise<void> {
  if (actor.scope?.readOnly) throw new Failure('forbidden', 'this token only reads')
  await insertEvent(db, {
    at: at.getTime(),
    organization_id: entry.organizationId,
    action: entry.action,
    subject_kind: entry.subject.kind,
    subject_id: entry.subject.id,
    status: entry.status ?? null,
    actor: JSON.stringify({ kind: actor.kind, ref: actor.ref, name: actor.name }),
    source_address: actor.source ?? null,
    details: JSON.stringify(entry.details ?? {}),
  })
}
