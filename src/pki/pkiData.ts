import { children, context, expect, readInteger, readOid, readTlv, TAG, type Tlv, tlv } from './der.ts'
import { malformed } from './error.ts'

// PKIData, RFC 10002 section 3.2.1: what a full PKI request of CMC carries. Values of controls are read by cmcControl.ts.

/** One control: the values as they stand. */
export interface TaggedAttribute {
  bodyPartId: number
  /** attrType, dotted. */
  oid: string
  values: Tlv[]
}

/** One request for a certificate. `der`: a CertificationRequest (tcr) or a CertReqMsg (crm). */
export type TaggedRequest =
  | { kind: 'tcr' | 'crm'; bodyPartId: number; der: Buffer }
  | { kind: 'orm'; bodyPartId: number; oid: string }

/** A message within the message: DER of its ContentInfo. */
export interface TaggedContentInfo {
  bodyPartId: number
  der: Buffer
}

export interface PkiData {
  controls: TaggedAttribute[]
  requests: TaggedRequest[]
  /** DER of reqSequence as received: what identity is proved over (section 6.2.1). */
  requestSequence: Buffer
  contents: TaggedContentInfo[]
  /** Body part identifiers of otherMsgSequence. */
  others: number[]
}

/** BodyPartID ::= INTEGER (0..4294967295), section 3.2.2. */
const MAX_BODY_PART_ID = 0xffff_ffffn
const MAX_CONTROLS = 64
const MAX_REQUESTS = 64
const MAX_CONTENTS = 32
const MAX_VALUES = 16

/** Reads a DER PKIData whose parts each have an identifier of their own, which is not 0. Throws PkiError('malformed'). */
export function readPkiData(der: Buffer): PkiData {
  const fields = children(expect(readTlv(der), TAG.seq, 'PKIData'), 5)
  const [controls, requests, contents, others, ...rest] = fields
  if (rest.length > 0) throw malformed('a PKIData with something left over')
  const requestSequence = expect(requests, TAG.seq, 'reqSequence')
  const data: PkiData = {
    controls: children(expect(controls, TAG.seq, 'controlSequence'), MAX_CONTROLS).map(readTaggedAttribute),
    requests: children(requestSequence, MAX_REQUESTS).map(readTaggedRequest),
    requestSequence: requestSequence.der,
    contents: children(expect(contents, TAG.seq, 'cmsSequence'), MAX_CONTENTS).map(readTaggedContent),
    others: children(expect(others, TAG.seq, 'otherMsgSequence'), MAX_CONTENTS).map(readOther),
  }
  refuseRepeated(data)
  return data
}

/** A reference to a part. Throws PkiError('malformed'). */
export function readBodyPartId(field: Tlv | undefined): number {
  const id = readInteger(expect(field, TAG.integer, 'bodyPartID'))
  if (id < 0n || id > MAX_BODY_PART_ID) throw malformed('a bodyPartID out of range')
  return Number(id)
}

/** The identifier of a part: 0 is the message itself. */
function readOwnId(field: Tlv | undefined): number {
  const id = readBodyPartId(field)
  if (id === 0) throw malformed('a part with the bodyPartID 0, which means the whole message')
  return id
}

function readTaggedAttribute(field: Tlv): TaggedAttribute {
  const [id, type, values, ...rest] = children(expect(field, TAG.seq, 'TaggedAttribute'), 4)
  if (rest.length > 0) throw malformed('a control with something left over')
  return {
    bodyPartId: readOwnId(id),
    oid: readOid(expect(type, TAG.oid, 'type of a control')),
    values: children(expect(values, TAG.set, 'values of a control'), MAX_VALUES),
  }
}

function readTaggedRequest(field: Tlv): TaggedRequest {
  switch (field.tag) {
    case context(0): {
      const [id, request, ...rest] = children(field, 3)
      if (rest.length > 0) throw malformed('a TaggedCertificationRequest with something left over')
      return { kind: 'tcr', bodyPartId: readOwnId(id), der: expect(request, TAG.seq, 'CertificationRequest').der }
    }
    case context(1): {
      const [certReq] = children(field, 3)
      const [id] = children(expect(certReq, TAG.seq, 'CertRequest'), 4)
      return { kind: 'crm', bodyPartId: readOwnId(id), der: tlv(TAG.seq, field.value) }
    }
    case context(2): {
      const [id, type] = children(field, 3)
      return { kind: 'orm', bodyPartId: readOwnId(id), oid: readOid(expect(type, TAG.oid, 'requestMessageType')) }
    }
    default:
      throw malformed('a request of an unknown kind')
  }
}

function readTaggedContent(field: Tlv): TaggedContentInfo {
  const [id, contentInfo, ...rest] = children(expect(field, TAG.seq, 'TaggedContentInfo'), 3)
  if (rest.length > 0) throw malformed('a TaggedContentInfo with something left over')
  return { bodyPartId: readOwnId(id), der: expect(contentInfo, TAG.seq, 'ContentInfo').der }
}

function readOther(field: Tlv): number {
  const [id] = children(expect(field, TAG.seq, 'OtherMsg'), 3)
  return readOwnId(id)
}

function refuseRepeated({ controls, requests, contents, others }: PkiData): void {
  const ids = [...controls, ...requests, ...contents].map(({ bodyPartId }) => bodyPartId).concat(others)
  if (new Set(ids).size < ids.length) throw malformed('two parts with the same bodyPartID')
}
