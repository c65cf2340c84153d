import type { Selectable } from 'kysely'
import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { nameText } from '../../pki/name.ts'
import type { AuditEvent } from '../audit/seal.ts'
import type { WantedCertificate } from '../request/request.ts'
import type { CoreTables } from '../tables.ts'
import type { WebhookEvent } from './webhookEvent.ts'

/** An event of the trail of which somebody is told. */
export interface Told {
  event: AuditEvent
  details: Record<string, unknown>
  tells: WebhookEvent
}

/** What is told of an event, and of which profile it is. */
export interface Content {
  profileId: number
  data: Record<string, unknown>
  /** DER of the request, where there is one. */
  csr?: Buffer
}

/** Reads what events are about, all at once. What is gone since is missing in the answer, which goes by the events' ids. */
export async function readContents(db: Database, told: readonly Told[]): Promise<Map<number, Content>> {
  const revocations = await revocationsOf(db, idsOf(told, 'revoke_request'))
  const orders = await ordersOf(db, [
    ...idsOf(told, 'sign_request'),
    ...idsOf(told, 'certificate'),
    ...[...revocations.values()].map(({ certificate_id }) => certificate_id),
  ])
  const hashes = await hashesOf(db, told)
  const contents = new Map<number, Content>()
  for (const one of told) {
    const { subject_kind: kind, subject_id: subject } = one.event
    if (subject === null) continue
    const revocation = kind === 'revoke_request' ? revocations.get(subject) : undefined
    const order = orders.get(revocation?.certificate_id ?? subject)
    if (!order || (kind === 'revoke_request' && !revocation)) continue
    contents.set(one.event.id, {
      profileId: order.profile_id,
      data: { ...dataOf(one, order, revocation), ...hashes.get(`${kind} ${subject}`) },
      ...(order.csr === null ? {} : { csr: order.csr }),
    })
  }
  return contents
}

function idsOf(told: readonly Told[], kind: string): number[] {
  const ids = told.flatMap(({ event }) =>
    event.subject_kind === kind && event.subject_id !== null ? [event.subject_id] : [],
  )
  return [...new Set(ids)]
}

async function revocationsOf(db: Database, ids: number[]) {
  if (ids.length === 0) return new Map<number, Selectable<CoreTables['revoke_requests']>>()
  const rows = await withTables<CoreTables>(db)
    .selectFrom('revoke_requests')
    .selectAll()
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map((row) => [row.id, row]))
}

type Revocation = Selectable<CoreTables['revoke_requests']>

async function readOrders(db: Database, ids: number[]) {
  return withTables<CoreTables>(db)
    .selectFrom('sign_requests as order')
    .innerJoin('ra_profiles as profile', 'profile.id', 'order.profile_id')
    .innerJoin('authorities as authority', 'authority.id', 'order.authority_id')
    .leftJoin('certificates as certificate', 'certificate.id', 'order.id')
    .select(['order.id', 'order.uuid', 'order.profile_id', 'order.status', 'order.revision', 'order.action'])
    .select(['order.protocol', 'order.requester', 'order.wanted', 'order.reason', 'order.csr'])
    .select(['profile.name as profile', 'authority.name as authority'])
    .select(['certificate.serial', 'certificate.fingerprint', 'certificate.subject', 'certificate.identifiers'])
    .select(['certificate.not_before', 'certificate.not_after', 'certificate.revocation_reason'])
    .where('order.id', 'in', ids)
    .execute()
}

type OrderRow = Awaited<ReturnType<typeof readOrders>>[number]

async function ordersOf(db: Database, ids: number[]): Promise<Map<number, OrderRow>> {
  if (ids.length === 0) return new Map()
  const rows = await readOrders(db, [...new Set(ids)])
  return new Map(rows.map((row) => [row.id, row]))
}

/** For whoever is asked to decide: the hash that his vote must name, and the rule that asks him. Of the newest revision, for an older one is decided by nobody. */
async function hashesOf(db: Database, told: readonly Told[]): Promise<Map<string, { rule: string; hash: string }>> {
  const asking = told.filter(({ tells }) => tells.type === 'requested' || tells.outcome === 'escalated')
  const hashes = new Map<string, { rule: string; hash: string }>()
  for (const kind of ['sign_request', 'revoke_request'] as const) {
    const ids = idsOf(asking, kind)
    if (ids.length === 0) continue
    const rows = await withTables<CoreTables>(db)
      .selectFrom('decisions')
      .select([`${kind}_id as request`, 'rule', 'hash'])
      .where(`${kind}_id`, 'in', ids)
      .orderBy('revision')
      .execute()
    for (const { request, rule, hash } of rows) hashes.set(`${kind} ${request}`, { rule, hash })
  }
  return hashes
}

function dataOf({ event, details, tells }: Told, order: OrderRow, revocation?: Revocation): Record<string, unknown> {
  const asked = revocation ?? order
  const { name } = JSON.parse(asked.requester) as { name: string }
  const reason = tells.type === 'decided' || tells.type === 'failed' ? asked.reason : null
  return {
    kind: revocation ? 'revoke' : event.subject_kind === 'certificate' ? 'certificate' : 'sign',
    uuid: asked.uuid,
    status: statusOf(event, asked.status),
    ...(tells.outcome === undefined ? {} : { outcome: tells.outcome }),
    action: revocation ? 'revoke' : order.action,
    revision: asked.revision,
    protocol: asked.protocol,
    profile: order.profile,
    authority: order.authority,
    requester: name,
    ...namesOf(order),
    ...(typeof details.rule === 'string' ? { rule: details.rule } : {}),
    ...(reason === null ? {} : { reason }),
    ...(revocation?.code == null ? {} : { revocationReason: revocation.code }),
    ...certificateOf(order, details, tells),
  }
}

function statusOf({ status }: AuditEvent, now: string): string {
  return status ?? now
}

function namesOf({ wanted, subject, identifiers }: OrderRow): { names: string[]; subject: string } {
  const order = JSON.parse(wanted) as WantedCertificate
  const named = (identifiers === null ? order.identifiers : JSON.parse(identifiers)) as { value: string }[]
  return { names: named.map(({ value }) => value), subject: subject ?? nameText(order.subject) }
}

const ofCertificates: ReadonlySet<string> = new Set(['issued', 'revoked', 'released', 'expiring'])

function certificateOf(
  { uuid, serial, fingerprint, not_before, not_after }: OrderRow,
  details: Record<string, unknown>,
  { type }: WebhookEvent,
): Record<string, unknown> {
  if (!ofCertificates.has(type) || serial === null || not_before === null || not_after === null) return {}
  const reason = type === 'revoked' && typeof details.reason === 'string' ? { revocationReason: details.reason } : {}
  return {
    ...reason,
    certificate: {
      uuid,
      serial,
      fingerprint,
      notBefore: new Date(not_before).toISOString(),
      notAfter: new Date(not_after).toISOString(),
    },
  }
}
