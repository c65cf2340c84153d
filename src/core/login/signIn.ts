import { transaction } from '../../db/transaction.ts'
import { networkOf } from '../../pki/ip.ts'
import { refusals, refuse, type Take, takeFrom } from '../enrolment/limit.ts'
import { inTurn } from '../identity/inTurn.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import type { Requester } from '../requester.ts'
import { verifyPassword } from './login.ts'
import { guarded } from './loginGuard.ts'
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
  const admit = async () => refuse(await refusals(it.db, [take], at))
  await admit()
  const known =
    (await tokenOwner(it, shown, at)) ??
    // Of a hundred guesses at once each would be looked at before one is counted.
    (await inTurn(`${it.node} ${profile.id} ${take.key}`, async () => {
      await admit()
      const user = await passwordOwner(it, shown, source)
      if (!user) await transaction(it.db, (db) => takeFrom(db, take, at))
      return user
    }))
  return known && source !== undefined ? { ...known, source } : known
}

/** A token cannot be guessed. */
async function tokenOwner(it: Installation, { name, secret }: Shown, at: Date): Promise<Requester | undefined> {
  const owner = await findToken(it.db, secret, at)
  return owner && (name === undefined || name.toLowerCase() === owner.name.toLowerCase()) ? owner : undefined
}

async function passwordOwner(
  it: Installation,
  { name, secret }: Shown,
  source: string | undefined,
): Promise<Requester | undefined> {
  if (name === undefined) return undefined
  return guarded(it, { name, source }, () => verifyPassword(it.db, name, secret))
}
