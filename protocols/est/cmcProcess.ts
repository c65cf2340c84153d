import type { Certificate } from '../../src/core/certificate.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import type { TaggedContentInfo } from '../../src/pki/pkiData.ts'
import { readSignedParts, type SignedParts } from '../../src/pki/signedData.ts'
import { refuseOthers } from './cmcControls.ts'
import { enrolOne, outcomeOf, type PartOutcome } from './cmcEnroll.ts'
import {
  type Grants,
  grantsFor,
  noGrants,
  refuseDangling,
  refuseFromOthers,
  refuseUnknownRequests,
} from './cmcGrants.ts'
import { type Identity, identityOf, type Vouched } from './cmcIdentity.ts'
import { type CmcMessage, type Reading, readMessage } from './cmcMessage.ts'
import { checkNonce, queried, waitingKeys } from './cmcPending.ts'
import { asStatus, CmcRefusal, type PartStatus } from './cmcRefusal.ts'
import { accepted, revokeOne } from './cmcRevoke.ts'
import type { Exchange } from './exchange.ts'

/** What a message came to. */
export interface Outcome {
  statuses: PartStatus[]
  certificates: Certificate[]
  /** What the answer gives back. */
  controls: Reading['controls']
  /** Nothing but requests, each with its certificate: a simple PKI response is enough (RFC 10002 section 3.2). */
  simple: boolean
  /** Of messages within it. */
  batch?: Outcome[]
}

/** An RA's word on a message within its own. */
type Within = Vouched & { grants: Grants }

/** A full PKI request, from its SignedData to what it came to. Never throws. */
export async function processMessage(
  exchange: Exchange,
  parts: SignedParts & { content: Buffer },
  within?: Within,
): Promise<Outcome> {
  const reading: Reading = {}
  try {
    const message = await readMessage(parts, reading, (controls) => waitingKeys(exchange, controls))
    checkNonce(exchange, message.controls)
    refuseOld(exchange, message)
    const identity = await identityOf(exchange, message, within)
    const grants = grantsOf(message, identity, within)
    const requests = await eachPart(
      exchange,
      message.requests,
      ({ id }) => id,
      (request) => enrolOne({ exchange, message, identity, grants }, request),
    )
    const others = await controlOutcomes(exchange, message, identity)
    const batch = await runBatch(exchange, message, identity)
    return assembled(message, [...requests, ...others], batch)
  } catch (error) {
    const statuses = [asStatus(error, [0], exchange)]
    return { statuses, certificates: [], controls: reading.controls, simple: false }
  }
}

/** What is sent again is the same order while the profile remembers it; later it would be a new one, and perhaps not its signer’s. */
function refuseOld({ profile, now }: Exchange, { signedAt }: CmcMessage): void {
  if (signedAt && signedAt.getTime() + profile.settings.repeatWindow < now.getTime())
    throw new CmcRefusal('badTime', `the message was signed long ago: it is ${now.toISOString()} here`)
}

/** Section 3.2.1.1: all that a message says is understood before anything of it is done. Throws CmcRefusal. */
function grantsOf(message: CmcMessage, identity: Identity, within: Within | undefined): Grants {
  const { controls, data, requests } = message
  const client = identity.by === 'message' ? identity.client : undefined
  refuseFromOthers(controls, client)
  const ids = new Set(requests.map(({ id }) => id))
  refuseDangling(controls, { requests: ids, contents: new Set(data.contents.map(({ bodyPartId }) => bodyPartId)) })
  const own = grantsFor(controls, 0)
  const outer = within?.grants ?? noGrants
  refuseOthers(controls, new Set([...own.processed, ...outer.processed]))
  refuseUnknownRequests(own, ids, 0)
  refuseUnknownRequests(outer, ids, -1)
  refuseLoose(message, within !== undefined)
  if (requests.length + data.controls.length === 0)
    throw new CmcRefusal('badRequest', 'a message that asks for nothing')
  return {
    ...own,
    possessed: new Set([...own.possessed, ...outer.possessed]),
    changes: [...own.changes, ...outer.changes],
  }
}

/** What no control refers to would be overlooked (sections 3.2.1.3, 3.2.1.4); and a batch within a batch is none. */
function refuseLoose({ controls, data }: CmcMessage, within: boolean): void {
  const { batch } = controls
  if (within && batch)
    throw new CmcRefusal('badRequest', 'a batch within a batch is not served here', {
      bodyParts: [batch.id],
      unserved: true,
    })
  const named = new Set(batch?.bodyParts)
  if (
    batch &&
    (named.size < batch.bodyParts.length ||
      !batch.bodyParts.every((id) => data.contents.some(({ bodyPartId }) => bodyPartId === id)))
  )
    throw new CmcRefusal('badRequest', 'a batch names messages that are there, each once', { bodyParts: [batch.id] })
  const loose = data.contents.filter(({ bodyPartId }) => !named.has(bodyPartId))
  if (loose.length === 0) return
  throw new CmcRefusal('badRequest', 'a message that no batchRequests control names', {
    bodyParts: loose.map(({ bodyPartId }) => bodyPartId),
  })
}

/** One after the other: what one part came to is no matter of the others. */
async function eachPart<T>(
  exchange: Exchange,
  parts: readonly T[],
  idOf: (part: T) => number,
  run: (part: T) => Promise<PartOutcome>,
): Promise<PartOutcome[]> {
  const outcomes: PartOutcome[] = []
  for (const part of parts)
    outcomes.push(await run(part).catch((error: unknown) => ({ status: asStatus(error, [idOf(part)], exchange) })))
  return outcomes
}

async function controlOutcomes(exchange: Exchange, message: CmcMessage, identity: Identity): Promise<PartOutcome[]> {
  const { queries, revocations, acceptances } = message.controls
  const by = { message, identity }
  const id = (part: { id: number }) => part.id
  const anonymous = identity.by === 'nobody' && !message.signer ? identity.why : undefined
  return [
    ...(await eachPart(exchange, queries, id, async ({ id, token }) => {
      if (anonymous) throw anonymous
      return outcomeOf(exchange, await queried(exchange, token, by), [id])
    })),
    ...(await eachPart(exchange, revocations, id, async ({ id, wanted }) => {
      if (anonymous && !wanted.sharedSecret) throw anonymous
      return { status: await revokeOne(exchange, by, id, wanted) }
    })),
    ...(await eachPart(exchange, acceptances, id, async (named) => {
      if (anonymous) throw anonymous
      return { status: await accepted(exchange, by, named) }
    })),
  ]
}

/** Section 6.17. Errors in one of its messages are told in the answer to that. */
async function runBatch(
  exchange: Exchange,
  { controls, data }: CmcMessage,
  identity: Identity,
): Promise<Outcome[] | undefined> {
  const { batch } = controls
  if (!batch || identity.by !== 'message') return undefined
  const outcomes: Outcome[] = []
  for (const id of batch.bodyParts) {
    const content = data.contents.find(({ bodyPartId }) => bodyPartId === id)
    const grants = grantsFor(controls, id)
    const { whole, proofs } = grants
    const within = { registrationAuthority: identity.client, whole, proofs, grants }
    if (content) outcomes.push(await nested(exchange, content, within))
  }
  return outcomes
}

async function nested(exchange: Exchange, { der }: TaggedContentInfo, within: Within): Promise<Outcome> {
  try {
    return await processMessage(exchange, readFullRequest(der), within)
  } catch (error) {
    return { statuses: [asStatus(error, [0], exchange)], certificates: [], controls: undefined, simple: false }
  }
}

/** The SignedData of a full PKI request. Throws CmcRefusal. */
export function readFullRequest(bytes: Buffer): SignedParts & { content: Buffer } {
  try {
    const { content, ...parts } = readSignedParts(bytes)
    if (content && parts.contentType === OID.pkiData) return { ...parts, content }
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new CmcRefusal('badRequest', `this is no full PKI request: ${error.message}`, { cause: error })
  }
  throw new CmcRefusal('badRequest', 'this is no full PKI request: it is no SignedData with a PKIData')
}

function assembled({ controls, requests }: CmcMessage, outcomes: PartOutcome[], batch: Outcome[] | undefined): Outcome {
  const statuses = outcomes.map(({ status }) => status)
  // Section 6.17: a batch is done when it was looked at, whatever came of it.
  if (controls.batch) statuses.unshift({ status: 'success', bodyParts: [controls.batch.id] })
  if (statuses.length === 0) statuses.push({ status: 'success', bodyParts: [0] })
  const { transactionId, senderNonce, dataReturn } = controls
  const bare = !transactionId && !senderNonce && !dataReturn && statuses.length === requests.length
  return {
    statuses,
    certificates: outcomes.flatMap(({ certificate }) => (certificate ? [certificate] : [])),
    controls,
    simple: bare && requests.length > 0 && statuses.every(({ status }) => status === 'success'),
    ...(batch ? { batch } : {}),
  }
}
