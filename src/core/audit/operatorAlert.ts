import type { Database } from '../../db/open.ts'
import type { Actor } from '../adminActor.ts'
import type { User } from '../identity/identity.ts'
import { raiseAlert } from './alert.ts'
import { type AuditSubject, audit } from './audit.ts'

interface Deed {
  at: Date
  organizationId: number | null
  subject: { kind: AuditSubject; id: number | null }
  /** Ends the sentence that begins with his name: "made alice a superuser". */
  what: string
}

/**
 * What the local operator does that may end in votes, or in certificates without them, is told to every administrator,
 * beside the audit row of the change; in its transaction. Does nothing where a user acts.
 */
export async function tellOfOperator(
  db: Database,
  { user, requester }: Actor,
  { at, organizationId, subject, what }: Deed,
): Promise<void> {
  if (user) return
  const action = `${subject.kind}.by_local_operator`
  await audit(db, requester, at, { action, organizationId, subject, details: { what } })
  await raiseAlert(db, at, {
    kind: 'local_operator',
    organizationId,
    subject,
    detail: `${requester.name} ${what}, through the data folder and without a person's token`,
  })
}

export function aboutUser({ id, organizationId }: User): Pick<Deed, 'organizationId' | 'subject'> {
  return { organizationId, subject: { kind: 'user', id } }
}
