import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import type { CoreTables } from '../tables.ts'
import type { LookFailure } from './discoveryReach.ts'

/** Where certificates are looked for. */
export interface Discovery {
  uuid: string
  name: string
  /** As parseTarget reads them. */
  targets: string[]
  /** Who answers for it. */
  owner?: { uuid: string; name: string }
  /** Whether it runs by itself. */
  enabled: boolean
  /** From the start of one run to that of the next; absent: it runs when it is asked to. */
  intervalHours?: number
  nextAt?: Date
  createdAt: Date
  /** The run under way, or the last one; absent: there was none. */
  run?: DiscoveryRun
}

export interface DiscoveryRun {
  running: boolean
  startedAt: Date
  /** Absent: it has not ended, or was stopped. */
  endedAt?: Date
  /** Places that it has looked at, and how many there are. */
  looked: number
  places: number
  /** Places where certificates are, certificates that were not in the inventory, and places of which the others hold. */
  found: number
  newCertificates: number
  unreachable: number
  refused: number
  unreadable: number
}

/** What the last look at a place came to. */
export interface DiscoveryPlace {
  place: string
  outcome: 'found' | LookFailure
  detail?: string
  certificates: number
  newCertificates: number
  lookedAt: Date
}

export type DiscoveryRow = Selectable<CoreTables['discoveries']>

export async function viewDiscoveries(db: Database, rows: readonly DiscoveryRow[]): Promise<Discovery[]> {
  const ids = [...new Set(rows.flatMap(({ owner_id }) => (owner_id === null ? [] : [owner_id])))]
  const users =
    ids.length === 0
      ? []
      : await withTables<CoreTables>(db)
          .selectFrom('users')
          .select(['id', 'uuid', 'name'])
          .where('id', 'in', ids)
          .execute()
  const owners = new Map(users.map(({ id, uuid, name }) => [id, { uuid, name }]))
  return rows.map((row) => view(row, row.owner_id === null ? undefined : owners.get(row.owner_id)))
}

function view(row: DiscoveryRow, owner: Discovery['owner']): Discovery {
  return {
    uuid: row.uuid,
    name: row.name,
    targets: JSON.parse(row.targets),
    ...(owner ? { owner } : {}),
    enabled: row.enabled === 1,
    ...(row.interval_hours === null ? {} : { intervalHours: row.interval_hours }),
    ...(row.next_at === null || row.enabled === 0 ? {} : { nextAt: new Date(row.next_at) }),
    createdAt: new Date(row.created_at),
    ...(row.started_at === null ? {} : { run: runOf(row, row.started_at) }),
  }
}

function runOf(row: DiscoveryRow, startedAt: number): DiscoveryRun {
  return {
    running: row.running === 1,
    startedAt: new Date(startedAt),
    ...(row.ended_at === null ? {} : { endedAt: new Date(row.ended_at) }),
    looked: row.position,
    places: row.total,
    found: row.found,
    newCertificates: row.new_certificates,
    unreachable: row.unreachable,
    refused: row.refused,
    unreadable: row.unreadable,
  }
}

/** Those of one discovery, by the order in which they were first looked at. */
export async function placesOf(
  db: Database,
  discoveryId: number,
  { after = 0, limit }: { after?: number; limit: number },
): Promise<{ places: DiscoveryPlace[]; next?: number }> {
  const rows = await withTables<CoreTables>(db)
    .selectFrom('discovery_places')
    .selectAll()
    .where('discovery_id', '=', discoveryId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit + 1)
    .execute()
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return {
    places: page.map((row) => ({
      place: row.place,
      outcome: row.outcome as DiscoveryPlace['outcome'],
      ...(row.detail === null ? {} : { detail: row.detail }),
      certificates: row.certificates,
      newCertificates: row.new_certificates,
      lookedAt: new Date(row.looked_at),
    })),
    ...(rows.length > limit && last ? { next: last.id } : {}),
  }
}
