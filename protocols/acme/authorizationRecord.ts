import type { Kysely, Selectable } from 'kysely'
import type { Database } from '../../src/db/open.ts'
import { statement, withTables } from '../../src/db/tables.ts'
import type { ProblemDocument } from './errors.ts'
import { type ChallengeType, challengeTypes } from './options.ts'
import type { StoredStatus } from './orderRecord.ts'
import type { AcmeTables } from './tables.ts'

export interface Authorization {
  id: number
  uuid: string
  accountId: number
  identifier: { type: 'dns' | 'ip'; value: string }
  wildcard: boolean
  token: string
  offered: ChallengeType[]
  status: StoredStatus
  expiresAt: number
  /** Milliseconds for which a proof will count. */
  lifetime: number
  /** The challenge that the client answered; while the authorization is pending, it is being validated. */
  challenge: ChallengeType | undefined
  /** Failed queries so far: the number of the one that is due or runs. */
  queries: number
  queriedAt: number | undefined
  validatedAt: number | undefined
  error: ProblemDocument | undefined
  /** Counts for every name below as well (RFC 9444). */
  subdomains: boolean
  /** Issuer domain names: what dns-persist-01 offers and CAA is compared with. */
  issuers: string[]
  /** CAA has to allow the name before the authorization becomes valid. */
  checksCaa: boolean
  createdAt: number
}

export function toAuthorization(row: Selectable<AcmeTables['acme_authorizations']>): Authorization {
  const offered = row.offered.split(' ')
  return {
    id: row.id,
    uuid: row.uuid,
    accountId: row.account_id,
    identifier: { type: row.type === 'ip' ? 'ip' : 'dns', value: row.value },
    wildcard: row.wildcard === 1,
    token: row.token,
    offered: challengeTypes.filter((type) => offered.includes(type)),
    status: row.status as StoredStatus,
    expiresAt: row.expires_at,
    lifetime: row.lifetime,
    challenge: challengeTypes.find((type) => type === row.challenge),
    queries: row.queries,
    queriedAt: row.queried_at ?? undefined,
    validatedAt: row.validated_at ?? undefined,
    error: row.error === null ? undefined : JSON.parse(row.error),
    subdomains: row.subdomains === 1,
    issuers: row.issuers?.split(' ') ?? [],
    checksCaa: row.caa === 1,
    createdAt: row.created_at,
  }
}

const byUuid = statement((tables: Kysely<AcmeTables>, uuid: string) =>
  tables.selectFrom('acme_authorizations').selectAll().where('uuid', '=', uuid),
)

export async function findAuthorization(db: Database, uuid: string): Promise<Authorization | undefined> {
  const [row] = (await byUuid(db, uuid)).rows
  return row && toAuthorization(row)
}

interface Held {
  /** Of their identifiers. */
  values: string[]
  /** Still good then: epoch milliseconds. */
  until: number
}

/** Valid authorizations of an account, whatever for, the latest first. */
export async function findValidAuthorizations(db: Database, accountId: number, held: Held): Promise<Authorization[]> {
  return (await validOf(db, accountId, held).execute()).map(toAuthorization)
}

/** Those that a new order may use: validated since then, or, whenever that was, asked for before an order. */
export async function findHeldAuthorizations(
  db: Database,
  accountId: number,
  { validatedSince, ...held }: Held & { validatedSince: number | undefined },
): Promise<Authorization[]> {
  const rows = await validOf(db, accountId, held)
    .where(({ or, eb }) =>
      or([
        eb('preauthorized', '=', 1),
        ...(validatedSince === undefined ? [] : [eb('validated_at', '>', validatedSince)]),
      ]),
    )
    .execute()
  return rows.map(toAuthorization)
}

function validOf(db: Database, accountId: number, { values, until }: Held) {
  return withTables<AcmeTables>(db)
    .selectFrom('acme_authorizations')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('status', '=', 'valid')
    .where('value', 'in', values)
    .where('expires_at', '>', until)
    .orderBy('id', 'desc')
}
