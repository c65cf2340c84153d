import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { entryName } from '../inventory/location.ts'
import type { CoreTables } from '../tables.ts'
import type { DiscoveryReach, Look } from './discoveryReach.ts'
import type { Place } from './discoveryTarget.ts'

/** Places that are looked at together, at the same time. */
export const BATCH = 32

export interface LookedPlace {
  place: string
  /** One of a network, of which most addresses are nobody's: only what is there is worth a line. */
  ofNetwork: boolean
  look: Look
}

/** Throws Failure('unsupported') where nothing is composed that could look. */
export function reachOf({ discovery }: Installation): DiscoveryReach {
  if (!discovery) throw new Failure('unsupported', 'nothing is looked for from here')
  return discovery
}

/** Those that go together: a folder may be a thousand files, and goes alone. */
export function together(places: readonly Place[]): Place[] {
  const folder = places.findIndex(({ kind }) => kind === 'files')
  return folder < 0 ? [...places] : places.slice(0, Math.max(1, folder))
}

/** `home`: whose files are looked at. */
export async function lookAt(
  reach: DiscoveryReach,
  places: readonly Place[],
  home: { name: string; uuid: string },
): Promise<LookedPlace[]> {
  const looked = await Promise.all(
    places.map(async (place): Promise<LookedPlace[]> => {
      if (place.kind === 'server') {
        const look = await reach.server(place.host, place.port)
        return [{ place: place.text, ofNetwork: !place.named, look }]
      }
      // Each organization has a folder of its own: none reads in that of another.
      const own = entryName.safeParse(home.name).success ? home.name : home.uuid
      const files = await reach.files([own, ...place.path])
      return files.map((file) => ({
        place: `folder:${file.place.slice(own.length + 1)}`,
        ofNetwork: false,
        look: file.look,
      }))
    }),
  )
  return looked.flat()
}

/** Whose files are looked at. */
export function homeOf(db: Database, organizationId: number): Promise<{ name: string; uuid: string }> {
  return withTables<CoreTables>(db)
    .selectFrom('organizations')
    .select(['name', 'uuid'])
    .where('id', '=', organizationId)
    .executeTakeFirstOrThrow()
}
