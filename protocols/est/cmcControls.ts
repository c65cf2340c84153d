import {
  type ModifyControl,
  type RevokeControl,
  readBodyParts,
  readCertIdControl,
  readModifyControl,
  readOctetControl,
  readPopWitnessControl,
  readProcessedControl,
  readRevokeControl,
  readTextControl,
  readTransactionId,
  readWitness,
  singleValue,
  type Witness,
} from '../../src/pki/cmcControl.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Name } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import type { PkiData, TaggedAttribute } from '../../src/pki/pkiData.ts'
import { CmcRefusal } from './cmcRefusal.ts'

/** A control by its body part identifier. */
export type Part<T> = T & { id: number }

/** The controls of one message, read. */
export interface Controls {
  identification?: Part<{ text: string }>
  identityProof?: Part<{ witness: Witness }>
  /** DER. */
  transactionId?: Part<{ der: Buffer }>
  senderNonce?: Part<{ octets: Buffer }>
  recipientNonce?: Part<{ octets: Buffer }>
  dataReturn?: Part<{ octets: Buffer }>
  popLinkRandom?: Part<{ octets: Buffer }>
  batch?: Part<{ bodyParts: number[] }>
  revocations: Part<{ wanted: RevokeControl }>[]
  queries: Part<{ token: Buffer }>[]
  acceptances: Part<{ issuer: Name; serial: string }>[]
  /** By an RA: whose identity it has looked at, whose possession, what it has processed, what it changes. */
  vouched: Part<{ path: number[] }>[]
  attested: Part<{ message: number; bodyParts: number[] }>[]
  processed: Part<{ paths: number[][] }>[]
  changes: Part<ModifyControl>[]
  /** What is none of these. */
  others: Part<{ oid: string }>[]
}

const MAX_NONCE = 128
const MAX_RETURNED = 8192
const MAX_TOKEN = 128

const octets = (control: TaggedAttribute, max: number) => ({ octets: readOctetControl(control, max) })

/** Those that come once. */
const single: Record<string, (control: TaggedAttribute, id: number) => Partial<Controls>> = {
  [OID.cmcIdentification]: (control, id) => ({ identification: { id, text: readTextControl(control) } }),
  [OID.cmcIdentityProofV2]: (control, id) => ({ identityProof: { id, witness: readWitness(singleValue(control)) } }),
  [OID.cmcTransactionId]: (control, id) => ({ transactionId: { id, der: readTransactionId(control) } }),
  [OID.cmcSenderNonce]: (control, id) => ({ senderNonce: { id, ...octets(control, MAX_NONCE) } }),
  [OID.cmcRecipientNonce]: (control, id) => ({ recipientNonce: { id, ...octets(control, MAX_NONCE) } }),
  [OID.cmcDataReturn]: (control, id) => ({ dataReturn: { id, ...octets(control, MAX_RETURNED) } }),
  [OID.cmcPopLinkRandom]: (control, id) => ({ popLinkRandom: { id, ...octets(control, MAX_NONCE) } }),
  [OID.cmcBatchRequests]: (control, id) => ({ batch: { id, bodyParts: readBodyParts(singleValue(control)) } }),
}

/** Those that may come again. */
const several: Record<string, (controls: Controls, control: TaggedAttribute, id: number) => unknown> = {
  [OID.cmcRevokeRequest]: (to, control, id) => to.revocations.push({ id, wanted: readRevokeControl(control) }),
  [OID.cmcQueryPending]: (to, control, id) => to.queries.push({ id, token: readOctetControl(control, MAX_TOKEN) }),
  [OID.cmcConfirmCertAcceptance]: (to, control, id) => to.acceptances.push({ id, ...readCertIdControl(control) }),
  [OID.cmcRaIdentityWitness]: (to, control, id) => to.vouched.push({ id, path: readBodyParts(singleValue(control)) }),
  [OID.cmcLraPopWitness]: (to, control, id) => to.attested.push({ id, ...readPopWitnessControl(control) }),
  [OID.cmcControlProcessed]: (to, control, id) => to.processed.push({ id, paths: readProcessedControl(control) }),
  [OID.cmcModCertTemplate]: (to, control, id) => to.changes.push({ id, ...readModifyControl(control) }),
}

/** Throws CmcRefusal for a control that cannot be read, or that comes twice and may not. */
export function readControls({ controls }: PkiData): Controls {
  const out: Controls = {
    revocations: [],
    queries: [],
    acceptances: [],
    vouched: [],
    attested: [],
    processed: [],
    changes: [],
    others: [],
  }
  const seen = new Map<string, number>()
  for (const control of controls) {
    const { bodyPartId: id, oid } = control
    const once = single[oid]
    const earlier = seen.get(oid)
    if (once && earlier !== undefined)
      throw new CmcRefusal('badRequest', `control ${oid} comes twice`, { bodyParts: [earlier, id] })
    seen.set(oid, id)
    reading(id, () => {
      if (once) Object.assign(out, once(control, id))
      else if (several[oid]) several[oid](out, control, id)
      else out.others.push({ id, oid })
    })
  }
  return out
}

function reading(id: number, read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const failInfo = error.kind === 'unsupported' ? 'badAlg' : 'badRequest'
    throw new CmcRefusal(failInfo, error.message, { bodyParts: [id], cause: error })
  }
}

/** What RFC 10002 has and this server does not do. */
const UNSERVED: ReadonlySet<string> = new Set([
  OID.cmcStatusInfo,
  OID.cmcStatusInfoV2,
  OID.cmcIdentityProof,
  OID.cmcAddExtensions,
  OID.cmcEncryptedPop,
  OID.cmcDecryptedPop,
  OID.cmcGetCert,
  OID.cmcGetCrl,
  OID.cmcRegInfo,
  OID.cmcTrustedAnchors,
  OID.cmcAuthData,
  OID.cmcPublishCert,
])

/**
 * Section 3.2.1.1: a message with a control that is not understood, and that no RA has processed, fails as a whole. `processed`: body parts that one has.
 */
export function refuseOthers({ others }: Controls, processed: ReadonlySet<number>): void {
  const left = others.filter(({ id }) => !processed.has(id))
  if (left.length === 0) return
  const unknown = left.filter(({ oid }) => !UNSERVED.has(oid))
  const told = unknown.length > 0 ? unknown : left
  const names = told.map(({ oid }) => oid).join(', ')
  throw new CmcRefusal(
    'badRequest',
    `controls that are not ${unknown.length > 0 ? 'known' : 'served'} here: ${names}`,
    {
      bodyParts: told.map(({ id }) => id),
      unserved: unknown.length === 0,
    },
  )
}
