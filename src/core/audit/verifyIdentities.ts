import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { CoreTables } from '../tables.ts'
import { type Complain, eachSpan, type Histories, pairs, readJson, type Told } from './verifyHistory.ts'

const userActions = [
  'user.created',
  'user.changed',
  'user.removed',
  'user.role_added',
  'user.role_removed',
  'capability.granted',
  'capability.revoked',
  'user.bound',
]

/** Users with their roles, capabilities and ways to log in, roles with their capabilities, and tokens: as their events tell. */
export async function verifyIdentities(db: Database, complain: Complain): Promise<void> {
  await eachSpan(db, complain, {
    kind: 'user',
    actions: userActions,
    check: async (histories, complain) => {
      await verifyUsers(db, histories, complain)
      await verifyRoles(db, histories, complain)
      await verifyGrants(db, { column: 'user_id', what: 'user', histories }, complain)
      await verifyLogins(db, histories, complain)
    },
  })
  await eachSpan(db, complain, {
    kind: 'installation',
    actions: ['capability.granted', 'capability.revoked'],
    check: (histories, complain) => verifyGrants(db, { column: 'role_id', what: 'role', histories }, complain),
  })
  await eachSpan(db, complain, {
    kind: 'token',
    check: (histories, complain) => verifyTokens(db, histories, complain),
  })
}

const flags = ['superuser', 'admin', 'enabled'] as const

async function verifyUsers(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('users')
    .select(['id', 'name', 'organization_id', ...flags])
    .where('id', '>', histories.after)
    .where('id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const made = events.find(({ action }) => action === 'user.created')
    const subject = `user ${row?.name ?? made?.details.name ?? id}`
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    if (!row || !made) continue
    if (row.name !== made.details.name) complain(`${subject} was made as ${made.details.name}`)
    if (row.organization_id !== made.organizationId)
      complain(`${subject} was moved to another organization by no event`)
    const told: Record<string, unknown> = { enabled: true }
    for (const { action, details } of events) {
      if (action === 'user.created' || action === 'user.changed')
        for (const flag of flags) told[flag] = details[flag] ?? told[flag]
      if (action === 'user.removed') for (const flag of flags) told[flag] = false
    }
    for (const flag of flags)
      if ((row[flag] === 1) !== told[flag])
        complain(`${subject} is ${row[flag] === 1 ? '' : 'not '}${flag}, its last event says otherwise`)
  }
}

async function verifyRoles(db: Database, { told, after, upTo }: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('role_members')
    .innerJoin('roles', 'roles.id', 'role_members.role_id')
    .select(['role_members.user_id', 'roles.name'])
    .where('role_members.user_id', '>', after)
    .where('role_members.user_id', '<=', upTo)
    .execute()
  const has = new Set(rows.map(({ user_id, name }) => `${user_id} ${name}`))
  const had = new Set<string>()
  for (const [id, events] of told) {
    for (const { action, details } of events) {
      if (action === 'user.role_added') had.add(`${id} ${details.role}`)
      if (action === 'user.role_removed') had.delete(`${id} ${details.role}`)
    }
  }
  const tell = (key: string, what: string) => complain(`user ${key.replace(' ', ` ${what} the role `)}, by no event`)
  for (const key of has) if (!had.has(key)) tell(key, 'has')
  for (const key of had) if (!has.has(key)) tell(key, 'has lost')
}

/** Each certificate, subject and link to a provider was bound by an event: whoever logs in by it has its user's votes. */
async function verifyLogins(db: Database, { told, after, upTo }: Histories, complain: Complain): Promise<void> {
  const tables = withTables<CoreTables>(db)
  const certificates = await tables
    .selectFrom('user_certificates')
    .leftJoin('authorities', 'authorities.id', 'user_certificates.authority_id')
    .select(['user_id', 'fingerprint', 'subject', 'authorities.name as authority'])
    .where('user_id', '>', after)
    .where('user_id', '<=', upTo)
    .execute()
  const subjects = await tables
    .selectFrom('user_identities')
    .select(['user_id', 'issuer', 'subject'])
    .where('user_id', '>', after)
    .where('user_id', '<=', upTo)
    .execute()
  for (const { user_id: id, ...login } of [...certificates, ...subjects]) {
    const bound = (told.get(id) ?? []).filter(({ action }) => action === 'user.bound')
    if (bound.some(({ details }) => loginText(details) === loginText(login))) continue
    complain(`user ${id} logs in by ${login.subject ?? loginText(login)}, by no event`)
  }
}

/** A fingerprint was written as its giver liked. */
function loginText({ fingerprint, subject, authority, issuer }: Record<string, unknown>): string {
  const hex = typeof fingerprint === 'string' ? fingerprint.replaceAll(':', '').toLowerCase() : null
  return canonicalJson([hex, subject ?? null, authority ?? null, issuer ?? null])
}

interface Holders {
  column: 'user_id' | 'role_id'
  what: string
  histories: Histories
}

async function verifyGrants(db: Database, { column, what, histories }: Holders, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('capabilities')
    .select(['id', `${column} as holder`, 'capability', 'authority_id', 'profile_id'])
    .where(column, '>', histories.after)
    .where(column, '<=', histories.upTo)
    .execute()
  const granted = new Map<number, string>()
  for (const [holder, events] of histories.told) collectGrants(granted, holder, events)
  for (const row of rows) {
    const told = granted.get(row.id)
    if (told !== grantText(row.holder ?? 0, row.capability, { authority: row.authority_id, profile: row.profile_id }))
      complain(`${what} ${row.holder} has the capability ${row.capability} (${row.id}), by no event`)
    granted.delete(row.id)
  }
  for (const [id, text] of granted) complain(`${what} ${text.split(' ')[0]} has lost the capability ${id}, by no event`)
}

function collectGrants(granted: Map<number, string>, holder: number, events: Told[]): void {
  for (const { action, details } of events) {
    const { capability, authorityId = null, profileId = null, grant, grants } = details
    if (action === 'capability.granted' && typeof grant === 'number')
      granted.set(grant, grantText(holder, capability, { authority: authorityId, profile: profileId }))
    if (action === 'capability.revoked' && Array.isArray(grants)) for (const id of grants) granted.delete(Number(id))
  }
}

function grantText(holder: number, capability: unknown, on: { authority: unknown; profile: unknown }): string {
  return `${holder} ${capability} ${on.authority} ${on.profile}`
}

async function verifyTokens(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('tokens')
    .leftJoin('users', 'users.id', 'tokens.user_id')
    .select(['tokens.id', 'tokens.uuid', 'tokens.revoked_at', 'tokens.scope', 'users.name as user'])
    .where('tokens.id', '>', histories.after)
    .where('tokens.id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const made = events.find(({ action }) => action === 'token.created')
    const revoked = events.find(({ action }) => action === 'token.revoked')
    const subject = `token ${row?.uuid ?? id}`
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    else if (row.user !== made.details.user)
      complain(`${subject} is ${row.user}'s, its event says ${made.details.user}'s`)
    else if (row.revoked_at !== (revoked?.at ?? null))
      complain(`${subject} is ${row.revoked_at === null ? 'good' : 'revoked'}, its last event says otherwise`)
    else if (
      canonicalJson(row.scope === null ? null : readJson(row.scope)) !== canonicalJson(made.details.scope ?? null)
    )
      complain(`${subject} has another scope than it was made with`)
  }
}
