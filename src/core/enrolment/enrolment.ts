import type { Database } from '../../db/open.ts'
import { withTables } from '../../db/tables.ts'
import { transaction } from '../../db/transaction.ts'
import { networkOf } from '../../pki/ip.ts'
import type { CertificateStatus } from '../certificate.ts'
import { Failure } from '../failure.ts'
import { type Capability, hasCapability } from '../identity/capability.ts'
import { inTurn } from '../identity/inTurn.ts'
import { hashPassword, passwordMatches } from '../identity/password.ts'
import type { Installation } from '../installation.ts'
import type { RaProfile } from '../profile/profile.ts'
import { actingUser } from '../request/held.ts'
import type { SignStatus } from '../request/request.ts'
import type { Requester } from '../requester.ts'
import type { CoreTables } from '../tables.ts'
import { type Bucket, empty, refusals, refuse, type Take, takeFrom } from './limit.ts'

/** What became of an order. */
export interface OrderOutcome {
  /** Id and uuid of the SignRequest, and of its certificate. */
  id: number
  uuid: string
  status: SignStatus
  /** Why it was denied, expired, canceled or failed. */
  reason?: string
  certificate?: { status: CertificateStatus; notAfter: Date }
}

/** Whose password is tried: a name that an adapter keeps with a profile. */
export interface EnrolmentPlace {
  profile: RaProfile
  name: string
}

/** What an adapter needs that keeps names and passwords with which certificates of a profile are ordered. */
export interface Enrolment {
  /** Throws Failure('forbidden') for who has none of these on the profile. */
  require(profile: RaProfile, ...anyOf: [Capability, ...Capability[]]): Promise<void>
  /** PHC string of an argon2id hash. Outside transactions only. Throws Failure('malformed') for fewer than 8 characters, or more than 200. */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one of that hash; without a hash it takes as long and answers no. Wrong ones are counted by the requester's
   * address and by the name. Throws Failure('rateLimited') for either with too many, whatever is shown.
   */
  matches(place: EnrolmentPlace, stored: string | undefined, password: string): Promise<boolean>
  /** Wrong passwords for that name count no more. In the caller's transaction. */
  forgive(db: Database, place: EnrolmentPlace): Promise<void>
  /** The newest request of each of these origins of one protocol; none for an origin that has none. */
  outcomes(protocol: string, refs: readonly string[]): Promise<Map<string, OrderOutcome>>
}

/** Nobody tries them but users who may order, a few times an hour: 8 characters do (NIST SP 800-63B section 5.1.1). */
const SHORTEST = 8
const BY_SOURCE = '60/1h'
const BY_NAME = '10/1h'
/** Far below what either database takes as parameters of one statement. */
const AT_ONCE = 500

export function createEnrolment(it: Installation, requester: Requester): Enrolment {
  return {
    require: (profile, ...anyOf) => requireAny(it, requester, profile, anyOf),
    hash: (password) => hashPassword(password, SHORTEST),
    matches: (place, stored, password) => matches(it, requester, place, { stored, password }),
    forgive: (db, place) => empty(db, bucketOf(place)),
    outcomes: (protocol, refs) => outcomes(it.db, protocol, refs),
  }
}

async function requireAny(
  it: Installation,
  requester: Requester,
  { id: profileId, organizationId, authorityId, name }: RaProfile,
  anyOf: readonly Capability[],
): Promise<void> {
  const user = await actingUser(it.db, requester)
  for (const capability of user ? anyOf : [])
    if (user && (await hasCapability(it.db, user, capability, { organizationId, authorityId, profileId }))) return
  throw new Failure('forbidden', `this needs the capability ${anyOf.join(' or ')} on the profile ${name}`)
}

function bucketOf({ profile, name }: EnrolmentPlace): Bucket {
  return { profileId: profile.id, limit: 'enrolment.failuresByName', key: name }
}

async function matches(
  it: Installation,
  { source }: Requester,
  place: EnrolmentPlace,
  { stored, password }: { stored: string | undefined; password: string },
): Promise<boolean> {
  const network = source === undefined ? 'local' : networkOf(source)
  const takes: Take[] = [
    {
      profileId: place.profile.id,
      limit: 'enrolment.failuresBySource',
      key: network,
      rate: BY_SOURCE,
      what: 'wrong passwords from this address',
    },
    { ...bucketOf(place), rate: BY_NAME, what: 'wrong passwords for this name' },
  ]
  // Of a hundred guesses at once each would be looked at before one is counted.
  return inTurn(`${it.node} enrolment ${place.profile.id} ${network}`, async () => {
    refuse(await refusals(it.db, takes, it.clock()))
    if (await passwordMatches(stored, password)) return true
    await transaction(it.db, async (db) => {
      for (const take of takes) await takeFrom(db, take, it.clock())
    })
    return false
  })
}

async function outcomes(db: Database, protocol: string, refs: readonly string[]): Promise<Map<string, OrderOutcome>> {
  const found = new Map<string, OrderOutcome>()
  for (let from = 0; from < refs.length; from += AT_ONCE)
    for (const row of await newest(db, protocol, refs.slice(from, from + AT_ONCE)))
      if (row.origin_ref !== null) found.set(row.origin_ref, toOutcome(row))
  return found
}

/** Generations in order, so that the newest of an origin is the last. */
function newest(db: Database, protocol: string, refs: readonly string[]) {
  return withTables<CoreTables>(db)
    .selectFrom('sign_requests')
    .leftJoin('certificates', 'certificates.id', 'sign_requests.id')
    .select(['sign_requests.id', 'sign_requests.uuid', 'sign_requests.status', 'reason', 'origin_ref'])
    .select(['certificates.status as certificateStatus', 'certificates.not_after'])
    .where('protocol', '=', protocol)
    .where('origin_ref', 'in', refs)
    .orderBy('origin_generation')
    .execute()
}

function toOutcome(row: Awaited<ReturnType<typeof newest>>[number]): OrderOutcome {
  const { id, uuid, reason, certificateStatus, not_after: notAfter } = row
  return {
    id,
    uuid,
    status: row.status as SignStatus,
    ...(reason === null ? {} : { reason }),
    ...(certificateStatus === null || notAfter === null
      ? {}
      : { certificate: { status: certificateStatus as CertificateStatus, notAfter: new Date(notAfter) } }),
  }
}
