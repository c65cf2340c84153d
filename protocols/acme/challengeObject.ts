import type { Authorization } from './authorizationRecord.ts'
import type { ProblemDocument } from './errors.ts'
import { onionNonce } from './onionCsr01.ts'
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
  const { uuid, validatedAt, error } = authorization
  const status = challengeStatus(authorization, type)
  return {
    type,
    url: urls.challenge(root, uuid, type),
    status,
    ...ownMembers(authorization, type),
    ...(status === 'valid' && validatedAt !== undefined ? { validated: writeTime(validatedAt) } : {}),
    ...(status === 'invalid' && error ? { error: error satisfies ProblemDocument } : {}),
  }
}

/** RFC 9799 section 3.2: the nonce in base64, padded. draft-ietf-acme-dns-persist-02 section 3.1: no token, the record is the same each time. */
function ownMembers({ token, issuers }: Authorization, type: ChallengeType): Record<string, unknown> {
  switch (type) {
    case 'onion-csr-01':
      return { nonce: onionNonce(token).toString('base64') }
    case 'dns-persist-01':
      return { issuerDomainNames: issuers }
    case 'http-01':
    case 'dns-01':
    case 'tls-alpn-01':
    case 'dns-account-01':
      return { token }
  }
}
