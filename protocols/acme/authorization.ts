import { z } from 'zod'
import { withTables } from '../../src/db/tables.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Answer } from './answer.ts'
import { type Authorization, findAuthorization } from './authorizationRecord.ts'
import { challengeObject } from './challengeObject.ts'
import { isId } from './id.ts'
import type { ChallengeType } from './options.ts'
import { authorizationStatus } from './orderRecord.ts'
import { type AccountRequest, notFound, readPayload } from './signed.ts'
import type { AcmeTables } from './tables.ts'
import { writeTime } from './time.ts'

const deactivation = z.object({ status: z.literal('deactivated', 'only {"status": "deactivated"} may be sent here') })
/** Seconds. */
const POLL = 1

/** RFC 8555 sections 7.5 and 7.5.2. */
export async function authorization(request: AccountRequest): Promise<Answer> {
  const own = await ownAuthorization(request)
  if (request.payload.length === 0) return answerAuthorization(request, own)
  readPayload(request, deactivation)
  return answerAuthorization(request, await deactivate(request, own))
}

/** The authorization that the URL names, if it is this account's. Throws AcmeError('malformed', 404). */
export async function ownAuthorization({ server, account, param }: AccountRequest): Promise<Authorization> {
  const uuid = param('id')
  const found = isId(uuid) ? await findAuthorization(server.host.db, uuid) : undefined
  if (found?.accountId !== account.id) throw notFound('authorization')
  return found
}

/** Clients deactivate to clean up, whatever state it is in: what has ended stays as it is. */
async function deactivate({ server, now }: AccountRequest, own: Authorization): Promise<Authorization> {
  const { db } = server.host
  await transaction(db, (trx) =>
    withTables<AcmeTables>(trx)
      .updateTable('acme_authorizations')
      .set({ status: 'deactivated' })
      .where('id', '=', own.id)
      .where('status', 'in', ['pending', 'valid'])
      .where('expires_at', '>', now.getTime())
      .execute(),
  )
  return (await findAuthorization(db, own.uuid)) ?? own
}

/** The authorization as it is. */
export function answerAuthorization({ root, now }: AccountRequest, own: Authorization): Answer {
  const status = authorizationStatus(own, now)
  return {
    status: 200,
    json: {
      identifier: own.identifier,
      status,
      expires: writeTime(own.expiresAt),
      challenges: shownChallenges(own).map((type) => challengeObject(root, own, type)),
      ...(own.wildcard ? { wildcard: true } : {}),
      ...(own.subdomains ? { subdomainAuthAllowed: true } : {}),
    },
    ...(status === 'pending' ? { retryAfter: POLL } : {}),
  }
}

/** Once it is decided, only the challenge that was used: some clients look for a state anywhere in the text. */
export function shownChallenges({ status, challenge, offered }: Authorization): ChallengeType[] {
  return status === 'pending' || challenge === undefined ? offered : [challenge]
}
