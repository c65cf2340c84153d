import { createHash } from 'node:crypto'
import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { nameText } from '../../src/pki/name.ts'
import type { Host } from '../../src/protocol.ts'
import { keyHolder } from './challenge.ts'
import { optionsOf } from './options.ts'
import { originOf } from './transaction.ts'
import { type Outcome, tellWebhook } from './webhook.ts'

/** The job that tells a webhook what became of an order that it had allowed: docs/operate/challenges.md. */
export const TELL_OUTCOME = 'scep.outcome'

const SECOND = 1_000
/** An order is signed at once, or waits for people, who are not in a hurry. */
const [SOONEST, LATEST] = [2 * SECOND, 600 * SECOND]
/** So long a webhook that does not answer is told again. */
const GIVEN_UP_AFTER = 7 * 86_400 * SECOND

/** An order that a webhook allowed. */
interface Allowed {
  profile: string
  transactionId: string
  spkiSha256: string
  /** Milliseconds since 1970. */
  since: number
  /** Of its request; undefined where none came about. */
  origin?: string
  /** Why none came about. */
  refused?: string
}

interface Asked {
  profile: RaProfile
  transactionId: string
  spkiSha256: string
}

/** Has the webhook told what becomes of an order, in the caller's transaction: by its origin, or why there is none. */
export async function enqueueOutcome(
  host: Host,
  db: Database,
  { profile, ...asked }: Asked,
  became: { origin: string } | { refused: string },
): Promise<void> {
  const now = host.clock()
  const allowed: Allowed = { ...asked, ...became, profile: profile.name, since: now.getTime() }
  const runAt = new Date(now.getTime() + ('origin' in became ? SECOND : 0))
  await host.enqueue(db, TELL_OUTCOME, JSON.stringify(allowed), { runAt })
}

/** Tells it, or looks again later where nothing is decided yet. What it throws is tried again, with growing pauses. */
export async function tellOutcome(host: Host, ref: string): Promise<void> {
  const allowed = JSON.parse(ref) as Allowed & { turn?: number }
  const outcome = await outcomeFor(host, allowed)
  if (!outcome) return lookLater(host, allowed)
  if (host.clock().getTime() - outcome.at > GIVEN_UP_AFTER) {
    const { profile, transactionId: transaction } = allowed
    host.log.warn({ profile, transaction }, 'a webhook was never told of an outcome')
    return
  }
  const profile = await servingProfile(host, allowed.profile)
  const webhook = profile && optionsOf(profile).webhook
  // A profile that is switched off for a while has it told afterwards.
  if (!webhook) return lookLater(host, allowed)
  const door = host.core.as(keyHolder(undefined, allowed.spkiSha256))
  await door.tellElsewhere(profile, tellWebhook(webhook, outcome.told, host.clock()))
}

async function servingProfile(host: Host, name: string): Promise<RaProfile | undefined> {
  try {
    return await host.core.as(keyHolder(undefined, 'outcome')).profile(name, 'scep')
  } catch (error) {
    if (error instanceof Failure && error.code === 'notFound') return undefined
    throw error
  }
}

async function lookLater(host: Host, { turn = 0, ...allowed }: Allowed & { turn?: number }): Promise<void> {
  const now = host.clock().getTime()
  const pause = Math.min(LATEST, Math.max(SOONEST, (now - allowed.since) / 10))
  const ref = JSON.stringify({ ...allowed, turn: turn + 1 })
  await transaction(host.db, (db) => host.enqueue(db, TELL_OUTCOME, ref, { runAt: new Date(now + pause) }))
}

/** What became of it, and when; undefined while that is open. */
async function outcomeFor(host: Host, allowed: Allowed): Promise<{ told: Outcome; at: number } | undefined> {
  const { profile, transactionId, spkiSha256, origin, refused, since } = allowed
  const about = { profile, transactionId, spkiSha256 }
  if (refused !== undefined) return { told: failed(about, 'refused', refused), at: since }
  const door = host.core.as(keyHolder(undefined, spkiSha256))
  const request = await door.findSignRequest(originOf(origin ?? ''))
  if (!request) return { told: failed(about, 'failed', 'there is no such request'), at: since }
  const at = (request.endedAt ?? request.updatedAt).getTime()
  switch (request.status) {
    case 'draft':
    case 'requested':
    case 'signing':
      return undefined
    case 'signed': {
      const certificate = await door.findCertificate({ id: request.id })
      if (!certificate) throw new Failure('internal', 'a signed request has no certificate')
      return { told: { event: 'issued', ...about, certificate: shown(certificate) }, at }
    }
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      return { told: failed(about, request.status, request.reason ?? request.status), at }
  }
}

type About = Pick<Allowed, 'profile' | 'transactionId' | 'spkiSha256'>
type Ended = Extract<SignRequest['status'], 'denied' | 'expired' | 'canceled' | 'failed'> | 'refused'

/** HRESULTs of an application's own (bit 29), for systems that want a number. */
const HRESULT = { denied: 1, expired: 2, canceled: 3, failed: 4, refused: 5 } satisfies Record<Ended, number>

function failed(about: About, status: Ended, reason: string): Outcome {
  return { event: 'failed', ...about, status, reason, hresult: 0x20000000 + HRESULT[status] }
}

function shown({ der, serial, fingerprint, subject }: Certificate) {
  const { issuer, notBefore, notAfter } = readCertificate(der)
  return {
    serial,
    thumbprint: createHash('sha1').update(der).digest('hex').toUpperCase(),
    sha256: fingerprint,
    subject,
    issuer: nameText(issuer),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    der: der.toString('base64'),
  }
}
