import type { UpstreamAuthorization, UpstreamChallenge, UpstreamOrder } from '../core/authority/upstreamCa.ts'
import { Failure } from '../core/failure.ts'
import type { Directory } from './acmeDirectory.ts'
import type { Answered } from './acmeHttp.ts'
import { problemText, readProblem, secondsOf } from './acmeProblem.ts'
import { jsonOf } from './acmeSession.ts'

/** More names than any CA takes in one order. */
const mostAuthorizations = 1_000
const mostChallenges = 50

const orderStatuses = ['pending', 'ready', 'processing', 'valid', 'invalid'] as const

/** RFC 8555 section 7.1.3. `url` is where it was found. Throws Failure('unavailable') for what is no order. */
export function readOrder(answer: Answered, url: URL, { link }: Directory): UpstreamOrder {
  const order = jsonOf(answer)
  const status = orderStatuses.find((one) => one === order.status)
  if (!status) throw new Failure('unavailable', 'the upstream CA answers with an order without a known status')
  const { authorizations, error } = order
  if (!Array.isArray(authorizations) || authorizations.length > mostAuthorizations)
    throw new Failure('unavailable', 'the upstream CA answers with an order without authorizations')
  const problem = readProblem(error)
  const retryAfter = secondsOf(answer.headers['retry-after'])
  return {
    url: url.href,
    status,
    authorizations: authorizations.map((one) => link(one, 'authorization').href),
    finalize: link(order.finalize, 'finalize').href,
    ...(order.certificate === undefined || order.certificate === ''
      ? {}
      : { certificate: link(order.certificate, 'certificate').href }),
    ...(problem ? { error: problemText(problem) } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  }
}

/** RFC 8555 section 7.1.4. Throws Failure('unavailable') for what is no authorization. */
export function readAuthorization(answer: Answered, url: URL, { link }: Directory): UpstreamAuthorization {
  const { status, identifier, wildcard, challenges } = jsonOf(answer)
  const name = (identifier as { value?: unknown } | null | undefined)?.value
  if (typeof status !== 'string' || typeof name !== 'string' || !Array.isArray(challenges))
    throw new Failure('unavailable', 'the upstream CA answers with something that is no authorization')
  return {
    url: url.href,
    status,
    name,
    wildcard: wildcard === true,
    challenges: challenges.slice(0, mostChallenges).flatMap((one) => readChallenge(one, link)),
  }
}

function readChallenge(value: unknown, link: Directory['link']): UpstreamChallenge[] {
  if (typeof value !== 'object' || value === null) return []
  const { type, url, status, token, error } = value as Record<string, unknown>
  if (typeof type !== 'string' || typeof status !== 'string') return []
  const problem = readProblem(error)
  return [
    {
      type,
      status,
      url: link(url, 'challenge').href,
      // RFC 8555 section 8.3: base64url, and at least 128 bits of it.
      ...(typeof token === 'string' && /^[\w-]{16,256}$/.test(token) ? { token } : {}),
      ...(problem ? { error: problemText(problem) } : {}),
    },
  ]
}
