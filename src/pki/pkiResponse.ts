import { generalizedTime, integer, octets, oid, seq, set, utf8 } from './der.ts'
import { OID } from './oid.ts'

// PKIResponse, RFC 10002 section 4.2.1: what a full PKI response of CMC carries.

/** Section 6.1.3. */
export const cmcStatuses = {
  success: 0,
  failed: 2,
  pending: 3,
  noSupport: 4,
  confirmRequired: 5,
  popRequired: 6,
  partial: 7,
} as const
export type CmcStatus = keyof typeof cmcStatuses

/** Section 6.1.4. */
export const cmcFailInfos = {
  badAlg: 0,
  badMessageCheck: 1,
  badRequest: 2,
  badTime: 3,
  badCertId: 4,
  unsupportedExt: 5,
  mustArchiveKeys: 6,
  badIdentity: 7,
  popRequired: 8,
  popFailed: 9,
  noKeyReuse: 10,
  internalCAError: 11,
  tryLater: 12,
  authDataFail: 13,
} as const
export type CmcFailInfo = keyof typeof cmcFailInfos

/** CMCStatusInfoV2, section 6.1.1. */
export interface StatusInfo {
  status: CmcStatus
  /** Parts of the request that it is about; 0: all of it. At least one. */
  bodyParts: readonly number[]
  /** For people. */
  text?: string
  /** Of what failed. */
  failInfo?: CmcFailInfo
  /** Of what waits: by what token, and from when on, it should be asked for. */
  pending?: { token: Buffer; time: Date }
}

export interface PkiResponseDraft {
  statuses: readonly StatusInfo[]
  /** Controls with one value each, DER, beside the statuses. */
  controls: readonly { oid: string; value: Buffer }[]
  /** Answers to a batch, DER ContentInfos; absent: there was none. */
  batch?: readonly Buffer[]
}

/** DER PKIResponse. Its parts are numbered from 1 on, the answers to a batch first, which a batchResponses control then names. */
export function writePkiResponse({ statuses, controls, batch = [] }: PkiResponseDraft): Buffer {
  const names = batch.map((_, i) => integer(i + 1))
  const all = [
    ...(names.length > 0 ? [{ oid: OID.cmcBatchResponses as string, value: seq(...names) }] : []),
    ...statuses.map((status) => ({ oid: OID.cmcStatusInfoV2 as string, value: encodeStatus(status) })),
    ...controls,
  ]
  const tagged = all.map(({ oid: type, value }, i) => seq(integer(batch.length + i + 1), oid(type), set(value)))
  const contents = batch.map((der, i) => seq(integer(i + 1), der))
  return seq(seq(...tagged), seq(...contents), seq())
}

function encodeStatus({ status, bodyParts, text, failInfo, pending }: StatusInfo): Buffer {
  return seq(
    integer(cmcStatuses[status]),
    seq(...bodyParts.map((id) => integer(id))),
    ...(text ? [utf8(text)] : []),
    ...(failInfo ? [integer(cmcFailInfos[failInfo])] : []),
    ...(pending ? [seq(octets(pending.token), generalizedTime(pending.time))] : []),
  )
}
