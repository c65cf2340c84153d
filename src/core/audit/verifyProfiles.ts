import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { canonicalJson } from '../canonicalJson.ts'
import type { CoreTables } from '../tables.ts'
import { type Complain, eachSpan, type Histories, pairs, readJson, type Told } from './verifyHistory.ts'

/** Authorities and RA profiles: as their last events tell. */
export async function verifyProfiles(db: Database, complain: Complain): Promise<void> {
  await eachSpan(db, complain, {
    kind: 'profile',
    actions: ['profile.created', 'profile.changed', 'profile.deleted'],
    check: (histories, complain) => verifyRaProfiles(db, histories, complain),
  })
  await eachSpan(db, complain, {
    kind: 'authority',
    actions: ['authority.created', 'authority.changed'],
    check: (histories, complain) => verifyAuthorities(db, histories, complain),
  })
}

async function verifyRaProfiles(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select(['id', 'name', 'organization_id', 'authority_id', 'enabled', 'settings', 'protocols', 'rules'])
    .where('id', '>', histories.after)
    .where('id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const last = events.at(-1)
    const subject = `profile ${row?.name ?? last?.details.name ?? id}`
    if (!row) complain(`${subject} is gone`)
    else if (!last) complain(`${subject} was made by no event`)
    if (!row || !last) continue
    const is = {
      name: row.name,
      authorityId: row.authority_id,
      enabled: row.enabled === 1,
      settings: row.settings,
      protocols: row.protocols,
      rules: row.rules,
    }
    compare(subject, { is, told: last.details }, complain)
    if (row.organization_id !== last.organizationId)
      complain(`${subject}: organization is not what its last event says`)
  }
}

async function verifyAuthorities(db: Database, histories: Histories, complain: Complain): Promise<void> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('authorities')
    .select(['id', 'name', 'kind', 'organization_id', 'owner_id', 'enabled', 'settings'])
    .where('id', '>', histories.after)
    .where('id', '<=', histories.upTo)
    .execute()
  for (const { id, events, row } of pairs(histories, rows)) {
    const made = events.find(({ action }) => action === 'authority.created')
    const subject = `authority ${row?.name ?? made?.details.name ?? id}`
    if (!row) complain(`${subject} is gone`)
    else if (!made) complain(`${subject} was made by no event`)
    if (!row || !made) continue
    const is = {
      name: row.name,
      kind: row.kind,
      ownerId: row.owner_id,
      enabled: row.enabled === 1,
      settings: canonicalJson(readJson(row.settings)),
    }
    compare(subject, { is, told: toldOfAuthority(events) }, complain)
    if (row.organization_id !== made.organizationId)
      complain(`${subject}: organization is not what its first event says`)
  }
}

function toldOfAuthority(events: Told[]): Record<string, unknown> {
  const told: Record<string, unknown> = { enabled: true, settings: {} }
  for (const { details } of events) Object.assign(told, details)
  return { ...told, settings: canonicalJson(told.settings) }
}

/** Of what was told; what no event told is not compared. */
function compare(
  subject: string,
  { is, told }: { is: Record<string, unknown>; told: Record<string, unknown> },
  complain: Complain,
): void {
  for (const [field, value] of Object.entries(is))
    if (told[field] !== undefined && told[field] !== value)
      complain(`${subject}: ${field} is not what its last event says`)
}
