import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Database } from '../../db/open.ts'
import { forUpdate, withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { type Name, nameText, sameName } from '../../pki/name.ts'
import { OID } from '../../pki/oid.ts'
import { audit } from '../audit/audit.ts'
import { Failure, type Problem } from '../failure.ts'
import type { Installation } from '../installation.ts'
import { identifierKey } from '../profile/keptNames.ts'
import type { SignRequest } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import type { AskedOrder, AskedRow, KeptRegistration } from './asked.ts'

/** An extension that the CSR to come must ask for. */
export interface RegisteredExtension {
  /** Dotted decimal; not subjectAltName, whose names are the order's identifiers. */
  oid: string
  critical: boolean
  /** Contents of extnValue, DER. */
  value: Buffer
}

/** Who may be certified with a CSR that comes later: names and subject of the draft, and these. */
export interface RegistrationDraft {
  /** Whoever submits must show it: 12 to 255 printable ASCII characters. Stored is a keyed hash. */
  secret?: string
  /** After it nothing is submitted any more. */
  expiresAt?: Date
  /** Given: the CSR asks for exactly these, beside its names and its key's identifier. */
  extensions?: readonly RegisteredExtension[]
}

/** Where a registration stands. locked: a wrong secret was shown too often; closed: it was submitted, or has ended otherwise. */
export interface Registration {
  state: 'active' | 'expired' | 'locked' | 'closed'
  expiresAt?: Date
  failedAttempts: number
  /** Whether a secret must be shown. */
  secret: boolean
}

/** How often a wrong secret may be shown. */
export const mostFailures = 5

interface KeptExtension {
  oid: string
  critical: boolean
  /** Hex. */
  value: string
}

/** Throws Failure('malformed') for what cannot be registered. */
export function checkRegistration(
  { secret, expiresAt, extensions = [] }: RegistrationDraft,
  asked: AskedOrder,
  now: Date,
): void {
  if (secret !== undefined && !/^[\x20-\x7e]{12,255}$/.test(secret))
    throw new Failure('malformed', 'an authorization secret has 12 to 255 printable ASCII characters')
  if (expiresAt && !(expiresAt > now)) throw new Failure('malformed', 'a registration ends in the future')
  if ((asked.identifiers ?? []).length === 0 && registeredSubject(asked).length === 0)
    throw new Failure('malformed', 'a registration fixes a subject, names, or both: name at least one')
  const oids = extensions.map(({ oid }) => oid)
  if (oids.includes(OID.subjectAltName))
    throw new Failure('malformed', 'names are registered as such, and not as an extension (subjectAltName)')
  if (new Set(oids).size < oids.length) throw new Failure('malformed', 'an extension is registered once')
}

export function keptRegistration(
  it: Installation,
  uuid: string,
  { secret, expiresAt, extensions }: RegistrationDraft,
): KeptRegistration {
  const kept = extensions?.map(({ oid, critical, value }) => ({ oid, critical, value: value.toString('hex') }))
  return {
    registration: JSON.stringify(kept ? { extensions: kept } : {}),
    secret: secret === undefined ? null : secretHash(it, uuid, secret),
    expires_at: expiresAt?.getTime() ?? null,
  }
}

/** HMAC-SHA-256 in hex under a secret that is not in the database: without that one it cannot be guessed at. */
function secretHash({ challengeSecret }: Installation, uuid: string, secret: string): string {
  return createHmac('sha256', challengeSecret).update(`registration\n${uuid}\n${secret}`).digest('hex')
}

/**
 * Looks at the secret that is shown for a registration, and counts a wrong one under the row's lock, so that of many guesses at once no more than
 * `mostFailures` are looked at. Throws Failure('forbidden').
 */
export async function requireSecret(
  it: Installation,
  requester: Requester,
  request: SignRequest,
  shown: string | undefined,
): Promise<void> {
  if (shown === undefined)
    throw new Failure('forbidden', 'this was registered with an authorization secret, which must be shown')
  const given = Buffer.from(secretHash(it, request.uuid, shown))
  const found = await transaction(it.db, (db) => trySecret(db, it, { requester, request, given }))
  if (found === 'right') return
  const detail =
    found === 'locked'
      ? `a wrong authorization secret was shown ${mostFailures} times: the registration is locked; cancel it and register anew`
      : 'the authorization secret is wrong'
  throw new Failure('forbidden', detail)
}

interface Try {
  requester: Requester
  request: SignRequest
  given: Buffer
}

async function trySecret(
  db: Database,
  it: Installation,
  { requester, request, given }: Try,
): Promise<'right' | 'wrong' | 'locked'> {
  const tables = withTables<CoreTables>(db)
  const row = await forUpdate(
    db,
    tables.selectFrom('asked_orders').select(['secret', 'failed_attempts']).where('sign_request_id', '=', request.id),
  ).executeTakeFirstOrThrow()
  if (row.failed_attempts >= mostFailures) return 'locked'
  const kept = Buffer.from(row.secret ?? '')
  if (kept.length === given.length && timingSafeEqual(kept, given)) return 'right'
  const failed = row.failed_attempts + 1
  await tables
    .updateTable('asked_orders')
    .set({ failed_attempts: failed })
    .where('sign_request_id', '=', request.id)
    .execute()
  await audit(db, requester, it.clock(), {
    action: failed >= mostFailures ? 'registration.locked' : 'registration.wrong_secret',
    organizationId: request.organizationId,
    subject: { kind: 'sign_request', id: request.id },
    details: { failedAttempts: failed },
  })
  return failed >= mostFailures ? 'locked' : 'wrong'
}

/** Throws Failure('badCsr') with a problem for each thing in which a CSR is not what was registered. */
export function requireRegistered(csr: Csr, row: AskedRow): void {
  const { asked } = row
  const problems = [
    ...nameProblems(csr, asked.identifiers ?? []),
    ...subjectProblems(csr.subject, registeredSubject(asked), asked.identifiers ?? []),
    ...extensionProblems(csr, row),
  ]
  if (problems.length === 0) return
  const detail = problems.map((problem) => problem.detail).join('; ')
  throw new Failure('badCsr', `the request is not what was registered: ${detail}`, { problems })
}

function registeredSubject({ subject, requestedSubject }: AskedOrder): Name {
  return subject ?? requestedSubject ?? []
}

function nameProblems(csr: Csr, registered: readonly Identifier[]): Problem[] {
  const wanted = new Set(registered.map(identifierKey))
  const given = new Set(csr.identifiers.map(identifierKey))
  const problem = (identifier: Identifier, what: string): Problem => ({
    at: 'identifiers',
    code: 'badCsr',
    detail: `${identifier.value} ${what}`,
    identifier,
  })
  return [
    ...csr.identifiers
      .filter((name) => !wanted.has(identifierKey(name)))
      .map((name) => problem(name, 'is not registered')),
    ...registered.filter((name) => !given.has(identifierKey(name))).map((name) => problem(name, 'is not asked for')),
    ...(csr.otherNames.length > 0
      ? [{ at: 'identifiers', code: 'badCsr' as const, detail: 'names of other kinds are not registered' }]
      : []),
  ]
}

/** Where no subject was registered, one of the names may still stand as the common name. */
function subjectProblems(given: Name, registered: Name, names: readonly Identifier[]): Problem[] {
  const values = new Set(names.map(({ value }) => value.toLowerCase()))
  const repeats = given.flat().every(({ type, value }) => type === 'CN' && values.has(value.toLowerCase()))
  if (registered.length === 0 ? repeats : sameName(given, registered)) return []
  const what = registered.length === 0 ? 'none is registered' : `registered is ${nameText(registered)}`
  return [{ at: 'subject', code: 'badCsr', detail: `the subject is ${nameText(given) || 'empty'}, but ${what}` }]
}

const ownExtensions: ReadonlySet<string> = new Set([OID.subjectAltName, OID.subjectKeyIdentifier])

function extensionProblems(csr: Csr, { registration }: AskedRow): Problem[] {
  const { extensions } = JSON.parse(registration ?? '{}') as { extensions?: KeptExtension[] }
  if (!extensions) return []
  const text = ({ oid, critical, value }: KeptExtension) => `${oid} ${critical} ${value}`
  const asked = csr.extensions
    .filter(({ oid }) => !ownExtensions.has(oid))
    .map(({ oid, critical, value }) => ({ oid, critical, value: value.toString('hex') }))
  const problem = (oid: string, what: string): Problem => ({
    at: 'csr',
    code: 'badCsr',
    detail: `the extension ${oid} ${what}`,
  })
  const registered = new Set(extensions.map(text))
  const given = new Set(asked.map(text))
  return [
    ...asked
      .filter((extension) => !registered.has(text(extension)))
      .map(({ oid }) => problem(oid, 'is not registered so')),
    ...extensions
      .filter((extension) => !given.has(text(extension)))
      .map(({ oid }) => problem(oid, 'is not asked for as registered')),
  ]
}

/** Undefined for what was not registered. */
export function registrationOf(request: SignRequest, row: AskedRow | undefined, now: Date): Registration | undefined {
  if (!row || row.registration === null) return undefined
  const { expires_at, failed_attempts: failedAttempts, secret } = row
  return {
    state: stateOf(request, row, now),
    ...(expires_at === null ? {} : { expiresAt: new Date(expires_at) }),
    failedAttempts,
    secret: secret !== null,
  }
}

function stateOf({ status }: SignRequest, row: AskedRow, now: Date): Registration['state'] {
  if (status === 'expired' && row.expires_at !== null && row.expires_at <= now.getTime()) return 'expired'
  if (status !== 'draft') return 'closed'
  if (row.failed_attempts >= mostFailures) return 'locked'
  return row.expires_at !== null && row.expires_at <= now.getTime() ? 'expired' : 'active'
}
