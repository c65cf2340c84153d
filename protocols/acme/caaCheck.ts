import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Authorization } from './authorizationRecord.ts'
import { type CaaName, type CaaTerms, checkCaa } from './caa.ts'
import { AcmeError, type AcmeErrorType, type Subproblem } from './errors.ts'
import { judgeOnionCaa, onionCaaPayload } from './onionCaa.ts'
import { isOnion } from './onionName.ts'
import type { AcmeOptions, ChallengeType } from './options.ts'
import type { Order, OrderedName } from './orderRecord.ts'
import type { ValidationResult } from './outcome.ts'
import type { AcmeServer } from './server.ts'
import { type AccountRequest, readPayload } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { urls } from './urls.ts'

/** CA/Browser Forum Baseline Requirements section 3.2.2.8: what was found longer ago is looked for again before issuing. */
const FRESH_MS = 8 * 3_600_000
/** For all names of an order, within the client's finalize. */
const FINALIZE_TIMEOUT_MS = 8_000
const VALIDATION_TIMEOUT_MS = 5_000

/**
 * Columns of a new authorization: what CAA and dns-persist-01 will need to know of the profile, so that nobody reads it for each validation.
 * An authorization for the names below one needs no CAA of its own: each of them is looked at when it is ordered.
 */
export function storedChecks(
  { base, subdomains, offered }: { base: { type: string; value: string }; subdomains: boolean; offered: string },
  { caa }: AcmeOptions,
): { issuers: string | null; caa: 0 | 1 } {
  if (!caa) return { issuers: null, caa: 0 }
  const check = caa.enforce === 'on' && base.type === 'dns' && !isOnion(base.value) && !subdomains
  const needed = check || offered.split(' ').includes('dns-persist-01')
  return { issuers: needed ? caa.domains.join(' ') : null, caa: check ? 1 : 0 }
}

/** CAA, right after a name was proved and before the authorization becomes valid (RFC 8555 section 10.2). */
export async function checkAfterProof(
  server: AcmeServer,
  { own, type, accountUrl }: { own: Authorization; type: ChallengeType; accountUrl: string },
  proof: ValidationResult,
): Promise<ValidationResult> {
  if (!proof.ok || !own.checksCaa) return proof
  const name = { name: own.identifier.value, wildcard: own.wildcard, method: type }
  const terms = termsOf(server, { issuers: own.issuers, accountUrl, timeoutMs: VALIDATION_TIMEOUT_MS })
  const failure = (await checkCaa([name], terms)).get(name)
  return failure ?? { ...proof, caaCheckedAt: server.host.clock().getTime() }
}

/**
 * Before an order is taken: CAA of each name that was not looked at within eight hours, or not for this very name. The order stays ready.
 * Throws AcmeError: caa, dns, compound or onionCAARequired, with a subproblem for each name.
 */
export async function requireCaa(request: AccountRequest, own: Order, { caa }: AcmeOptions): Promise<void> {
  if (caa?.enforce !== 'on') return
  const names = own.names.filter(({ type }) => type === 'dns').map(toCaaName)
  const problems = [
    ...judgeOnions(request, names, caa.domains),
    ...(await lookUp(
      request,
      names.filter(({ name, fresh }) => !fresh(request.now) && !isOnion(name)),
      caa.domains,
    )),
  ]
  const [first] = problems
  if (!first) return
  const type: AcmeErrorType = problems.every((problem) => problem.type === first.type) ? first.type : 'compound'
  const detail = problems.length === 1 ? first.detail : `${problems.length} names may not be certified: ${first.detail}`
  throw new AcmeError(type, detail, { subproblems: problems, ...(type === 'compound' ? { status: 403 } : {}) })
}

interface OrderedCaaName extends CaaName {
  ordered: OrderedName
  /** Undefined where the authorization is for another name than this one. */
  authorization: string | undefined
  fresh(now: Date): boolean
}

function toCaaName(ordered: OrderedName): OrderedCaaName {
  const { value, authorization } = ordered
  const wildcard = value.startsWith('*.')
  const name = (wildcard ? value.slice(2) : value).toLowerCase()
  const { proof, uuid } = authorization
  const same = proof?.value === name && proof.wildcard === wildcard
  return {
    name,
    wildcard,
    method: proof?.challenge ?? '',
    ordered,
    authorization: same ? uuid : undefined,
    fresh: (now) => same && (proof.caaCheckedAt ?? 0) > now.getTime() - FRESH_MS,
  }
}

function identifierOf({ ordered: { type, value } }: OrderedCaaName) {
  return { type, value }
}

/** RFC 9799 section 6.4: the records come with each finalize. */
function judgeOnions(request: AccountRequest, names: readonly OrderedCaaName[], issuers: string[]): Subproblem[] {
  const onions = names.filter(({ name }) => isOnion(name))
  if (onions.length === 0) return []
  const { server, root, account, now } = request
  const terms = termsOf(server, { issuers, accountUrl: urls.account(root, account.uuid), timeoutMs: 0 })
  const { onionCAA } = readPayload(request, onionCaaPayload)
  // Signed by the service's own key: no resolver takes part, and so none has to be trusted.
  const asked = onions.map((onion) => ({
    ...terms,
    ...onion,
    resolverValidates: true,
    identifier: identifierOf(onion),
  }))
  return judgeOnionCaa(onionCAA, asked, now)
}

async function lookUp(
  request: AccountRequest,
  names: readonly OrderedCaaName[],
  issuers: string[],
): Promise<Subproblem[]> {
  if (names.length === 0) return []
  const { server, root, account, now } = request
  const accountUrl = urls.account(root, account.uuid)
  const failures = await checkCaa(names, termsOf(server, { issuers, accountUrl, timeoutMs: FINALIZE_TIMEOUT_MS }))
  const passed = names.flatMap((name) => (failures.has(name) ? [] : (name.authorization ?? [])))
  if (passed.length > 0)
    await transaction(server.host.db, (db) =>
      withTables<AcmeTables>(db)
        .updateTable('acme_authorizations')
        .set({ caa_checked_at: now.getTime() })
        .where('uuid', 'in', passed)
        .execute(),
    )
  return names.flatMap((name): Subproblem[] => {
    const failure = failures.get(name)
    return failure ? [{ ...failure.error, identifier: identifierOf(name) }] : []
  })
}

function termsOf(
  { host, dns }: AcmeServer,
  { issuers, accountUrl, timeoutMs }: Pick<CaaTerms, 'issuers' | 'accountUrl' | 'timeoutMs'>,
): CaaTerms {
  return {
    dns: dns(),
    issuers,
    accountUrl,
    timeoutMs,
    resolverValidates: host.validation.resolverValidates ?? true,
    unvalidated: (owner) =>
      host.log.warn({ owner }, 'the CAA records are signed, and the resolver does not say that it validated them'),
  }
}
