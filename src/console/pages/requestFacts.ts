import type { RequestKind, ReviewState } from '../../core/approval/approval.ts'
import { Failure } from '../../core/failure.ts'
import type { HistoryEvent } from '../../core/listing/history.ts'
import type { RequestDetail } from '../../core/listing/listing.ts'
import type { RaProfile } from '../../core/profile/profile.ts'
import { readCertificate } from '../../pki/certificateReader.ts'
import { readKeptRequest } from '../../pki/crmf.ts'
import type { Csr } from '../../pki/csr.ts'
import { PkiError } from '../../pki/error.ts'
import { decodeExtendedKeyUsage, decodeKeyUsage } from '../../pki/extensions.ts'
import { OID } from '../../pki/oid.ts'
import { may } from '../may.ts'
import type { Visit } from '../page.ts'
import { type Compared, nameKey } from './comparison.ts'
import type { UsageWish } from './comparisonUsage.ts'

/** All that the page of one request shows. */
export interface RequestFacts extends Compared {
  kind: RequestKind
  review: ReviewState
  history: HistoryEvent[]
  /** Of its certificate's record, which has a page of its own. */
  record: { uuid: string; hasCertificate: boolean; renews?: string }
  authority: { name: string; uuid: string; kind: string }
  viewer: Viewer
}

/** What whoever looks may try; the door has the last word. */
export interface Viewer {
  /** He asked, or is a person behind who asked. */
  behind: boolean
  /** The present step names him. */
  expected: boolean
  administers: boolean
  manages: boolean
}

export async function requestFacts(visit: Visit, kind: RequestKind, ref: string): Promise<RequestFacts> {
  const { door, user } = visit
  const detail = await door.list.request(asRef(ref), kind)
  const certificateRef = kind === 'sign' ? detail.id : detail.certificate?.id
  if (certificateRef === undefined) throw new Failure('notFound', 'there is no such request')
  const [review, told, record, profile] = await Promise.all([
    door.approvals.review(kind, detail.uuid),
    door.list.history(certificateRef),
    door.list.record(certificateRef),
    profileOf(visit, detail),
  ])
  const csr = detail.csr ? keptRequest(detail.csr) : undefined
  const certificate = record.certificate ? readCertificate(record.certificate.der) : undefined
  const wish = certificate || !profile ? undefined : wishOf(visit, detail, profile)
  return {
    kind,
    detail,
    review,
    history: told.filter(
      ({ subject, subjectId }) => kind === 'sign' || (subject === 'revoke_request' && subjectId === detail.id),
    ),
    record: {
      uuid: record.request.uuid,
      hasCertificate: record.certificate !== undefined,
      ...(record.renews === undefined ? {} : { renews: record.renews }),
    },
    authority: record.authority,
    ...(profile ? { profile } : {}),
    ...(csr ? { csr } : {}),
    ...(certificate ? { certificate } : {}),
    ...(wish ? { wish } : {}),
    outside: profile && detail.wanted ? outsideOf(visit, profile, detail.wanted.identifiers) : new Set(),
    viewer: {
      behind:
        kind === 'sign'
          ? record.request.requester.people.includes(user.id)
          : await isBehind(visit, record.request.uuid, detail),
      expected: review.mayApprove.includes(user.name),
      administers: user.superuser || user.admin,
      manages: may(visit, 'manage', { authority: detail.authority, profile: detail.profile }),
    },
  }
}

/** A number, as alerts and the audit log have it, or a uuid. */
export function asRef(given: string): number | string {
  return /^[0-9]{1,15}$/.test(given) ? Number(given) : given
}

/** Undefined for one that serves nobody any more, or is the installation's own. */
async function profileOf({ door }: Visit, { profile: name }: RequestDetail): Promise<RaProfile | undefined> {
  if (name === '') return undefined
  try {
    return (await door.serving({ name })).profile
  } catch (error) {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  }
}

function keptRequest(der: Buffer): Csr | undefined {
  try {
    return readKeptRequest(der)
  } catch (error) {
    if (error instanceof PkiError) return undefined
    throw error
  }
}

function outsideOf({ door }: Visit, profile: RaProfile, names: NonNullable<RequestDetail['wanted']>['identifiers']) {
  try {
    // Also where the policy is soft: what it notices is marked.
    const strict = { ...profile, settings: { ...profile.settings, enforcement: {} } }
    if (names.length > 0) door.admitNames(strict, names)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return new Set((error.problems ?? []).flatMap(({ identifier }) => (identifier ? [nameKey(identifier)] : [])))
  }
  return new Set<string>()
}

/** What the profile makes of such a key; undefined where the order is for another type of certificate, as its variants have. */
function wishOf({ door }: Visit, { key, wanted }: RequestDetail, profile: RaProfile): UsageWish | undefined {
  if (!key || profile.settings.certificate.type !== wanted?.type) return undefined
  const { extensions } = door.csrWishes(profile, { bound: false, key: specOf(key) })
  const value = (oid: string) => extensions.find((extension) => extension.oid === oid)?.value
  const [keyUsage, extended] = [value(OID.keyUsage), value(OID.extKeyUsage)]
  return {
    keyUsage: keyUsage ? decodeKeyUsage(keyUsage) : [],
    extendedKeyUsage: extended ? decodeExtendedKeyUsage(extended) : [],
  }
}

function specOf({ algorithm, curve, size }: NonNullable<RequestDetail['key']>) {
  if (algorithm === 'RSA')
    return size > 3072 ? ('RSA-4096' as const) : size > 2048 ? ('RSA-3072' as const) : ('RSA-2048' as const)
  if (algorithm === 'Ed25519') return algorithm
  return curve === 'P-384' || curve === 'P-521' ? curve : ('P-256' as const)
}

/** Of a revocation, by the question to people where there was one. */
async function isBehind({ door, user }: Visit, certificate: string, detail: RequestDetail): Promise<boolean> {
  if (detail.requesterKind === 'user' && detail.requester === user.name) return true
  if (detail.status !== 'requested') return false
  const asked = (await door.decisions.about(certificate)).find(
    ({ request, kind }) => kind === 'revoke' && request.id === detail.id,
  )
  return asked !== undefined && (await door.decisions.find(asked.uuid)).viewer.behind
}
