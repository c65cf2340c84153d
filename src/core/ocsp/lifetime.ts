import { type Kysely, sql } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { authoritySettings } from '../authority/authority.ts'
import { indirectShard, isIndirect } from '../authority/indirectCrl.ts'
import type { CoreTables } from '../tables.ts'

/** Something by which an authority tells of revocations: until when it is good, and whether that is as it should be. */
export interface Lifetime {
  authority: string
  authorityId: number
  organizationId: number
  /** Id of the authority's certificate. */
  issuer: number
  kind: 'crl' | 'delta' | 'responder'
  /** Of a CRL. */
  shard?: number
  /** Absent: there is none, and there should be. */
  until?: Date
  /** thisUpdate of a CRL, notBefore of a responder. */
  since?: Date
  /** Of a CRL that is stored. */
  octets?: number
  /** late: its successor should be there by now, or, where that is signed elsewhere, is needed soon. */
  state: 'ok' | 'late' | 'ended' | 'missing'
}

/** With what to say of it. */
export interface LifetimeView extends Lifetime {
  detail: string
}

/** New ones are made when a third is left; where less is, something stands in the way. */
const ownMargin = 1 / 4
/** Somebody has to sign the next one elsewhere. */
const foreignMargin = 1 / 3
const foreignMost = 30 * 86_400_000
/** What an authority needs is made within this after it. */
const grace = 3_600_000

interface Owner {
  authority: string
  authorityId: number
  organizationId: number
  issuer: number
  spkiHash: string
  manual: boolean
  shards: number
  /** Since when others hand over to it, which gives it an indirect CRL too. */
  indirectFrom: number | null
  delta: boolean
  delegates: boolean
  madeAt: number
  end: number
}

/**
 * All CRLs, delta CRLs and OCSP responders that authorities need now, also under earlier certificates until those have ended.
 * For one that signs elsewhere: what was uploaded, if anything was.
 */
export async function revocationLifetimes(db: Database, now: Date): Promise<Lifetime[]> {
  const tables = withTables<CoreTables>(db)
  const owners = await readOwners(tables, now)
  const [crls, deltas, responders] = [
    await newestOf(tables, 'crls'),
    await newestOf(tables, 'delta_crls'),
    await latestResponders(tables),
  ]
  return owners.flatMap((owner) => {
    const of = (row: { authority_certificate_id: number; shard: number }) =>
      `${row.authority_certificate_id}/${row.shard}`
    const shards = Array.from({ length: owner.shards }, (_, shard) => shard)
    if (owner.indirectFrom !== null) shards.push(indirectShard(owner.issuer))
    const shardKeys = shards.map((shard) => ({ authority_certificate_id: owner.issuer, shard }))
    const complete = shardKeys.map((key) => judge(owner, { kind: 'crl', shard: key.shard }, crls.get(of(key)), now))
    const partial = owner.delta
      ? shardKeys.map((key) => judge(owner, { kind: 'delta', shard: key.shard }, deltas.get(of(key)), now))
      : []
    const responder = responders.get(`${owner.authorityId}/${owner.spkiHash}`)
    const speaker = owner.delegates ? [judge(owner, { kind: 'responder' }, responder, now)] : []
    return [...complete, ...partial, ...speaker].filter((lifetime) => lifetime !== undefined)
  })
}

async function readOwners(tables: Kysely<CoreTables>, now: Date): Promise<Owner[]> {
  const rows = await tables
    .selectFrom('authority_certificates as own')
    .innerJoin('authorities', 'authorities.id', 'own.authority_id')
    .select([
      'own.id as issuer',
      'own.spki_hash as spkiHash',
      'own.key_id as keyId',
      ({ selectFrom }) =>
        selectFrom('crl_handovers')
          .select(({ fn }) => fn.min<number | null>('crl_handovers.created_at').as('first'))
          .whereRef('crl_handovers.crl_issuer_id', '=', 'own.id')
          .as('indirectFrom'),
      'own.shards',
      'own.created_at as madeAt',
      'own.not_after as end',
      'authorities.id as authorityId',
      'authorities.name as authority',
      'authorities.organization_id as organizationId',
      'authorities.kind',
      'authorities.settings',
    ])
    .where('own.not_after', '>', now.getTime())
    .orderBy('authorities.name')
    .orderBy('own.id')
    .execute()
  return rows.flatMap(({ kind, settings: text, keyId, ...row }) => {
    const settings = authoritySettings.parse(JSON.parse(text))
    // What tells of its revocations is the upstream CA's.
    if (kind === 'acme') return []
    const manual = kind === 'manual'
    if (!manual && keyId === null) return []
    const delta = !manual && settings.crlDelta !== undefined
    return [{ ...row, manual, delta, delegates: manual || settings.ocspSigner === 'delegate' }]
  })
}

interface Span {
  from: number
  until: number
  octets?: number
}

/** The newest of each certificate and shard. */
async function newestOf(tables: Kysely<CoreTables>, table: 'crls' | 'delta_crls'): Promise<Map<string, Span>> {
  const rows = await tables
    .selectFrom(table as 'crls')
    .select(['authority_certificate_id', 'shard', 'this_update', 'next_update', 'parts'])
    .select(octetsOf(table).as('octets'))
    .where(sql<boolean>`(authority_certificate_id, shard, number) in (
      select authority_certificate_id, shard, max(number) from ${sql.table(table)} group by authority_certificate_id, shard)`)
    .execute()
  return new Map(
    rows.map((row) => [
      `${row.authority_certificate_id}/${row.shard}`,
      // One whose octets are in memory alone (crlStore.ts) says nothing of them.
      { from: row.this_update, until: row.next_update, ...(row.parts < 0 ? {} : { octets: Number(row.octets) }) },
    ]),
  )
}

/** Of a CRL in one row or in parts; neither database reads the octets for it. */
function octetsOf(table: 'crls' | 'delta_crls') {
  const own = (column: string) => sql.ref(`${table}.${column}`)
  return sql<number>`length(${own('der')}) + coalesce((select sum(length(crl_parts.der)) from crl_parts
    where crl_parts.authority_certificate_id = ${own('authority_certificate_id')} and crl_parts.shard = ${own('shard')}
    and crl_parts.number = ${own('number')} and crl_parts.delta = ${sql.lit(table === 'crls' ? 0 : 1)}), 0)`
}

/** The one that lasts longest of each key of each authority: certificates of one key share it. */
async function latestResponders(tables: Kysely<CoreTables>): Promise<Map<string, Span>> {
  const rows = await tables
    .selectFrom('responders')
    .innerJoin('authority_certificates as own', 'own.id', 'responders.authority_certificate_id')
    .select(['own.authority_id', 'own.spki_hash', 'responders.not_before', 'responders.not_after'])
    .orderBy('responders.not_after')
    .execute()
  return new Map(
    rows.map((row) => [`${row.authority_id}/${row.spki_hash}`, { from: row.not_before, until: row.not_after }]),
  )
}

type What = Pick<Lifetime, 'kind' | 'shard'>

function judge(owner: Owner, what: What, span: Span | undefined, now: Date): Lifetime | undefined {
  const { authority, authorityId, organizationId, issuer, manual } = owner
  const of = { authority, authorityId, organizationId, issuer, ...what }
  const needed = isIndirect(what.shard ?? 0) ? (owner.indirectFrom ?? owner.madeAt) : owner.madeAt
  if (!span) return manual || now.getTime() - needed < grace ? undefined : { ...of, state: 'missing' }
  const { octets } = span
  const spanned = {
    since: new Date(span.from),
    until: new Date(span.until),
    ...(octets === undefined ? {} : { octets }),
  }
  return { ...of, ...spanned, state: stateOf(owner, span, now.getTime()) }
}

function stateOf({ manual, end }: Owner, { from, until }: Span, now: number): Lifetime['state'] {
  if (until <= now) return 'ended'
  // It lasts as long as the authority's certificate: none could last longer.
  if (until >= end) return 'ok'
  const span = until - from
  const margin = manual ? Math.min(span * foreignMargin, foreignMost) : span * ownMargin
  return until - now < margin ? 'late' : 'ok'
}

const shardText = (shard: number): string => (isIndirect(shard) ? 'indirect' : `shard ${shard}`)

/** What it is, and how it stands, for people: a sentence without its end. */
export function describeLifetime({ kind, shard, authority, issuer, until, state }: Lifetime): string {
  const names = { crl: 'CRL', delta: 'delta CRL', responder: 'OCSP responder' } as const
  const which = kind === 'responder' ? `certificate ${issuer}` : `certificate ${issuer}, ${shardText(shard ?? 0)}`
  const thing = `the ${names[kind]} of ${authority} (${which})`
  if (state === 'missing') return `${thing} is missing`
  return `${thing} ${state === 'ended' ? 'ended' : 'ends'} on ${until?.toISOString()}${state === 'late' ? ', and no new one is there yet' : ''}`
}
