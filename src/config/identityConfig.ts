import { z } from 'zod'
import { defaultIdentitySettings, type IdentitySettings } from '../core/identity/identitySettings.ts'
import { isSafeUrl } from '../core/login/oidcFetch.ts'
import type { OidcSettings } from '../core/login/oidcSettings.ts'
import * as fields from './configFields.ts'

/** Below the server's own URL: where an OpenID provider sends people back to. */
export const OIDC_CALLBACK = '/api/v1/countersign/sessions/oidc/callback'

/** Settings of an OpenID provider; where it sends people back to follows from the server's URL. */
export type OidcConfig = Omit<OidcSettings, 'redirectUri' | 'reach'> & {
  /** Where endpoints beside the issuer's own host may be (http/networks.ts); absent: as oidcReach.ts has it. */
  networks?: string
}

const { sessionIdle, sessionLength } = defaultIdentitySettings

/** `identities` of the configuration file. */
export const identitiesSection = z
  .strictObject({
    sessionIdle: fields.duration.prefault(sessionIdle),
    sessionLength: fields.duration.prefault(sessionLength),
    longestToken: fields.duration.optional(),
    loginAuthorities: fields.names.prefault([]),
  })
  .prefault({})

/** `oidc` of the configuration file, the client secret from the environment. */
export const oidcSection = z
  .strictObject({
    issuer: fields.providerUrl(isSafeUrl),
    clientId: fields.line,
    clientSecret: fields.line.optional(),
    scopes: fields.names.prefault(['openid', 'profile']),
    audience: fields.line.optional(),
    tokenTypes: fields.names.prefault(['at+jwt']),
    nameClaim: fields.line.prefault('preferred_username'),
    rolesClaim: fields.line.optional(),
    roles: fields.mapping.prefault({}),
    organizationClaim: fields.line.optional(),
    organizations: fields.mapping.prefault({}),
    networks: fields.validationNetworks.optional(),
    provision: z.strictObject({ organization: fields.line.optional(), roles: fields.names.prefault([]) }).optional(),
  })
  .superRefine(({ audience, clientId, scopes }, context) => {
    if (audience !== undefined && audience === clientId)
      context.addIssue({
        code: 'custom',
        path: ['audience'],
        message: 'must not be the client id: an ID token, which says who logged in, would pass as an access token',
      })
    if (!scopes.includes('openid'))
      context.addIssue({ code: 'custom', path: ['scopes'], message: 'must have openid among them' })
  })
  .optional()

interface Sections {
  identities: z.output<typeof identitiesSection>
  oidc?: z.output<typeof oidcSection>
}

export function identityConfig({ identities, oidc }: Sections): { identity: IdentitySettings; oidc?: OidcConfig } {
  const { longestToken, ...identity } = identities
  return {
    identity: { ...identity, ...(longestToken === undefined ? {} : { longestToken }) },
    ...(oidc ? { oidc: withoutUndefined(oidc) } : {}),
  }
}

function withoutUndefined(oidc: NonNullable<Sections['oidc']>): OidcConfig {
  const { clientSecret, audience, rolesClaim, organizationClaim, provision, tokenTypes, networks, ...rest } = oidc
  const { organization, roles = [] } = provision ?? {}
  return {
    ...rest,
    tokenTypes: tokenTypes.map((type) => type.toLowerCase()),
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(audience === undefined ? {} : { audience }),
    ...(networks === undefined ? {} : { networks }),
    ...(rolesClaim === undefined ? {} : { rolesClaim }),
    ...(organizationClaim === undefined ? {} : { organizationClaim }),
    ...(provision ? { provision: { roles, ...(organization === undefined ? {} : { organization }) } } : {}),
  }
}
