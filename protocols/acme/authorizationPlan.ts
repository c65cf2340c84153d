import { milliseconds } from '../../src/http/optionFields.ts'
import { type Authorization, findHeldAuthorizations } from './authorizationRecord.ts'
import { storedChecks } from './caaCheck.ts'
import type { AcmeIdentifier } from './errors.ts'
import { newId, newToken } from './id.ts'
import { challengesFor, fits, type OrderName } from './identifiers.ts'
import type { AcmeOptions } from './options.ts'
import type { StoredStatus } from './orderRecord.ts'
import type { AccountRequest } from './signed.ts'
import { ancestorsOf, isBelow, provesSubdomains } from './subdomain.ts'

/** What has to be proved for a name: the name itself, or, where the client can and the profile lets it, one that contains it. */
export interface Need {
  asked: AcmeIdentifier
  base: OrderName['base']
  wildcard: boolean
  /** RFC 9444. */
  subdomains: boolean
}

/** A row to be. */
export type NewAuthorization = ReturnType<typeof newAuthorization>

/** A name with the authorization that the account holds, or a new one, which several names may share. */
export type Planned = { name: OrderName } & ({ held: Authorization } | { fresh: NewAuthorization })

/** With less than this left an authorization would end while it is used. */
const LEAST_LEFT_MS = 300_000

/** RFC 8555 section 7.1.3: which authorizations an order needs. Throws AcmeError('rejectedIdentifier'). */
export async function planAuthorizations(
  request: AccountRequest,
  names: readonly OrderName[],
  options: AcmeOptions,
): Promise<Planned[]> {
  const held = await usable(request, names, options)
  const fresh = new Map<string, NewAuthorization>()
  return names.map((name): Planned => {
    const standing = held.find((authorization) => counts(authorization, name, options))
    if (standing) return { name, held: standing }
    const need = needOf(name, options)
    const key = JSON.stringify([need.base, need.wildcard, need.subdomains])
    const made = fresh.get(key) ?? newAuthorization(request, need, options)
    fresh.set(key, made)
    return { name, fresh: made }
  })
}

/** Nobody looks unless there can be something: orders of most accounts find nothing. */
async function usable(
  { server, account, now }: AccountRequest,
  names: readonly OrderName[],
  options: AcmeOptions,
): Promise<Authorization[]> {
  const { authorizationReuse: reuse } = options
  if (reuse === 'off' && !account.preauthorizes) return []
  const own = names.map(({ base }) => base.value)
  const above = options.subdomainAuthorization === 'off' ? [] : names.flatMap(containing)
  return findHeldAuthorizations(server.host.db, account.id, {
    values: [...new Set([...own, ...above])],
    until: now.getTime() + LEAST_LEFT_MS,
    validatedSince: reuse === 'off' ? undefined : now.getTime() - milliseconds(reuse),
  })
}

function containing({ base, wildcard }: OrderName): string[] {
  return base.type === 'dns' && !wildcard ? ancestorsOf(base.value) : []
}

/** What the profile no longer offers proves nothing any more. */
function counts(held: Authorization, { base, wildcard }: OrderName, options: AcmeOptions): boolean {
  const { challenge, identifier } = held
  if (!challenge || !options.challenges.includes(challenge) || held.wildcard !== wildcard) return false
  if (identifier.type !== base.type) return false
  if (identifier.value === base.value) return true
  const below = base.type === 'dns' && !wildcard && isBelow(base.value, identifier.value)
  return below && held.subdomains && provesSubdomains(challenge, options)
}

function needOf({ asked, base, wildcard, ancestor }: OrderName, options: AcmeOptions): Need {
  const own = { asked, base, wildcard, subdomains: false }
  if (ancestor === undefined || wildcard) return own
  const above = { type: 'dns', value: ancestor } as const
  return provableBelow(above, options) ? { ...own, base: above, subdomains: true } : own
}

/** Whether the profile offers a challenge for this name that would count for those below it as well. */
export function provableBelow(base: OrderName['base'], options: AcmeOptions): boolean {
  return (
    base.type === 'dns' &&
    options.challenges.some((type) => fits(type, { base, wildcard: false }) && provesSubdomains(type, options))
  )
}

/** Throws AcmeError('rejectedIdentifier') when no challenge of the profile can prove it. */
export function newAuthorization({ account, now }: AccountRequest, need: Need, options: AcmeOptions) {
  const { subdomains, base, wildcard } = need
  const challenges = subdomains
    ? options.challenges.filter((type) => provesSubdomains(type, options))
    : options.challenges
  const offered = challengesFor(need, { ...options, challenges }).join(' ')
  return {
    uuid: newId(now),
    account_id: account.id,
    ...base,
    wildcard: wildcard ? 1 : 0,
    token: newToken(),
    offered,
    status: 'pending' satisfies StoredStatus,
    expires_at: now.getTime() + milliseconds(options.orderLifetime),
    lifetime: milliseconds(options.authorizationLifetime),
    queries: 0,
    subdomains: subdomains ? 1 : 0,
    ...storedChecks({ base, subdomains, offered }, options),
    created_at: now.getTime(),
  }
}
