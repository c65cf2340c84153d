import type { Generated } from 'kysely'

export interface DiscoveryTables {
  discoveries: DiscoveriesTable
  discovery_places: DiscoveryPlacesTable
  certificate_sightings: CertificateSightingsTable
}

/** Where somebody has certificates looked for, and how far the last run has come. */
interface DiscoveriesTable {
  id: Generated<number>
  uuid: string
  organization_id: number
  name: string
  /** JSON of texts, as discoveryTarget.ts reads them. */
  targets: string
  /** Of users. */
  owner_id: number | null
  enabled: number
  /** Hours from the start of one run to that of the next; null: it runs when it is asked to. */
  interval_hours: number | null
  /** When the next run begins; null: when it is asked to. */
  next_at: number | null
  /** 1: a run is under way. */
  running: number
  /** Raised with each run, and when one is stopped: what an earlier one still brings is not taken. */
  run: number
  /** How many places the run has looked at, and of how many. */
  position: number
  total: number
  started_at: number | null
  /** Null: it was stopped, or none has ended yet. */
  ended_at: number | null
  /** Of the run: places with certificates, certificates that were not known, and the other outcomes. */
  found: number
  new_certificates: number
  unreachable: number
  refused: number
  unreadable: number
  lease_owner: string | null
  lease_until: number | null
  /** When it was last its turn: those that run take turns. */
  turn_at: number
  created_at: number
}

/** What the last look at a place came to. Of a network only places that have answered once have a row. */
interface DiscoveryPlacesTable {
  id: Generated<number>
  discovery_id: number
  place: string
  /** found, unreachable, refused, unreadable. */
  outcome: string
  detail: string | null
  /** How many certificates were there, and how many of them were new. */
  certificates: number
  new_certificates: number
  run: number
  looked_at: number
}

/** Where a certificate was seen, by a discovery or by somebody who asked for a look. */
interface CertificateSightingsTable {
  id: Generated<number>
  certificate_id: number
  organization_id: number
  place: string
  /** 0: the server's own, or the first of a file; then those behind it. */
  position: number
  first_seen_at: number
  last_seen_at: number
  /** Since when something else is there. */
  gone_at: number | null
}
