import type { OcspError, OcspResponseDraft, ResponderId } from '../../pki/ocspResponse.ts'
import { writeOcspResponse } from '../../pki/ocspResponse.ts'
import { type AuthoritySettings, type LoadedAuthority, loadAuthority } from '../authority/authority.ts'
import { authorityUnder } from '../authority/earlierKey.ts'
import type { IssuingKey, OwnIssuer } from '../authority/issuingKey.ts'
import { Failure } from '../failure.ts'
import type { Installation } from '../installation.ts'
import type { Stamp } from './ocspLook.ts'
import { currentResponder, type Responder } from './responder.ts'

/** Who answers for an issuing key, by which settings: the same object as long as nothing of it has changed. */
export interface Speaker {
  settings: AuthoritySettings
  /** No answer lasts longer. */
  notAfter: Date
  /** DER OCSPResponse; at once where its key signs at once. */
  write(draft: Omit<OcspResponseDraft, 'signer' | 'responderId' | 'certificates'>): Buffer | Promise<Buffer>
}

type SpeakerOrError = Speaker | OcspError

/** A speaker, or why there is none (RFC 6960 section 2.3); at once while nothing has changed. */
export type FindSpeaker = (issuing: IssuingKey, stamp: Stamp) => SpeakerOrError | Promise<SpeakerOrError>

interface Found {
  stamp: Stamp
  at: number
  until: number
  speaker: SpeakerOrError
  basis: readonly unknown[]
}

/** Milliseconds after which it is tried again where there is no speaker, or one that should have been renewed. */
const pause = 10_000

/** Looks again when something has changed, and when the responder is due. */
export function createSpeakers(it: Installation): FindSpeaker {
  const found = new WeakMap<IssuingKey, Found>()
  const findAgain = async (issuing: IssuingKey, stamp: Stamp, now: number): Promise<SpeakerOrError> => {
    const known = found.get(issuing)
    const { speaker, basis, until } = await findSpeaker(it, issuing)
    const same = known?.basis.length === basis.length && basis.every((part, at) => part === known.basis[at])
    const end = typeof speaker === 'string' ? Number.POSITIVE_INFINITY : speaker.notAfter.getTime()
    const next = same ? known.speaker : speaker
    found.set(issuing, { stamp, at: now, until: Math.min(Math.max(until, now + pause), end), basis, speaker: next })
    return next
  }
  return (issuing, stamp) => {
    const known = found.get(issuing)
    const now = it.clock().getTime()
    const holds = known && known.stamp === stamp && known.at <= now && now < known.until
    return holds ? known.speaker : findAgain(issuing, stamp, now)
  }
}

type Finding = Pick<Found, 'speaker' | 'basis' | 'until'>

/** `basis`: what the speaker was made from. */
async function findSpeaker(it: Installation, issuing: IssuingKey): Promise<Finding> {
  const now = it.clock()
  const { certificates } = issuing
  // What has not begun may be asked again; for what has ended nobody can speak any more.
  const early = certificates.some(({ certificate }) => certificate.notBefore > now)
  let error: OcspError = early ? 'tryLater' : 'unauthorized'
  const valid = certificates.filter(({ certificate }) => certificate.notBefore <= now && certificate.notAfter > now)
  for (const issuer of valid.sort(lastingLongest)) {
    const authority = await loadAuthority(it, issuer.authorityId)
    try {
      return authority.settings.ocspSigner === 'authority'
        ? await ownVoice(it, authority, issuer)
        : await delegated(it, authority, { issuing, issuer })
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause
      if (cause.code !== 'unsupported') {
        it.log.error({ err: cause, authority: authority.name }, 'no OCSP answer could be signed')
        error = 'tryLater'
      }
    }
  }
  return { speaker: error, basis: [error], until: 0 }
}

function lastingLongest(a: OwnIssuer, b: OwnIssuer): number {
  return b.certificate.notAfter.getTime() - a.certificate.notAfter.getTime()
}

/** RFC 6960 section 4.2.2.2, the first case. */
async function ownVoice(it: Installation, authority: LoadedAuthority, issuer: OwnIssuer): Promise<Finding> {
  const { signs } = await authorityUnder(it, authority, issuer.id)
  const { signOcsp } = signs
  if (!signOcsp) throw new Failure('unsupported', `${authority.name} signs no OCSP answers`)
  const { certificate, hashes } = issuer
  const { settings } = authority
  const responderId: ResponderId =
    settings.ocspResponderId === 'name' ? { name: certificate.subjectDer } : { keyHash: hashes.sha1.key }
  const { notAfter } = certificate
  const speaker: Speaker = {
    settings,
    notAfter,
    write: (draft) => signOcsp({ ...draft, responderId, certificates: [] }),
  }
  return { speaker, basis: [authority, issuer], until: notAfter.getTime() }
}

async function delegated(
  it: Installation,
  authority: LoadedAuthority,
  by: { issuing: IssuingKey; issuer: OwnIssuer },
): Promise<Finding> {
  const responder: Responder = await currentResponder(it, authority, by)
  const { certificate, keyHash, subject, signer, notAfter, renewAt } = responder
  const { settings } = authority
  const responderId: ResponderId = settings.ocspResponderId === 'name' ? { name: subject } : { keyHash }
  const certificates = [certificate]
  const speaker: Speaker = {
    settings,
    notAfter,
    // Field by field: spreading drafts of several shapes costs as much as encoding them.
    write: ({ producedAt, responses, nonce, extendedRevoke }) =>
      writeOcspResponse({ responderId, producedAt, responses, nonce, extendedRevoke, certificates, signer }),
  }
  return { speaker, basis: [authority, responder], until: renewAt.getTime() }
}
