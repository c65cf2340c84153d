import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { type AdminContext, actorOf } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { hasCapability } from '../identity/capability.ts'
import { findItem, type InventoryItem } from '../inventory/inventoryItem.ts'
import type { RequestRef } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { FoundCertificate, ReadPlace } from './discovered.ts'

/** Where a certificate was seen. */
export interface Sighting {
  /** HOST:PORT; `folder:` and the path of a file below the folder that is configured; `file:` and what the command line was given. */
  place: string
  /** 0: the server's own, or the first of a file; then those behind it. */
  position: number
  firstSeenAt: Date
  lastSeenAt: Date
  /** Since when something else is there; absent: it was there at the last look. */
  goneAt?: Date
  /** The discoveries that look there, by name; none for who may not read them. */
  discoveries: { uuid: string; name: string }[]
}

const MOST = 1000
/** For so many places the discoveries are looked up. */
const MOST_NAMED = 100

/** See Discoveries.sightings. */
export async function sightingsOf({ it, requester }: AdminContext, ref: RequestRef): Promise<Sighting[]> {
  const item = await findItem(it.db, requester, ref)
  const rows = await withTables<CoreTables>(it.db)
    .selectFrom('certificate_sightings')
    .selectAll()
    .where('certificate_id', '=', item.id)
    .orderBy('last_seen_at', 'desc')
    .orderBy('place')
    .limit(MOST)
    .execute()
  const places = rows.slice(0, MOST_NAMED).map(({ place }) => place)
  const looking = await discoveriesAt({ it, requester }, item, places)
  return rows.map(({ place, position, first_seen_at, last_seen_at, gone_at }) => ({
    place,
    position,
    firstSeenAt: new Date(first_seen_at),
    lastSeenAt: new Date(last_seen_at),
    ...(gone_at === null ? {} : { goneAt: new Date(gone_at) }),
    discoveries: looking.filter((discovery) => discovery.place === place).map(({ uuid, name }) => ({ uuid, name })),
  }))
}

async function discoveriesAt(
  { it, requester }: AdminContext,
  { organizationId }: Pick<InventoryItem, 'organizationId'>,
  places: readonly string[],
) {
  if (places.length === 0) return []
  const { user } = await actorOf(it.db, requester)
  if (user && !(await hasCapability(it.db, user, 'manage', { organizationId }))) return []
  return withTables<CoreTables>(it.db)
    .selectFrom('discoveries')
    .innerJoin('discovery_places', 'discovery_places.discovery_id', 'discoveries.id')
    .select(['discoveries.uuid', 'discoveries.name', 'place'])
    .where('organization_id', '=', organizationId)
    .where('place', 'in', places)
    .orderBy('discoveries.name')
    .execute()
}

interface Marking {
  organizationId: number
  requester: Requester
  at: Date
}

/** Writes down what is where, and what is there no more, in the caller's transaction. */
export async function markSightings(db: Database, marking: Marking, places: readonly ReadPlace[]): Promise<void> {
  for (const { place, outcome, certificates } of places) {
    if (outcome !== 'found') continue
    const before = await atPlace(db, marking.organizationId, place)
    const now = new Set(certificates.map(({ id }) => id))
    const gone = before.filter(({ certificate_id, gone_at }) => gone_at === null && !now.has(certificate_id))
    if (gone.length > 0)
      await withTables<CoreTables>(db)
        .updateTable('certificate_sightings')
        .set({ gone_at: marking.at.getTime() })
        .where(
          'id',
          'in',
          gone.map(({ id }) => id),
        )
        .execute()
    const known = new Set(before.map(({ certificate_id }) => certificate_id))
    for (const [position, certificate] of certificates.entries())
      await mark(db, marking, { place, position, certificate, known: known.has(certificate.id) })
  }
}

function atPlace(db: Database, organizationId: number, place: string) {
  return withTables<CoreTables>(db)
    .selectFrom('certificate_sightings')
    .select(['id', 'certificate_id', 'gone_at'])
    .where('organization_id', '=', organizationId)
    .where('place', '=', place)
    .execute()
}

interface Mark {
  place: string
  position: number
  certificate: FoundCertificate
  known: boolean
}

async function mark(
  db: Database,
  { organizationId, requester, at }: Marking,
  { place, position, certificate, known }: Mark,
): Promise<void> {
  const seen = at.getTime()
  await withTables<CoreTables>(db)
    .insertInto('certificate_sightings')
    .values({
      certificate_id: certificate.id,
      organization_id: organizationId,
      place,
      position,
      first_seen_at: seen,
      last_seen_at: seen,
      gone_at: null,
    })
    .onConflict((conflict) =>
      conflict.columns(['certificate_id', 'place']).doUpdateSet({ position, last_seen_at: seen, gone_at: null }),
    )
    .execute()
  // That it is new the trail says already, with the place.
  if (known || certificate.isNew) return
  await audit(db, requester, at, {
    action: 'certificate.sighted',
    organizationId,
    subject: { kind: 'certificate', id: certificate.id },
    details: { place },
  })
}
