import { transaction } from '../db/transaction.ts'
import { networkOf } from '../pki/ip.ts'
import type { Installation } from './installation.ts'
import { refusals, refuse, type Take, takeFrom } from './limit.ts'
import { verifyPassword } from './login.ts'
import type { RaProfile } from './profile.ts'
import type { Requester } from './requester.ts'
import { findToken } from './token.ts'

/** What somebody shows over HTTP (RFC 7617, RFC 6750): a name with a password or a token, or a token alone. */
export interface Shown {
  name?: string
  secret: string
}

/** Where he shows it. `source`: his address. */
export interface SignInPlace {
  profile: RaProfile
  source?: string
}

const FAILURES_BY_SOURCE = '10/1h'

/**
 * The user whom this speaks for: a token says which, and a name beside it must be his. Undefined alike for all that is wrong. Throws
 * Failure('rateLimited') for an address with too many failures at this profile, whatever it shows.
 */
export async function signIn(
  it: Installation,
  shown: Shown,
  { profile, source }: SignInPlace,
): Promise<Requester | undefined> {
  const at = it.clock()
  const take: Take = {
    profileId: profile.id,
    limit: 'login.failuresBySource',
    key: networkOf(source),
    rate: FAILURES_BY_SOURCE,
    what: 'wrong passwords from this address',
  }
  refuse(await refusals(it.db, [take], at))
  const known = await userOf(it, shown, at)
  if (known) return source === undefined ? known : { ...known, source }
  await transaction(it.db, (db) => takeFrom(db, take, at))
  return undefined
}

async function userOf(it: Installation, { name, secret }: Shown, at: Date): Promise<Requester | undefined> {
  const byToken = await findToken(it.db, secret, at)
  const known = byToken ?? (name === undefined ? undefined : await verifyPassword(it.db, name, secret))
  return known && (name === undefined || name.toLowerCase() === known.name.toLowerCase()) ? known : undefined
}
