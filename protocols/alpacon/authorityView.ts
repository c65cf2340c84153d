import type { AuthorityView, ProfileView } from '../../src/core/admin.ts'
import type { Door } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { DAY, daysOf } from './days.ts'
import { server } from './handshake.ts'
import { commonNameOf } from './names.ts'
import { personView } from './userView.ts'

/** An authority as requests and certificates name it. */
export interface AuthoritySummary {
  id: string
  name: string
  owner: ReturnType<typeof personView> | null
}

/** What requests and certificates say of authorities, by the name of each. */
export async function authoritiesOf(
  door: Door,
): Promise<(name: string) => AuthoritySummary & { organization: string }> {
  const all = new Map((await door.admin.authorities()).map((authority) => [authority.name, authority]))
  return (name) => {
    const { uuid = '', owner = null, organization = '' } = all.get(name) ?? {}
    return { id: uuid, name, owner: owner === null ? null : personView(owner), organization }
  }
}

/** Throws Failure('notFound') also for one of another organization. */
export async function findAuthority(door: Door, id: string): Promise<AuthorityView & { chain: Buffer[] }> {
  const found = (await door.admin.authorities()).find(({ uuid }) => uuid === id)
  if (!found) throw new Failure('notFound', 'Not found.')
  return door.admin.authority(found.name)
}

/** The profile whose validity stands for the authority's own: the one that takes orders, else the first of those that serve this contract. */
export function profileOf(profiles: readonly ProfileView[], authority: string): ProfileView | undefined {
  const serving = profiles.filter((one) => one.authority === authority && Object.hasOwn(one.protocols, 'alpacon'))
  return serving.find(({ protocols }) => takesOrders(protocols.alpacon)) ?? serving[0]
}

export function takesOrders(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'takesOrders' in options && options.takesOrders === true
}

/** An authority in a list. */
export function authorityView(
  { name, uuid, owner, organization, chain }: AuthorityView & { chain: readonly Buffer[] },
  profiles: readonly ProfileView[],
) {
  const certificate = chain[0] && readCertificate(chain[0])
  const profile = profileOf(profiles, name)
  // Nothing can be ordered where there is none.
  const days = profile ? daysOf(profile.settings) : { default: 0, max: 0 }
  return {
    id: uuid,
    name,
    organization,
    domain: (certificate && commonNameOf(certificate.subject)) ?? '',
    root_valid_days: certificate
      ? Math.round((certificate.notAfter.getTime() - certificate.notBefore.getTime()) / DAY)
      : 0,
    default_valid_days: days.default,
    max_valid_days: days.max,
    agent: server,
    owner: owner === null ? null : personView(owner),
    updated_at: certificate?.notBefore.toISOString() ?? null,
    signed_at: certificate?.notBefore.toISOString() ?? null,
    expires_at: certificate?.notAfter.toISOString() ?? null,
  }
}
