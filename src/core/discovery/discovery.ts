import { transaction } from '../../db/transaction.ts'
import { type AdminContext, actorOf, organizationFor, requireCapability } from '../adminActor.ts'
import { audit } from '../audit/audit.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RequestRef } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import { text } from '../text.ts'
import { type ReadPlace, takeIn } from './discovered.ts'
import {
  addDiscovery,
  changeDiscovery,
  type DiscoveryChange,
  type DiscoveryDraft,
  listDiscoveries,
  managedDiscovery,
  readDiscovery,
  removeDiscovery,
  runNow,
} from './discoveryAdmin.ts'
import { BATCH, homeOf, type LookedPlace, lookAt, reachOf, together } from './discoveryLook.ts'
import { type Look, mostCertificates } from './discoveryReach.ts'
import { countPlaces, parseTarget, placesFrom } from './discoveryTarget.ts'
import { type Discovery, type DiscoveryPlace, placesOf } from './discoveryView.ts'
import { markSightings, type Sighting, sightingsOf } from './sighting.ts'

/** What came of a look that somebody has asked for. */
export interface LookAnswer {
  places: ReadPlace[]
  /** How many places the targets are. */
  total: number
  /** Where to go on; absent: that was the last of them. */
  next?: number
}

/**
 * Certificates that are looked for, at servers and in files. What is found is in the inventory from then on, with where it was seen; it vouches for nobody. All but
 * `sightings` needs `manage` over the organization; what belongs to another is Failure('notFound').
 */
export interface Discoveries {
  /** By name; of the requester's organization, or of the one named. */
  list(organization?: string): Promise<Discovery[]>
  read(uuid: string): Promise<Discovery>
  /** One with an interval runs at once. Throws malformed, conflict (the name is taken; there are too many). */
  add(draft: DiscoveryDraft, organization?: string): Promise<Discovery>
  /** What is absent stays. Other targets end a run that is under way. Throws malformed, conflict. */
  change(uuid: string, change: DiscoveryChange): Promise<Discovery>
  /** What was found stays. */
  remove(uuid: string): Promise<void>
  /** Throws conflict while it is running. */
  run(uuid: string): Promise<Discovery>
  /** What the last look at each place came to, 50 unless `limit` says otherwise; `next` is the next page's `after`. */
  places(uuid: string, page?: { after?: number; limit?: number }): Promise<{ places: DiscoveryPlace[]; next?: number }>
  /** Where a certificate was seen, the newest thousand. Needs what reading it needs. */
  sightings(ref: RequestRef): Promise<Sighting[]>
  /** Looks now, at some of the places from `from` on. Throws malformed. */
  look(targets: readonly string[], options?: { from?: number; organization?: string }): Promise<LookAnswer>
  /** Takes in what somebody has found in a file of his own: DER in its order, at most 16. `place` begins with `file:`. */
  take(found: { place: string; certificates: readonly Buffer[]; organization?: string }): Promise<ReadPlace>
}

export function createDiscoveries(it: Installation, requester: Requester): Discoveries {
  const context: AdminContext = { it, requester }
  return {
    list: (organization) => listDiscoveries(context, organization),
    read: (uuid) => readDiscovery(context, uuid),
    add: (draft, organization) => addDiscovery(context, draft, organization),
    change: (uuid, change) => changeDiscovery(context, uuid, change),
    remove: (uuid) => removeDiscovery(context, uuid),
    run: (uuid) => runNow(context, uuid),
    places: async (uuid, { after, limit = 50 } = {}) => {
      const { id } = await managedDiscovery(it.db, await actorOf(it.db, requester), uuid)
      return placesOf(it.db, id, { limit: Math.min(limit, 200), ...(after === undefined ? {} : { after }) })
    },
    sightings: (ref) => sightingsOf(context, ref),
    look: (targets, options = {}) => look(context, targets, options),
    take: (found) => take(context, found),
  }
}

async function look(
  context: AdminContext,
  given: readonly string[],
  { from = 0, organization }: { from?: number; organization?: string },
): Promise<LookAnswer> {
  const { it } = context
  const reach = reachOf(it)
  const targets = given.map((target) => parseTarget(target.slice(0, 400)))
  const total = countPlaces(targets)
  const organizationId = await asked(context, organization, { targets: given, from })
  const places = together(placesFrom(targets, from, BATCH))
  const looked = await lookAt(reach, places, await homeOf(it.db, organizationId))
  if (reach.stopped) throw new Failure('unavailable', 'the server stops; ask again')
  const read = await store(context, organizationId, looked)
  const next = from + places.length
  return { places: read, total, ...(places.length > 0 && next < total ? { next } : {}) }
}

async function take(
  context: AdminContext,
  { place, certificates, organization }: { place: string; certificates: readonly Buffer[]; organization?: string },
): Promise<ReadPlace> {
  if (!place.startsWith('file:') || !text(1000).safeParse(place).success)
    throw new Failure('malformed', 'the place of a file is file: and its path')
  if (certificates.length > mostCertificates)
    throw new Failure('malformed', `at most ${mostCertificates} certificates of one file`)
  const organizationId = await asked(context, organization, { place })
  const look: Look = { outcome: 'found', certificates: [...certificates] }
  const [read] = await store(context, organizationId, [{ place, ofNetwork: false, look }])
  if (!read) throw new Failure('malformed', 'there is nothing to take in')
  return read
}

/** Who asks and for what is written down before anything is connected to. Answers the organization. */
async function asked(
  { it, requester }: AdminContext,
  organization: string | undefined,
  details: Record<string, unknown>,
): Promise<number> {
  return transaction(it.db, async (db) => {
    const actor = await actorOf(db, requester)
    const { id: organizationId } = await organizationFor(db, actor, organization)
    await requireCapability(db, actor, 'manage', { organizationId })
    await audit(db, requester, it.clock(), {
      action: 'discovery.looked',
      organizationId,
      subject: { kind: 'discovery', id: null },
      details,
    })
    return organizationId
  })
}

async function store(
  { it, requester }: AdminContext,
  organizationId: number,
  looked: readonly LookedPlace[],
): Promise<ReadPlace[]> {
  const read = await takeIn(it, { organizationId, requester }, looked)
  await transaction(it.db, (db) => markSightings(db, { organizationId, requester, at: it.clock() }, read))
  return read
}
