import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { concatenated, statement, withTables } from '../../db/tables.ts'
import { type CrlEntry, type RevocationReason, RevokedCertificates, reasonCodes } from '../../pki/crl.ts'
import type { CoreTables } from '../tables.ts'

/** Which entries: of one certificate of an authority, one shard, as they stood when the counter of changes read `revocations`. */
export interface Scope {
  issuerId: number
  shard: number
  /** authorities.revocations; later changes are left aside. */
  revocations: number
}

/** So many rows are read without a pause: a few milliseconds. */
const PAGE = 1_000

interface Place {
  notAfter: number
  id: number
}

const listed = (tables: Kysely<CoreTables>, issuer: number, shard: number, after: number, afterId: number) =>
  tables
    .selectFrom('certificates')
    .where('authority_certificate_id', '=', issuer)
    .where('shard', '=', shard)
    .where(sql<boolean>`status <> 'issued'`)
    .where(sql<boolean>`(not_after, id) > (${after}, ${afterId})`)

/** The last place of the page that begins after a place; none: the page is the last. */
const endOfPage = statement(
  (tables: Kysely<CoreTables>, issuer: number, shard: number, after: number, afterId: number) =>
    listed(tables, issuer, shard, after, afterId)
      .select(['not_after', 'id'])
      .orderBy('not_after')
      .orderBy('id')
      .limit(sql.lit(1))
      .offset(sql.lit(PAGE - 1)),
)

const importedPage = statement((tables: Kysely<CoreTables>, issuer: number, shard: number, after: string) =>
  tables
    .selectFrom('imported_revocations')
    .select(['serial', 'revoked_at', 'reason as revocation_reason', 'invalidity_at'])
    .where('authority_certificate_id', '=', issuer)
    .where('shard', '=', shard)
    .where('serial', '>', after)
    .orderBy('serial')
    .limit(sql.lit(PAGE)),
)

const eventPage = statement((tables: Kysely<CoreTables>, issuer: number, shard: number, after: number, upTo: number) =>
  tables
    .selectFrom('revocation_events')
    .select(['serial', 'change', 'status', 'revoked_at', 'reason as revocation_reason', 'invalidity_at', 'created_at'])
    .where('authority_certificate_id', '=', issuer)
    .where('shard', '=', shard)
    .where('change', '>', after)
    .where('change', '<=', upTo)
    .orderBy('change')
    .limit(sql.lit(PAGE)),
)

/**
 * All entries of a complete CRL. `endedBefore`: certificates whose time ended before it are left out. It is read in
 * pages, while other transactions go on; what they change is taken back by the events that they leave, so that two
 * readers of the same `revocations` get the same entries. They come behind those that `revoked` has.
 */
export async function readRevoked(
  db: Database,
  scope: Scope,
  endedBefore: number,
  revoked = new RevokedCertificates({ delta: false }),
): Promise<RevokedCertificates> {
  const aside = new ChangedMeanwhile(db, scope)
  let from: Place = { notAfter: endedBefore - 1, id: Number.MAX_SAFE_INTEGER }
  for (let last = false; !last; ) {
    const [end] = (await endOfPage(db, scope.issuerId, scope.shard, from.notAfter, from.id)).rows
    last = end === undefined
    const to = end ? { notAfter: end.not_after, id: end.id } : { notAfter: Number.MAX_SAFE_INTEGER, id: 0 }
    const page = await encodedPage(db, scope, from, to)
    // After the page, so that no change can be in the page and not be known here.
    const whole = page.rows === page.encoded && !(await aside.look(from, to))
    if (whole) revoked.addEncoded(page.entries ?? Buffer.alloc(0), page.rows)
    else await addRows(db, scope, { from, to }, { revoked, aside })
    from = to
    await nextTurn()
  }
  for (const entry of await aside.asTheyWere()) revoked.add(entry)
  await addImported(db, scope, revoked)
  return revoked
}

/** The entries between two places, the second included, as they are stored. */
function encodedPage(db: Database, { issuerId, shard }: Scope, from: Place, to: Place) {
  return listed(withTables<CoreTables>(db), issuerId, shard, from.notAfter, from.id)
    .where(sql<boolean>`(not_after, id) <= (${to.notAfter}, ${to.id})`)
    .select(({ fn }) => [
      fn.countAll<number>().as('rows'),
      fn.count<number>('crl_entry').as('encoded'),
      concatenated(db, 'crl_entry').as('entries'),
    ])
    .executeTakeFirstOrThrow()
}

/** The same one by one: some changed meanwhile, or were revoked before entries were stored. */
async function addRows(
  db: Database,
  { issuerId, shard }: Scope,
  { from, to }: { from: Place; to: Place },
  { revoked, aside }: { revoked: RevokedCertificates; aside: ChangedMeanwhile },
): Promise<void> {
  const rows = await listed(withTables<CoreTables>(db), issuerId, shard, from.notAfter, from.id)
    .where(sql<boolean>`(not_after, id) <= (${to.notAfter}, ${to.id})`)
    .select(['serial', 'revoked_at', 'revocation_reason', 'invalidity_at'])
    .execute()
  await aside.look(from, to)
  for (const row of rows) if (!aside.has(row.serial)) revoked.add(crlEntry(row))
}

/**
 * Entries of a delta CRL: what changed since a complete CRL that knew of `since` changes, each certificate once; a hold
 * that was lifted is removeFromCRL, also when it was set after that CRL (RFC 5280 section 5.2.4).
 */
export async function readChanges(
  db: Database,
  scope: Scope,
  since: number,
  revoked = new RevokedCertificates({ delta: true }),
): Promise<RevokedCertificates> {
  const last = new Map<string, CrlEntry>()
  for (let after = since; ; ) {
    const { rows } = await eventPage(db, scope.issuerId, scope.shard, after, scope.revocations)
    for (const row of rows) last.set(row.serial, changeOf(row))
    if (rows.length < PAGE) break
    after = rows.at(-1)?.change ?? after
    await nextTurn()
  }
  for (const entry of last.values()) revoked.add(entry)
  // What was taken over later than the complete CRL leaves no event: all of it is repeated.
  await addImported(db, scope, revoked)
  return revoked
}

interface Row {
  serial: string
  revoked_at: number | null
  revocation_reason: string | null
  invalidity_at: number | null
}

/** Columns of a certificate as a CRL says them. */
export function crlEntry(row: Row): CrlEntry {
  const { serial, revocation_reason: reason } = row
  const entry: CrlEntry = { serial, revokedAt: new Date(row.revoked_at ?? 0) }
  if (reason !== null) entry.reason = reasonCodes[reason as RevocationReason]
  if (row.invalidity_at !== null) entry.invalidityDate = new Date(row.invalidity_at)
  return entry
}

function changeOf(row: Row & { status: string; created_at: number }): CrlEntry {
  if (row.status !== 'issued') return crlEntry(row)
  return {
    serial: row.serial,
    revokedAt: new Date(row.revoked_at ?? row.created_at),
    reason: reasonCodes.removeFromCRL,
  }
}

/** A serial may stand in both: then what was revoked here counts. */
async function addImported(db: Database, scope: Scope, revoked: RevokedCertificates): Promise<void> {
  for (let after = ''; ; ) {
    const { rows } = await importedPage(db, scope.issuerId, scope.shard, after)
    const here = await revokedHere(db, scope, rows)
    for (const row of rows) if (!here.has(row.serial)) revoked.add(crlEntry(row))
    if (rows.length < PAGE) return
    after = rows.at(-1)?.serial ?? after
    await nextTurn()
  }
}

/** Those of which the certificates told when the counter read `revocations`. */
async function revokedHere(db: Database, scope: Scope, rows: readonly { serial: string }[]) {
  if (rows.length === 0) return new Set<string>()
  const stored = await withTables<CoreTables>(db)
    .selectFrom('certificates')
    .select('serial')
    .where('authority_certificate_id', '=', scope.issuerId)
    .where('status', '<>', 'issued')
    .where(
      'serial',
      'in',
      rows.map(({ serial }) => serial),
    )
    .execute()
  const here = new Set(stored.map(({ serial }) => serial))
  for (const serial of await toldLater(db, scope, here)) here.delete(serial)
  return here
}

/** Those of which it is known only since then that they are revoked: they were imported meanwhile. */
async function toldLater(db: Database, { issuerId, shard, revocations }: Scope, here: Set<string>): Promise<string[]> {
  const changed = new Set<string>()
  for (let after = revocations; ; ) {
    const { rows } = await eventPage(db, issuerId, shard, after, Number.MAX_SAFE_INTEGER)
    for (const { serial } of rows) if (here.has(serial)) changed.add(serial)
    if (rows.length < PAGE) break
    after = rows.at(-1)?.change ?? after
  }
  if (changed.size === 0) return []
  const first = await withTables<CoreTables>(db)
    .selectFrom('revocation_events')
    .select('serial')
    .where('authority_certificate_id', '=', issuerId)
    .where('serial', 'in', [...changed])
    .groupBy('serial')
    .having((eb) => eb.fn.min('change'), '>', revocations)
    .execute()
  return first.map(({ serial }) => serial)
}

/** The certificates whose status changed after the moment that is read, while it was read. */
class ChangedMeanwhile {
  readonly #db: Database
  readonly #scope: Scope
  readonly #places = new Map<string, Place>()
  #seen: number

  constructor(db: Database, scope: Scope) {
    this.#db = db
    this.#scope = scope
    this.#seen = scope.revocations
  }

  has(serial: string): boolean {
    return this.#places.has(serial)
  }

  /**
   * Looks for changes after those entries up to `from` have been read, which therefore stand as they were; whether any
   * that is set aside lies between the two places, the second included.
   */
  async look(from: Place, to: Place): Promise<boolean> {
    for (;;) {
      const { issuerId, shard } = this.#scope
      const { rows } = await eventPage(this.#db, issuerId, shard, this.#seen, Number.MAX_SAFE_INTEGER)
      for (const { serial } of rows) {
        if (this.#places.has(serial)) continue
        const place = await this.#placeOf(serial)
        if (place && isAfter(place, from)) this.#places.set(serial, place)
      }
      this.#seen = rows.at(-1)?.change ?? this.#seen
      if (rows.length < PAGE) break
    }
    return [...this.#places.values()].some((place) => isAfter(place, from) && !isAfter(place, to))
  }

  async #placeOf(serial: string): Promise<Place | undefined> {
    const row = await withTables<CoreTables>(this.#db)
      .selectFrom('certificates')
      .select(['id', 'not_after'])
      .where('authority_certificate_id', '=', this.#scope.issuerId)
      .where('serial', '=', serial)
      .executeTakeFirst()
    return row && { notAfter: row.not_after, id: row.id }
  }

  async asTheyWere(): Promise<CrlEntry[]> {
    const entries: CrlEntry[] = []
    for (const serial of this.#places.keys()) {
      const row = await this.#lastEvent(serial)
      if (row && row.status !== 'issued') entries.push(crlEntry(row))
    }
    return entries
  }

  #lastEvent(serial: string) {
    return withTables<CoreTables>(this.#db)
      .selectFrom('revocation_events')
      .select(['serial', 'status', 'revoked_at', 'reason as revocation_reason', 'invalidity_at'])
      .where('authority_certificate_id', '=', this.#scope.issuerId)
      .where('serial', '=', serial)
      .where('change', '<=', this.#scope.revocations)
      .orderBy('change', 'desc')
      .limit(1)
      .executeTakeFirst()
  }
}

function isAfter(place: Place, other: Place): boolean {
  return place.notAfter > other.notAfter || (place.notAfter === other.notAfter && place.id > other.id)
}
