import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { audit } from '../audit/audit.ts'
import { saveProfile } from '../profile/profiles.ts'
import { system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { uuidv7 } from '../uuid.ts'
import { enableValidation } from './validationSettings.ts'

/**
 * Stands for all authorities of others in one organization: it has no key and no certificate, issues nothing, and no adapter can name it. Serial numbers are unique
 * under an authority, and those of others are not ours to choose: where one is taken there is a second.
 */
const nameOf = (organizationId: number, number: number): string => `@foreign-${organizationId}-${number}`

interface Foreign {
  organizationId: number
  /** Of the certificate that is to be stored. */
  serial: string
  now: Date
}

/** The id of the first one that has no certificate of this serial number; made where there is none yet. */
export async function foreignAuthority(db: Database, foreign: Foreign): Promise<number> {
  for (let number = 1; ; number++) {
    const name = nameOf(foreign.organizationId, number)
    const row = await withTables<CoreTables>(db)
      .selectFrom('authorities')
      .leftJoin('certificates', (join) =>
        join.onRef('certificates.authority_id', '=', 'authorities.id').on('serial', '=', foreign.serial),
      )
      .select(['authorities.id', 'certificates.id as taken'])
      .where('authorities.name', '=', name)
      .executeTakeFirst()
    if (!row) return insertForeignAuthority(db, name, foreign)
    if (row.taken === null) return row.id
  }
}

async function insertForeignAuthority(db: Database, name: string, { organizationId, now }: Foreign): Promise<number> {
  const { id } = await withTables<CoreTables>(db)
    .insertInto('authorities')
    .values({
      uuid: uuidv7(now),
      organization_id: organizationId,
      name,
      kind: 'manual',
      owner_id: null,
      enabled: 0,
      settings: '{}',
      created_at: now.getTime(),
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  await audit(db, system('inventory'), now, {
    action: 'authority.created',
    organizationId,
    subject: { kind: 'authority', id },
    details: { name, kind: 'manual', ownerId: null, enabled: false, settings: {} },
  })
  return id
}

/** The id of the profile of what was uploaded: nothing is ordered by it, and nothing revoked. */
export async function foreignProfile(
  db: Database,
  { organizationId, authorityId, now }: { organizationId: number; authorityId: number; now: Date },
): Promise<number> {
  const name = `@foreign-${organizationId}/uploaded`
  const known = await withTables<CoreTables>(db)
    .selectFrom('ra_profiles')
    .select('id')
    .where('name', '=', name)
    .executeTakeFirst()
  if (known) return known.id
  const rules = { issue: [], revoke: [{ name: 'certificates of others', deny: 'it was not issued here' }] }
  const draft = { name, organizationId, authorityId, enabled: true, builtin: true, settings: {}, protocols: {}, rules }
  const { id } = await saveProfile(db, draft, { actor: system('inventory'), at: now })
  await enableValidation(db, id, now)
  return id
}
