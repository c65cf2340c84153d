import type { Answer } from './answer.ts'
import { advertisedProfiles } from './certificateProfile.ts'
import { learnChaos } from './chaos.ts'
import { type AcmeOptions, optionsOf } from './options.ts'
import type { AcmeServer } from './server.ts'
import { keyHolder } from './signed.ts'
import { urls } from './urls.ts'

const MAX_AGE_SECONDS = 60

interface Asked {
  profile: string
  root: string
  source: string | undefined
}

/** RFC 8555 section 7.1.1: what is served, and nothing that is not. */
export async function directory(server: AcmeServer, { profile, root, source }: Asked): Promise<Answer> {
  const door = server.host.core.as(keyHolder('', source))
  const raProfile = learnChaos(server, await door.profile(profile, 'acme'))
  const options = optionsOf(raProfile)
  const { termsOfService, website, externalAccountRequired, subdomainAuthorization } = options
  const profiles = advertisedProfiles(raProfile)
  const meta = {
    ...(termsOfService === undefined ? {} : { termsOfService }),
    ...(website === undefined ? {} : { website }),
    ...(externalAccountRequired ? { externalAccountRequired } : {}),
    ...(subdomainAuthorization === 'off' ? {} : { subdomainAuthAllowed: true }),
    ...(profiles === undefined ? {} : { profiles }),
    ...issuerMeta(root, options),
  }
  return {
    status: 200,
    json: {
      newNonce: urls.newNonce(root),
      newAccount: urls.newAccount(root),
      newAuthz: urls.newAuthz(root),
      newOrder: urls.newOrder(root),
      revokeCert: urls.revokeCert(root),
      renewalInfo: urls.renewalInfo(root),
      keyChange: urls.keyChange(root),
      ...(Object.keys(meta).length > 0 ? { meta } : {}),
    },
    cacheControl: `public, max-age=${MAX_AGE_SECONDS}`,
    noIndex: true,
  }
}

/**
 * caaIdentities (RFC 8555 section 7.1.1) where CAA is checked; what dns-persist-01 is prepared with (draft-ietf-acme-dns-persist-02 sections 3.2
 * and 4.1); RFC 9799 section 6.4.1: the CAA records of hidden services are not fetched here.
 */
function issuerMeta(root: string, { caa, challenges }: AcmeOptions): Record<string, unknown> {
  if (!caa) return {}
  const checked = caa.enforce === 'on'
  return {
    ...(checked ? { caaIdentities: caa.domains } : {}),
    ...(checked && challenges.includes('onion-csr-01') ? { inBandOnionCAARequired: true } : {}),
    ...(challenges.includes('dns-persist-01')
      ? { issuerDomainNames: caa.domains, accountHashPrefix: urls.accountHash(root) }
      : {}),
  }
}
