import { DatabaseUnavailable } from '../db/transaction.ts'
import { PkiError } from '../pki/error.ts'
import { type OcspRequest, parseOcspRequest } from '../pki/ocsp.ts'
import { type OcspError, ocspError } from '../pki/ocspResponse.ts'
import type { Installation } from './installation.ts'
import type { IssuingKey } from './issuingKey.ts'
import { createIssuers, type Issuers } from './ocspIssuers.ts'
import { createKept, type Kept } from './ocspKept.ts'
import { createLook, type Look, type Stamp } from './ocspLook.ts'
import { signAnswer, textOf } from './ocspSign.ts'
import { createSpeakers, type FindSpeaker, type Speaker } from './ocspSpeaker.ts'
import { isSettled, type KnownStatus, readStatus } from './ocspStatus.ts'

/** An OCSP request as it came. */
export interface OcspQuestion {
  /** How the client wrote it, of any form: the same text is always the same request. */
  text: string
  /** DER OCSPRequest (RFC 6960 section 4.1), read from it where it has to be; undefined: it cannot be read. */
  der(): Buffer | undefined
}

export interface OcspAnswer {
  /** DER OCSPResponse. */
  der: Buffer
  /** Absent: unsigned, it says only why there is no answer (section 2.3). */
  signed?: {
    thisUpdate: Date
    nextUpdate: Date
    /** It repeats the client's nonce: it is for this one client. */
    nonce: boolean
    /** No other answer to the same question was made in the second of its thisUpdate: that names it among all. */
    settled: boolean
  }
}

/** Answers at once where it can, so that nothing has to be waited for. Never rejects. */
export type AnswerOcsp = (question: OcspQuestion) => OcspAnswer | Promise<OcspAnswer>

/** A request of which the issuer is known. */
interface Matched {
  request: OcspRequest
  issuing: IssuingKey
}

/** What an answer is made from, as it was found after the request had come. */
interface Makings extends Matched {
  stamp: Stamp
  speaker: Speaker
  statuses: KnownStatus[]
}

/** An answer without a nonce, good while nothing has changed since `stamp`. It is made anew in place. */
interface KeptAnswer extends Matched {
  stamp: Stamp
  speaker: Speaker
  /** What it says, to be compared. */
  says: string
  answer: OcspAnswer
  /** Epoch milliseconds: from when on, and until when, it is given out. */
  madeAt: number
  renewAt: number
}

interface Responding {
  it: Installation
  look: Look
  findSpeaker: FindSpeaker
  issuers: (stamp: Stamp) => Promise<Issuers>
  /** The same answers by the CertIDs, and by the requests as they were worded. */
  byQuestion: Kept<KeptAnswer>
  byWording: Kept<KeptAnswer>
}

const bounds = { entries: 200_000, octets: 64 << 20 }

/**
 * The OCSP responder of the installation (RFC 6960, 9654, 9919). All certificates of one request belong to one issuing key of
 * ours, found by the hashes of the CertID; otherwise the answer is `unauthorized` (section 2.3).
 *
 * An answer without a nonce is signed once and kept, and given out again only after a look at the database, begun after the
 * request had come, has shown that nothing which it depends on was changed: a revocation shows with its commit, on every node.
 * What was never issued is not kept, since issuing changes nothing that the look sees.
 */
export function createOcsp(it: Installation): AnswerOcsp {
  const responding: Responding = {
    it,
    look: createLook(it.db),
    findSpeaker: createSpeakers(it),
    issuers: createIssuers(it),
    byQuestion: createKept(bounds),
    byWording: createKept(bounds),
  }
  const { byWording, look } = responding
  const failed = (error: unknown): OcspAnswer => {
    if (error instanceof DatabaseUnavailable) return unsigned('tryLater')
    it.log.error({ err: error }, 'OCSP failed')
    return unsigned('internalError')
  }
  return (question) => {
    try {
      const known = byWording.get(question.text)
      if (!known) return answerNew(responding, question).catch(failed)
      const stamp = look()
      if (stamp instanceof Promise) return stamp.then((found) => answerKept(responding, known, found)).catch(failed)
      if (isCurrent(known, stamp, it.clock())) return known.answer
      return answerAgain(responding, known, stamp).catch(failed)
    } catch (error) {
      return failed(error)
    }
  }
}

function isCurrent({ stamp, madeAt, renewAt }: KeptAnswer, now: Stamp, clock: Date): boolean {
  const at = clock.getTime()
  return stamp === now && madeAt <= at && at < renewAt
}

function answerKept(responding: Responding, known: KeptAnswer, stamp: Stamp): OcspAnswer | Promise<OcspAnswer> {
  return isCurrent(known, stamp, responding.it.clock()) ? known.answer : answerAgain(responding, known, stamp)
}

/** The kept answer if it is still what one made now would say, else one made now in its place. */
async function answerAgain(responding: Responding, known: KeptAnswer, stamp: Stamp): Promise<OcspAnswer> {
  const makings = await gather(responding, known.request, stamp)
  if (typeof makings === 'string') return unsigned(makings)
  const same = known.speaker === makings.speaker && known.says === textOf(makings.statuses)
  if (same && isCurrent({ ...known, stamp }, stamp, responding.it.clock())) {
    known.stamp = stamp
    return known.answer
  }
  const made = await make(responding, makings)
  if (isKept(made)) Object.assign(known, made)
  return made.answer
}

async function answerNew(responding: Responding, question: OcspQuestion): Promise<OcspAnswer> {
  const request = read(question)
  if (typeof request === 'string') return unsigned(request)
  const stamp = await responding.look()
  const key = questionKey(request)
  const known = request.nonce ? undefined : responding.byQuestion.get(key)
  if (known) {
    keep(responding.byWording, question.text, known)
    return answerKept(responding, known, stamp)
  }
  const makings = await gather(responding, request, stamp)
  if (typeof makings === 'string') return unsigned(makings)
  const made = await make(responding, makings)
  if (isKept(made)) {
    keep(responding.byQuestion, key, made)
    keep(responding.byWording, question.text, made)
  }
  return made.answer
}

/** Finds who answers and what there is to say, or why there is no answer. */
async function gather(
  { it, issuers, findSpeaker }: Responding,
  request: OcspRequest,
  stamp: Stamp,
): Promise<Makings | OcspError> {
  const { all, find } = await issuers(stamp)
  const issuing = find(request)
  if (!issuing) return 'unauthorized'
  const speaker = await findSpeaker(issuing, stamp)
  if (typeof speaker === 'string') return speaker
  const statuses: KnownStatus[] = []
  for (const { serial } of request.certIds) statuses.push(await readStatus(it, { issuing, all }, serial))
  const refused = speaker.settings.ocspNeverIssued === 'unauthorized' && statuses.some(isNeverIssued)
  return refused ? 'unauthorized' : { request, issuing, stamp, speaker, statuses }
}

async function make({ it }: Responding, makings: Makings): Promise<KeptAnswer> {
  const { request, issuing, stamp, speaker, statuses } = makings
  const now = it.clock()
  const settled = request.nonce === undefined && (await isSettled(it.db, statuses, now))
  const answer = await signAnswer(request, { speaker, statuses, now, settled })
  const { thisUpdate, nextUpdate } = answer.signed
  const madeAt = thisUpdate.getTime()
  const renewAt = madeAt + (nextUpdate.getTime() - madeAt) / 2
  return { request, issuing, stamp, speaker, says: textOf(statuses), answer, madeAt, renewAt }
}

function isNeverIssued({ kind }: KnownStatus): boolean {
  return kind === 'neverIssued'
}

/** Whether the next one who asks may have it too. */
function isKept({ request, says }: KeptAnswer): boolean {
  return !request.nonce && !says.includes('neverIssued' satisfies KnownStatus['kind'])
}

/** The CertIDs as they came: an answer repeats them byte for byte. */
function questionKey({ certIds }: OcspRequest): string {
  return certIds.map(({ der }) => der.toString('latin1')).join('')
}

function keep(kept: Kept<KeptAnswer>, key: string, made: KeptAnswer): void {
  kept.set(key, made, key.length + made.answer.der.length)
}

function read(question: OcspQuestion): OcspRequest | OcspError {
  try {
    const der = question.der()
    return der ? parseOcspRequest(der) : 'malformedRequest'
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    // Well formed, but a hash or a critical extension that we do not know: we cannot say anything about it (section 2.3).
    return error.kind === 'unsupported' ? 'unauthorized' : 'malformedRequest'
  }
}

function unsigned(error: OcspError): OcspAnswer {
  return { der: ocspError(error) }
}
