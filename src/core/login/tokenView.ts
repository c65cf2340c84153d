import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { readScope, type ScopeName, type TokenScope } from '../identity/tokenScope.ts'
import type { CoreTables } from '../tables.ts'

export interface TokenView {
  uuid: string
  user: string
  name: string
  createdAt: Date
  expiresAt: Date | null
  revokedAt: Date | null
  /** To the minute. */
  lastUsedAt: Date | null
  /** Null: all that its user may. */
  scope: ScopeView | null
}

interface ScopeView {
  capabilities: readonly ScopeName[]
  /** The only one on which it acts; null: any. */
  authority: string | null
  profile: string | null
  readOnly: boolean
}

/** What a token is to be limited to; see TokenScope. */
export interface ScopeDraft {
  capabilities: readonly ScopeName[]
  authority?: string
  profile?: string
  readOnly?: boolean
}

/** Newest first. */
export function tokenRows(db: Database) {
  return withTables<CoreTables>(db)
    .selectFrom('tokens')
    .innerJoin('users', 'users.id', 'tokens.user_id')
    .select(['tokens.uuid', 'tokens.name', 'tokens.created_at', 'tokens.expires_at', 'tokens.revoked_at'])
    .select(['tokens.scope', 'tokens.used_at'])
    .select(['tokens.user_id', 'users.name as user', 'users.organization_id', 'users.superuser'])
    .orderBy('tokens.id', 'desc')
}

export type TokenRow = Awaited<ReturnType<ReturnType<typeof tokenRows>['execute']>>[number]

export async function toTokenViews(db: Database, rows: readonly TokenRow[]): Promise<TokenView[]> {
  const scopes = rows.map(({ scope }) => readScope(scope))
  const authorities = await namesOf(db, 'authorities', idsOf(scopes, 'authorityId'))
  const profiles = await namesOf(db, 'ra_profiles', idsOf(scopes, 'profileId'))
  return rows.map((row, index) => {
    const scope = scopes[index]
    return {
      uuid: row.uuid,
      user: row.user,
      name: row.name,
      createdAt: new Date(row.created_at),
      expiresAt: timeOf(row.expires_at),
      revokedAt: timeOf(row.revoked_at),
      lastUsedAt: timeOf(row.used_at),
      scope: scope
        ? {
            capabilities: scope.capabilities,
            authority: authorities.get(scope.authorityId ?? 0) ?? null,
            profile: profiles.get(scope.profileId ?? 0) ?? null,
            readOnly: scope.readOnly ?? false,
          }
        : null,
    }
  })
}

function timeOf(at: number | null): Date | null {
  return at === null ? null : new Date(at)
}

function idsOf(scopes: readonly (TokenScope | undefined)[], key: 'authorityId' | 'profileId'): number[] {
  return [...new Set(scopes.flatMap((scope) => scope?.[key] ?? []))]
}

async function namesOf(
  db: Database,
  table: 'authorities' | 'ra_profiles',
  ids: number[],
): Promise<Map<number, string>> {
  if (ids.length === 0) return new Map()
  const rows = await withTables<CoreTables>(db)
    .selectFrom(table)
    .select(['id', 'name'])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}
