import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { isSelfSigned } from '../../pki/certificateFacts.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import type { AdminContext } from '../adminActor.ts'
import { raiseAlert } from '../audit/alert.ts'
import { audit } from '../audit/audit.ts'
import { loadAuthority, loadIssuer } from '../authority/authority.ts'
import { type Certificate, findCertificate } from '../certificate.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { RequestRef } from '../request/request.ts'
import { type Requester, system } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type KnownChain, knownChain, withItems } from './inventoryIssuers.ts'
import { findItem, writeRecord } from './inventoryItem.ts'
import { type Validation, validate } from './validation.ts'
import { defaultThreshold, thresholdOf } from './validationSettings.ts'

/** A validation as it is kept. */
export interface KeptValidation extends Validation {
  at: Date
}

interface Stored extends Validation {
  /** An alert has told that it will end. */
  told?: boolean
}

/** See Inventory.validate. */
export async function validateNow({ it, requester }: AdminContext, ref: RequestRef): Promise<KeptValidation> {
  const { id, source } = await findItem(it.db, requester, ref)
  const certificate = source === undefined ? undefined : await findCertificate(it.db, { id })
  if (!certificate) throw new Failure('conflict', 'there is no certificate yet')
  const found = await look(it, certificate)
  await transaction(it.db, (db) => keep(db, found, { actor: requester, at: it.clock(), alerts: false }))
  return { ...found.validation, at: it.clock() }
}

export interface Looked {
  certificate: Certificate
  validation: Validation
}

/** Validates, and writes nothing. */
export async function look(it: Installation, certificate: Certificate, threshold?: number): Promise<Looked> {
  const foreign = certificate.profileId === undefined
  const { id, der, status, revocationReason } = certificate
  const profileId = certificate.profileId ?? (await profileOf(it.db, id))
  const validation = validate({
    der,
    status,
    ...(revocationReason === undefined ? {} : { revocationReason }),
    foreign,
    chain: await chainFor(it, certificate),
    withdrawn: !foreign && (await loadAuthority(it, certificate.authorityId)).withdrawn,
    now: it.clock(),
    expiringThreshold: threshold ?? (await thresholdOf(it.db, profileId)) ?? defaultThreshold,
  })
  return { certificate, validation }
}

async function profileOf(db: Database, id: number): Promise<number> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('profile_id')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  return row.profile_id
}

/** What is above a certificate: of ours the certificate of the authority that has issued it, with its chain; of others, and of ours from upstream, what is known. */
export async function chainFor(it: Installation, certificate: Certificate): Promise<KnownChain> {
  const { issuers, complete } = await above(it, certificate)
  return { issuers: await withItems(it.db, certificate.organizationId, issuers), complete }
}

async function above(it: Installation, certificate: Certificate): Promise<KnownChain> {
  if (certificate.authorityCertificateId === undefined) return knownChain(it.db, certificate)
  const issuer = await loadIssuer(it, certificate.authorityCertificateId)
  const issuers = [issuer.certificate, ...issuer.chain.map(readCertificate)]
  const last = issuers.at(-1)
  return {
    issuers: issuers.map((fields) => ({ fields, ours: true, trusted: true })),
    complete: last !== undefined && isSelfSigned(last),
  }
}

interface Keeping {
  actor: Requester
  at: Date
  /** Whether to tell people about a certificate that will end. */
  alerts: boolean
}

/** Writes down what was found; the trail tells of what has changed. */
export async function keep(db: Database, { certificate, validation }: Looked, keeping: Keeping): Promise<void> {
  const { id, organizationId } = certificate
  const foreign = certificate.profileId === undefined
  const before = await withTables<CoreTables>(db)
    .selectFrom('inventory_records')
    .select(['validation_status', 'validation', 'archived_at'])
    .where('id', '=', id)
    .executeTakeFirst()
  const told = before?.validation ? (JSON.parse(before.validation) as Stored).told === true : false
  // Who vouches for one of others is often not known here; that it ends matters all the same.
  const nears = foreign ? validation.checks.certificate_validity.status : validation.status
  const tells = keeping.alerts && !told && nears === 'expiring' && !before?.archived_at && !(await isRenewed(db, id))
  const stored: Stored = { ...validation, ...(told || tells ? { told: true } : {}) }
  await writeRecord(db, id, {
    validation_status: validation.status,
    validation: JSON.stringify(stored),
    validated_at: keeping.at.getTime(),
  })
  if (tells) await tellOfEnd(db, certificate, keeping.at)
  const was = before?.validation_status ?? 'not_checked'
  if (was === validation.status) return
  await audit(db, keeping.actor, keeping.at, {
    action: 'certificate.validated',
    organizationId,
    subject: { kind: 'certificate', id },
    details: { from: was, to: validation.status, message: validation.message },
  })
}

async function isRenewed(db: Database, id: number): Promise<boolean> {
  const row = await withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .select('id')
    .where('renews_id', '=', id)
    .where('status', '=', 'signed')
    .executeTakeFirst()
  return row !== undefined
}

async function tellOfEnd(db: Database, { id, organizationId, subject, notAfter, uuid }: Certificate, at: Date) {
  const detail = `the certificate ${uuid} (${subject || 'without a subject'}) ends on ${notAfter.toISOString().slice(0, 10)} and is not renewed`
  await raiseAlert(db, at, {
    kind: 'certificate.expiring',
    organizationId,
    subject: { kind: 'certificate', id },
    detail,
  })
  await audit(db, upkeepActor, at, {
    action: 'certificate.expiring',
    organizationId,
    subject: { kind: 'certificate', id },
    details: { notAfter: notAfter.toISOString() },
  })
}

/** What was found last; undefined: it was never validated. */
export function keptValidation(row: { validation: string | null; validated_at: number | null } | undefined) {
  if (!row?.validation || row.validated_at === null) return undefined
  const { status, message, checks } = JSON.parse(row.validation) as Stored
  return { status, message, checks, at: new Date(row.validated_at) } satisfies KeptValidation
}

export const upkeepActor = system('validation')
