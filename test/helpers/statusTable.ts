import type { RevokeStatus, SignStatus } from '../../src/core/request/request.ts'

/** The contracts that show a SignRequest, as columns of the table. */
export type Contract = 'acme' | 'est' | 'scep' | 'cmp' | 'raV2' | 'raV1' | 'notary' | 'fastpki' | 'orderList'

/**
 * What each contract shows while a SignRequest stands in a status (docs/issuance-cycle.md). Undefined: the contract never
 * meets that status. Tests of a contract are generated from its column.
 */
export const signStatusTable = {
  draft: {
    acme: undefined,
    est: undefined,
    scep: undefined,
    cmp: undefined,
    raV2: { certificateState: 'requested' },
    raV1: undefined,
    notary: { status: 'Outstanding' },
    fastpki: undefined,
    orderList: 'pending',
  },
  requested: {
    acme: { order: 'processing' },
    est: { status: 202, retryAfter: true },
    scep: { pkiStatus: 'PENDING' },
    cmp: { status: 'waiting' },
    raV2: { certificateState: 'pending_approval' },
    raV1: { status: 400, laterSucceeds: true },
    notary: { status: 'Outstanding' },
    fastpki: { status: 202, id: true, certificate: false },
    orderList: 'pending',
  },
  signing: {
    acme: { order: 'processing' },
    est: { status: 202, retryAfter: true },
    scep: { pkiStatus: 'PENDING' },
    cmp: { status: 'waiting' },
    raV2: { certificateState: 'pending_issue' },
    raV1: { status: 400, laterSucceeds: true },
    notary: { status: 'Outstanding' },
    fastpki: { status: 202, id: true, certificate: false },
    orderList: 'processing',
  },
  signed: {
    acme: { order: 'valid' },
    est: { status: 200, retryAfter: false },
    scep: { pkiStatus: 'SUCCESS' },
    cmp: { status: 'accepted' },
    raV2: { certificateState: 'issued' },
    raV1: { status: 200, laterSucceeds: true },
    notary: { status: 'Active' },
    fastpki: { status: 201, id: true, certificate: true },
    orderList: 'complete',
  },
  denied: refused({ raV2: 'rejected', notary: 'Rejected', est: 403, rest: 403, acme: 'unauthorized' }),
  expired: refused({ raV2: 'rejected', notary: 'Rejected', est: 403, rest: 403, acme: 'unauthorized' }),
  canceled: refused({ raV2: 'failed', notary: 'Rejected', est: 403, rest: 403, acme: 'unauthorized' }),
  failed: refused({ raV2: 'failed', notary: 'Outstanding', est: 503, rest: 503, acme: 'serverInternal' }),
} as const satisfies Record<SignStatus, Record<Contract, unknown>>

interface Refused<RaState, NotaryState, Status, Type> {
  raV2: RaState
  notary: NotaryState
  est: Status
  rest: Status
  acme: Type
}

function refused<const R extends string, const N extends string, const S extends 403 | 503, const T extends string>({
  raV2,
  notary,
  est,
  rest,
  acme,
}: Refused<R, N, S, T>) {
  return {
    acme: { order: 'invalid', error: acme },
    est: { status: est, retryAfter: est === 503 },
    scep: { pkiStatus: 'FAILURE', failInfo: 'badRequest' },
    cmp: { status: 'rejection', failInfo: est === 503 ? 'systemFailure' : 'notAuthorized' },
    raV2: { certificateState: raV2 },
    raV1: { status: rest, laterSucceeds: false },
    notary: { status: notary },
    fastpki: { status: rest, id: false, certificate: false },
    orderList: 'failed',
  } as const
}

/** What ACME's revokeCert answers when it is asked while, or after, a RevokeRequest stands in a status. */
export const revokeStatusTable = {
  requested: { status: 403, error: 'unauthorized', retryAfter: true },
  revoking: { status: 403, error: 'unauthorized', retryAfter: true },
  revoked: { status: 400, error: 'alreadyRevoked', retryAfter: false },
  // The reason is told, for the profile's repeatWindow.
  denied: { status: 403, error: 'unauthorized', retryAfter: false },
  // These have ended and left the certificate valid: asking again is a new request, which the same rule has wait.
  expired: { status: 403, error: 'unauthorized', retryAfter: true },
  canceled: { status: 403, error: 'unauthorized', retryAfter: true },
  failed: { status: 403, error: 'unauthorized', retryAfter: true },
} as const satisfies Record<RevokeStatus, { status: number; error: string; retryAfter: boolean }>
