import type { Authorization } from './authorizationRecord.ts'
import type { ProblemDocument } from './errors.ts'
import type { ChallengeType } from './options.ts'
import { writeTime } from './time.ts'
import { urls } from './urls.ts'

/** RFC 8555 section 7.1.6. */
export type ChallengeStatus = 'pending' | 'processing' | 'valid' | 'invalid'

export function challengeStatus(
  { challenge, validatedAt, error, status }: Authorization,
  type: ChallengeType,
): ChallengeStatus {
  if (challenge !== type) return 'pending'
  if (validatedAt !== undefined) return 'valid'
  if (error !== undefined) return 'invalid'
  return status === 'pending' ? 'processing' : 'pending'
}

/**
 * Section 8. `error` stands only in an invalid challenge, as that section says; section 8.2, which wants one after each failed query, is not
 * followed, because clients that see an error give up.
 */
export function challengeObject(
  root: string,
  authorization: Authorization,
  type: ChallengeType,
): Record<string, unknown> {
  const { uuid, token, validatedAt, error } = authorization
  const status = challengeStatus(authorization, type)
  return {
    type,
    url: urls.challenge(root, uuid, type),
    status,
    token,
    ...(status === 'valid' && validatedAt !== undefined ? { validated: writeTime(validatedAt) } : {}),
    ...(status === 'invalid' && error ? { error: error satisfies ProblemDocument } : {}),
  }
}
