import type { Answer } from './answer.ts'
import { advertisedProfiles } from './certificateProfile.ts'
import { optionsOf } from './options.ts'
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
export async function directory({ host }: AcmeServer, { profile, root, source }: Asked): Promise<Answer> {
  const raProfile = await host.core.as(keyHolder('', source)).profile(profile, 'acme')
  const { termsOfService, website, externalAccountRequired, subdomainAuthorization } = optionsOf(raProfile)
  const profiles = advertisedProfiles(raProfile)
  const meta = {
    ...(termsOfService === undefined ? {} : { termsOfService }),
    ...(website === undefined ? {} : { website }),
    ...(externalAccountRequired ? { externalAccountRequired } : {}),
    ...(subdomainAuthorization === 'off' ? {} : { subdomainAuthAllowed: true }),
    ...(profiles === undefined ? {} : { profiles }),
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
