import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { Csr } from '../../pki/csr.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { loadProfile } from '../profile/profiles.ts'
import { variantOf } from '../profile/variant.ts'
import type { SignDraft, SignRequest } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'

type Kept =
  | 'identifiers'
  | 'validated'
  | 'entitled'
  | 'subject'
  | 'requestedSubject'
  | 'pathLength'
  | 'nameConstraints'
  | 'issuer'
  | 'refusal'
  | 'editable'
  | 'unproved'

/** What an adapter asked with an order, beside what its record says: kept while it may still be submitted or edited. */
export interface AskedOrder extends Pick<SignDraft, Kept> {
  variant?: string
  /** Epoch milliseconds. */
  notBefore?: number
  notAfter?: number
}

export function askedOf(draft: SignDraft): AskedOrder {
  const { identifiers, validated, entitled, subject, requestedSubject, pathLength, nameConstraints, issuer } = draft
  const { refusal, editable, unproved, notBefore, notAfter, profile } = draft
  return {
    refusal,
    ...(identifiers ? { identifiers } : {}),
    ...(validated ? { validated } : {}),
    ...(entitled ? { entitled } : {}),
    ...(subject ? { subject } : {}),
    ...(requestedSubject ? { requestedSubject } : {}),
    ...(pathLength === undefined ? {} : { pathLength }),
    ...(nameConstraints ? { nameConstraints } : {}),
    ...(issuer === undefined ? {} : { issuer }),
    ...(editable ? { editable } : {}),
    ...(unproved ? { unproved } : {}),
    ...(notBefore ? { notBefore: notBefore.getTime() } : {}),
    ...(notAfter ? { notAfter: notAfter.getTime() } : {}),
    ...(profile.variant === undefined ? {} : { variant: profile.variant }),
  }
}

/** The order as an adapter would hand it in again. */
export function draftOf(request: SignRequest, asked: AskedOrder, made: { profile: RaProfile; csr?: Csr }): SignDraft {
  const { notBefore, notAfter, variant: _, ...rest } = asked
  const { protocol, action, origin, renews } = request
  return {
    ...rest,
    ...made,
    protocol,
    action,
    ...(origin ? { origin } : {}),
    ...(renews === undefined ? {} : { renews }),
    ...(notBefore === undefined ? {} : { notBefore: new Date(notBefore) }),
    ...(notAfter === undefined ? {} : { notAfter: new Date(notAfter) }),
  }
}

/** What a registration adds to what was asked. */
export interface KeptRegistration {
  /** JSON. */
  registration: string
  secret: string | null
  expires_at: number | null
}

/** Stores what was asked with a request, in the caller's transaction; the newest word replaces an earlier one. */
export async function keepAsked(
  db: Database,
  requestId: number,
  asked: AskedOrder,
  registered?: KeptRegistration,
): Promise<void> {
  const text = JSON.stringify(asked)
  await withTables<CoreTables>(db)
    .insertInto('asked_orders')
    .values({
      sign_request_id: requestId,
      asked: text,
      registration: registered?.registration ?? null,
      secret: registered?.secret ?? null,
      expires_at: registered?.expires_at ?? null,
    })
    .onConflict((conflict) => conflict.column('sign_request_id').doUpdateSet({ asked: text }))
    .execute()
}

/** Undefined for what was made without it: before it was kept, or by ordering a name ahead of its CSR. */
export async function findAsked(db: Database, requestId: number) {
  const row = await withTables<CoreTables>(db)
    .selectFrom('asked_orders')
    .selectAll()
    .where('sign_request_id', '=', requestId)
    .executeTakeFirst()
  return row && { ...row, asked: JSON.parse(row.asked) as AskedOrder }
}

export type AskedRow = NonNullable<Awaited<ReturnType<typeof findAsked>>>

/** The profile of a request as it is today, in the variant that was asked. Throws Failure('conflict') where it serves nobody. */
export async function askedProfile(it: Installation, request: SignRequest, asked: AskedOrder): Promise<RaProfile> {
  const profile = await loadProfile(it.db, request.profileId)
  if (!profile.enabled) throw new Failure('conflict', `the profile ${profile.name} is switched off`)
  return asked.variant === undefined ? profile : variantOf(profile, asked.variant)
}
