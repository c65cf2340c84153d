import { z } from 'zod'
import { type Answer, link } from './answer.ts'
import { ownAuthorization, shownChallenges } from './authorization.ts'
import type { Authorization } from './authorizationRecord.ts'
import { decodeBase64url } from './base64url.ts'
import { challengeObject, challengeStatus } from './challengeObject.ts'
import { AcmeError } from './errors.ts'
import type { ChallengeType } from './options.ts'
import { authorizationStatus } from './orderRecord.ts'
import { type AccountRequest, notFound, readPayload } from './signed.ts'
import { urls } from './urls.ts'
import { respond, secondsToNextQuery } from './validation.ts'

const response = z.looseObject({})
/** RFC 9799 section 3.2. */
const onionResponse = z.object({ csr: z.string() })

/** RFC 8555 section 7.5.1: `{}` says that the challenge is ready to be validated; POST-as-GET shows it. */
export async function challenge(request: AccountRequest): Promise<Answer> {
  const own = await ownAuthorization(request)
  const type = shownChallenges(own).find((shown) => shown === request.param('type'))
  if (!type) throw notFound('challenge')
  if (request.payload.length === 0) return show(request, own, type)
  readPayload(request, response)
  if (authorizationStatus(own, request.now) !== 'pending') return show(request, own, type)
  if (own.challenge !== undefined && own.challenge !== type)
    throw new AcmeError('malformed', `${own.challenge} of this authorization is being validated: wait for its result`)
  const csr = type === 'onion-csr-01' ? readOnionCsr(request) : undefined
  return show(request, await respond(request, own, { type, ...(csr ? { csr } : {}) }), type)
}

/** DER. Throws AcmeError('malformed'). */
function readOnionCsr(request: AccountRequest): Buffer {
  const csr = decodeBase64url(readPayload(request, onionResponse).csr)
  if (!csr) throw new AcmeError('malformed', 'csr: the DER of the request, in base64url without padding')
  return csr
}

function show({ root, now }: AccountRequest, own: Authorization, type: ChallengeType): Answer {
  const status = challengeStatus(own, type)
  const open = status === 'processing' || (status === 'pending' && authorizationStatus(own, now) === 'pending')
  return {
    status: 200,
    json: challengeObject(root, own, type),
    links: [link(urls.authorization(root, own.uuid), 'up')],
    ...(open ? { retryAfter: secondsToNextQuery(own, now) } : {}),
  }
}
