import type { Kysely, Selectable } from 'kysely'
import type { Requester } from '../../src/core/requester.ts'
import type { Database } from '../../src/db/open.ts'
import { keptStatement, withTables } from '../../src/db/tables.ts'
import { AcmeError } from './errors.ts'
import type { AcmeTables } from './tables.ts'

/** RFC 8555 section 7.1.6; `disabled` is one that an administrator has stopped for a while, which no client is ever shown. */
export type AccountStatus = 'valid' | 'disabled' | 'deactivated' | 'revoked'

export interface Account {
  id: number
  uuid: string
  profileId: number
  profile: string
  jwk: string
  thumbprint: string
  status: AccountStatus
  contact: string[]
  termsAgreed: string | undefined
  /** It has asked for authorizations before an order. */
  preauthorizes: boolean
  /** When a validation of it failed last. */
  failedAt: number | undefined
  /** The core's credential that it is bound to, by the externalAccountBinding that the client sent. */
  credentialId: number | undefined
  binding: unknown
  /** The users behind it: whoever made that credential. */
  people: number[]
}

export function toAccount(row: Selectable<AcmeTables['acme_accounts']>): Account {
  return {
    id: row.id,
    uuid: row.uuid,
    profileId: row.profile_id,
    profile: row.profile,
    jwk: row.jwk,
    thumbprint: row.thumbprint,
    status: row.status as AccountStatus,
    contact: JSON.parse(row.contact),
    termsAgreed: row.terms_agreed ?? undefined,
    preauthorizes: row.preauthorizes === 1,
    failedAt: row.failed_at ?? undefined,
    credentialId: row.credential_id ?? undefined,
    binding: row.binding === null ? undefined : JSON.parse(row.binding),
    people: row.people === null ? [] : JSON.parse(row.people),
  }
}

const byUuid = keptStatement((tables: Kysely<AcmeTables>, uuid: string) =>
  tables.selectFrom('acme_accounts').selectAll().where('uuid', '=', uuid),
)

/** Asked for each request: another node may have changed its status or key a moment ago. */
export async function findAccount(db: Database, uuid: string): Promise<Account | undefined> {
  const [row] = (await byUuid(db, uuid)).rows
  return row && toAccount(row)
}

export async function findAccountById(db: Database, id: number): Promise<Account | undefined> {
  const row = await withTables<AcmeTables>(db)
    .selectFrom('acme_accounts')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  return row && toAccount(row)
}

export async function findAccountByKey(
  db: Database,
  profileId: number,
  thumbprint: string,
): Promise<Account | undefined> {
  const row = await withTables<AcmeTables>(db)
    .selectFrom('acme_accounts')
    .selectAll()
    .where('profile_id', '=', profileId)
    .where('thumbprint', '=', thumbprint)
    .executeTakeFirst()
  return row && toAccount(row)
}

/** RFC 8555 section 7.3.6: 401, here and nowhere else. Throws AcmeError('unauthorized'). */
export function refuseEnded({ status }: Account): void {
  switch (status) {
    case 'valid':
      return
    case 'disabled':
      throw new AcmeError('unauthorized', 'this account is disabled: ask whoever runs this server', { status: 401 })
    case 'deactivated':
    case 'revoked':
      throw new AcmeError('unauthorized', `this account is ${status}: register again with a new key`, { status: 401 })
  }
}

const ORDERED = 'acme-account:'

/** `requesterKey` of what the account has ordered. */
export function ownerKey({ uuid }: Account): string {
  return `${ORDERED}${uuid}`
}

/** The people behind what an account ordered; none when something else ordered it. */
export async function peopleBehind(db: Database, requesterKey: string): Promise<number[]> {
  if (!requesterKey.startsWith(ORDERED)) return []
  return (await findAccount(db, requesterKey.slice(ORDERED.length)))?.people ?? []
}

/** The account as the core knows it. */
export function accountRequester(
  { uuid, thumbprint, contact, people, credentialId }: Account,
  source: string | undefined,
): Requester {
  const [first] = contact
  return {
    kind: 'acme-account',
    ref: uuid,
    name: `ACME account ${thumbprint.slice(0, 8)}${first === undefined ? '' : ` (${first.replace(/^mailto:/i, '')})`}`,
    people,
    ...(credentialId === undefined ? {} : { credential: credentialId }),
    ...(source === undefined ? {} : { source }),
  }
}
