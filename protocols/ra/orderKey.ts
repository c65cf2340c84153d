import type { Claim } from '../../src/core/core.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Csr } from '../../src/pki/csr.ts'
import type { RequestAttribute } from './attribute.ts'
import { type RequestFormat, readRequest } from './certificateRequest.ts'
import { digestOf, namesOf, refuseOther } from './csrAttributes.ts'
import { Unprocessable } from './errors.ts'
import type { Call } from './operation.ts'

type Attributes = readonly RequestAttribute[] | null | undefined

/** What an order gives of its request: the request itself, or a key of the keystore and what the request is to say. */
interface Given {
  request?: string | null | undefined
  format?: RequestFormat | null | undefined
  keyUuid?: string | null | undefined
  tokenProfileUuid?: string | null | undefined
  csrAttributes?: Attributes
  signatureAttributes?: Attributes
}

/** The request that was given, or one that the key signs; `claim` belongs to the order. Throws Unprocessable, Failure. */
export async function csrOf(
  { door }: Pick<Call, 'door'>,
  profile: RaProfile,
  given: Given,
): Promise<{ csr: Csr; claim: Claim }> {
  const { request, format, keyUuid: key, tokenProfileUuid: keyProfile } = given
  refuseBoth(given)
  if (request) {
    const csr = readRequest(request, format ?? 'pkcs10')
    refuseOther(profile, csr)
    return { csr, claim: async () => {} }
  }
  if (!key || !keyProfile)
    throw new Unprocessable([
      'Cannot submit certificate request without specifying key or uploaded request content: give request, or keyUuid and tokenProfileUuid',
    ])
  const names = namesOf(profile, given.csrAttributes ?? [])
  return door.keyPairs.order(profile, { key, keyProfile, ...digestOf(given.signatureAttributes ?? []), ...names })
}

/** Which of both is meant nobody can say. */
export function refuseBoth({ request, keyUuid }: Pick<Given, 'request' | 'keyUuid'>): void {
  if (request && keyUuid) throw new Unprocessable(['Give either a request or a keyUuid by which one is made, not both'])
}
