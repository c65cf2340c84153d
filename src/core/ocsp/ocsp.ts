import { tally } from '../../db/tally.ts'
import { DatabaseUnavailable } from '../../db/transaction.ts'
import { PkiError } from '../../pki/error.ts'
import { type CertId, copyCertId, type OcspRequest, parseOcspRequest } from '../../pki/ocsp.ts'
import { findPlainRequest } from '../../pki/ocspQuestion.ts'
import type { OcspError } from '../../pki/ocspResponse.ts'
import type { IssuingKey } from '../authority/issuingKey.ts'
import type { Installation } from '../installation.ts'
import { asFresh, countedAs, unsigned } from './ocspCount.ts'
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
  /** The same object in all of several requests that had come before the first of them was asked: they share what is looked up. */
  batch?: object | undefined
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
  /** What /metrics counts it as: what it says, and whether it was kept or is fresh (ocspCount.ts). */
  counted: string
}

export type SignedAnswer = Required<OcspAnswer>

/** Answers at once where it can, so that nothing has to be waited for. Never rejects. */
export type AnswerOcsp = (question: OcspQuestion) => OcspAnswer | Promise<OcspAnswer>

/** What an answer is made from. It is true at `stamp`, and for as long as a look gives that. */
interface Facts {
  certIds: readonly CertId[]
  issuing: IssuingKey
  stamp: Stamp
  speaker: Speaker
  statuses: readonly KnownStatus[]
  /** The statuses, to be compared. */
  says: string
}

/** An answer without a nonce. Epoch milliseconds: from when on, and until when, it is given out. */
interface KeptAnswer {
  /** As it is given out again. */
  answer: SignedAnswer
  madeAt: number
  renewAt: number
}

/** What is known of a question, found anew in place; `kept`: the answer that says so. */
interface Known extends Facts {
  kept: KeptAnswer | undefined
}

interface Responding {
  it: Installation
  look: Look
  findSpeaker: FindSpeaker
  issuers: (stamp: Stamp) => Promise<Issuers>
  /** The same by the CertIDs, and, where there is an answer, by the requests as they were worded. */
  byQuestion: Kept<Known>
  byWording: Kept<Known>
}

const bounds = { entries: 200_000, octets: 64 << 20 }
/** What is kept beside the key and the answer takes about so many octets, as a snapshot of the heap has it, and so many for each CertID after the first. */
const weight = 2_500
const weightEach = 600

/**
 * The OCSP responder of the installation (RFC 6960, 9654, 9919). All certificates of one request belong to one issuing key of
 * ours, found by the hashes of the CertID; otherwise the answer is `unauthorized` (section 2.3).
 *
 * What is said of a certificate is kept, and so is an answer without a nonce. It is given out again, or signed with another
 * nonce, only after a look at the database, begun after the request had come, has shown that nothing which it depends on was
 * changed: a revocation shows with its commit, on every node. What was never issued is not kept, since issuing changes nothing
 * that the look sees.
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
  const failed = (error: unknown): OcspAnswer => {
    if (error instanceof DatabaseUnavailable) return unsigned('tryLater')
    it.log.error({ err: error }, 'OCSP failed')
    return unsigned('internalError')
  }
  const count = (answer: OcspAnswer): OcspAnswer => {
    tally(it.db, answer.counted)
    return answer
  }
  return (question) => {
    try {
      const answer = answerQuestion(responding, question)
      return answer instanceof Promise ? answer.catch(failed).then(count) : count(answer)
    } catch (error) {
      return count(failed(error))
    }
  }
}

function answerQuestion(responding: Responding, question: OcspQuestion): OcspAnswer | Promise<OcspAnswer> {
  const { byWording, look } = responding
  const known = byWording.get(question.text)
  if (known) return whenSeen(look(question.batch), (stamp) => answerKept(responding, known, stamp))
  const der = question.der()
  if (!der) return unsigned('malformedRequest')
  const plain = findPlainRequest(der)
  const key = plain && der.toString('latin1', plain.certId.start, plain.certId.end)
  const asked = key === undefined ? undefined : responding.byQuestion.get(key)
  if (!plain || !asked) return answerNew(responding, question, der)
  const { nonce } = plain
  if (!nonce) {
    keep(byWording, question.text, asked)
    return whenSeen(look(question.batch), (stamp) => answerKept(responding, asked, stamp))
  }
  const repeated = der.subarray(nonce.start, nonce.end)
  return whenSeen(look(question.batch), (stamp) => answerNonce(responding, asked, repeated, stamp))
}

/** Goes on at once where the look was at once: waiting costs more than a kept answer. */
function whenSeen(stamp: Stamp | Promise<Stamp>, next: (stamp: Stamp) => OcspAnswer | Promise<OcspAnswer>) {
  return stamp instanceof Promise ? stamp.then(next) : next(stamp)
}

function isTimely({ madeAt, renewAt }: KeptAnswer, now: Date): boolean {
  const at = now.getTime()
  return madeAt <= at && at < renewAt
}

/** The kept answer if it is what one made now would say, else one made now in its place. */
function answerKept(responding: Responding, known: Known, stamp: Stamp): OcspAnswer | Promise<OcspAnswer> {
  const { kept } = known
  if (kept && known.stamp === stamp && isTimely(kept, responding.it.clock())) return kept.answer
  return answerAgain(responding, known, stamp)
}

async function answerAgain(responding: Responding, known: Known, stamp: Stamp): Promise<OcspAnswer> {
  const facts = await gather(responding, known.certIds, stamp)
  if (typeof facts === 'string') return unsigned(facts)
  update(known, facts)
  if (known.kept && isTimely(known.kept, responding.it.clock())) return known.kept.answer
  const kept = await make(responding, facts)
  // What has changed meanwhile was found by somebody else.
  if (isKept(facts)) keep(responding.byQuestion, questionKey(facts.certIds), Object.assign(known, facts, { kept }))
  return asFresh(kept.answer)
}

/** A kept answer stays if it says the same, by the same responder. */
function update(known: Known, facts: Facts): void {
  if (!isKept(facts)) {
    // What a CRL from elsewhere said, and a newer one says no more.
    known.kept = undefined
    return
  }
  const same = known.speaker === facts.speaker && known.says === facts.says
  Object.assign(known, facts, same ? undefined : { kept: undefined })
}

/** Signed for this one request; what it says need not be read again while nothing has changed. */
function answerNonce(
  responding: Responding,
  known: Known,
  nonce: Buffer,
  stamp: Stamp,
): OcspAnswer | Promise<OcspAnswer> {
  const { it, findSpeaker } = responding
  const speaker = known.stamp === stamp ? findSpeaker(known.issuing, stamp) : undefined
  if (!speaker || speaker instanceof Promise) return answerNonceAgain(responding, known, nonce, stamp)
  if (typeof speaker === 'string') return unsigned(speaker)
  const { certIds, statuses } = known
  return signAnswer({ certIds, nonce }, { speaker, statuses, now: it.clock(), settled: false })
}

async function answerNonceAgain(
  responding: Responding,
  known: Known,
  nonce: Buffer,
  stamp: Stamp,
): Promise<OcspAnswer> {
  const facts = await gather(responding, known.certIds, stamp)
  if (typeof facts === 'string') return unsigned(facts)
  update(known, facts)
  const { certIds, speaker, statuses } = facts
  return signAnswer({ certIds, nonce }, { speaker, statuses, now: responding.it.clock(), settled: false })
}

async function answerNew(responding: Responding, question: OcspQuestion, der: Buffer): Promise<OcspAnswer> {
  const request = read(der)
  if (typeof request === 'string') return unsigned(request)
  const stamp = await responding.look(question.batch)
  const { certIds, nonce } = request
  const key = questionKey(certIds)
  const known = responding.byQuestion.get(key)
  if (known) {
    if (nonce) return answerNonce(responding, known, nonce, stamp)
    keep(responding.byWording, question.text, known)
    return answerKept(responding, known, stamp)
  }
  const facts = await gather(responding, certIds, stamp)
  if (typeof facts === 'string') return unsigned(facts)
  if (nonce) {
    if (isKept(facts)) keep(responding.byQuestion, key, toKnown(facts))
    const { speaker, statuses } = facts
    return signAnswer(request, { speaker, statuses, now: responding.it.clock(), settled: false })
  }
  const kept = await make(responding, facts)
  if (isKept(facts)) {
    const found = toKnown(facts, kept)
    keep(responding.byQuestion, key, found)
    keep(responding.byWording, question.text, found)
  }
  return asFresh(kept.answer)
}

/** Finds who answers and what there is to say, or why there is no answer. */
async function gather(
  { it, issuers, findSpeaker }: Responding,
  certIds: readonly CertId[],
  stamp: Stamp,
): Promise<Facts | OcspError> {
  const { all, find } = await issuers(stamp)
  const issuing = find(certIds)
  if (!issuing) return 'unauthorized'
  const speaker = await findSpeaker(issuing, stamp)
  if (typeof speaker === 'string') return speaker
  const statuses: KnownStatus[] = []
  for (const { serial } of certIds) statuses.push(await readStatus(it, { issuing, all }, serial))
  const refused = speaker.settings.ocspNeverIssued === 'unauthorized' && statuses.some(isNeverIssued)
  return refused ? 'unauthorized' : { certIds, issuing, stamp, speaker, statuses, says: textOf(statuses) }
}

async function make({ it }: Responding, { certIds, speaker, statuses }: Facts): Promise<KeptAnswer> {
  const now = it.clock()
  const settled = await isSettled(it.db, statuses, now)
  const { der, signed } = await signAnswer({ certIds }, { speaker, statuses, now, settled })
  const madeAt = signed.thisUpdate.getTime()
  const renewAt = madeAt + (signed.nextUpdate.getTime() - madeAt) / 2
  // A copy in memory of its own: what it was written into is longer, and so is what small buffers are cut from.
  const copy = Buffer.allocUnsafeSlow(der.length)
  der.copy(copy)
  return { answer: { der: copy, signed, counted: countedAs(statuses, 'kept') }, madeAt, renewAt }
}

/** It outlives the request. No spread: docs/decisions/hot-path.md. */
function toKnown({ certIds, issuing, stamp, speaker, statuses, says }: Facts, kept?: KeptAnswer): Known {
  return { certIds: certIds.map(copyCertId), issuing, stamp, speaker, statuses, says, kept }
}

function isNeverIssued({ kind }: KnownStatus): boolean {
  return kind === 'neverIssued'
}

/** Whether it may be remembered for the next one who asks. */
function isKept({ statuses }: Facts): boolean {
  return !statuses.some(isNeverIssued)
}

/** The CertIDs as they came: an answer repeats them byte for byte. */
function questionKey(certIds: readonly CertId[]): string {
  return certIds.map(({ der }) => der.toString('latin1')).join('')
}

function keep(memory: Kept<Known>, key: string, known: Known): void {
  const { certIds, kept } = known
  memory.set(key, known, key.length + (kept?.answer.der.length ?? 0) + weight + weightEach * (certIds.length - 1))
}

function read(der: Buffer): OcspRequest | OcspError {
  try {
    return parseOcspRequest(der)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    // Well formed, but a hash or a critical extension that we do not know: we cannot say anything about it (section 2.3).
    return error.kind === 'unsupported' ? 'unauthorized' : 'malformedRequest'
  }
}
