import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import type { Call } from './operation.ts'
import { notaryOptions } from './options.ts'

type Calling = Pick<Call, 'door' | 'caller'>

/** The id of the caller's organization; undefined for one without any profile, which has no requests either. */
export async function ownOrganization(call: Calling): Promise<number | undefined> {
  return (await ownProfiles(call))[0]?.organizationId
}

async function ownProfiles({ door, caller }: Calling): Promise<ProfileRecord[]> {
  return (await door.raProfiles.list()).filter(({ organization }) => organization === caller.user.organization)
}

/** The profile over which requests come in, or those that an authority is to sign. Throws Failure('unsupported') with what to do. */
export async function profileFor(call: Calling, authority?: { id: number; name: string }): Promise<RaProfile> {
  const all = (await ownProfiles(call)).filter(
    ({ enabled, protocols, authorityId }) =>
      enabled && Object.hasOwn(protocols, 'notary') && (authority === undefined || authorityId === authority.id),
  )
  const which = authority ? ` of the certificate authority ${authority.name}` : ''
  const [only, another] = all
  const chosen =
    all.find(({ protocols }) => notaryOptions.safeParse(protocols.notary).data?.receives) ??
    all.find(({ name }) => name === 'default') ??
    (another ? undefined : only)
  if (chosen) return (await call.door.serving({ uuid: chosen.uuid }, 'notary')).profile
  if (only)
    throw new Failure(
      'unsupported',
      `several RA profiles${which} serve Notary: set the option "receives" of one of them`,
    )
  throw new Failure('unsupported', `no RA profile${which} serves Notary: add the protocol "notary" to one`)
}

/** The profile that an order was made over, if it still serves Notary. Throws Failure('unsupported'). */
export async function profileOf(call: Calling, profileId: number): Promise<RaProfile> {
  const record = (await ownProfiles(call)).find(({ id }) => id === profileId)
  if (record?.enabled && Object.hasOwn(record.protocols, 'notary'))
    return (await call.door.serving({ uuid: record.uuid }, 'notary')).profile
  throw new Failure('unsupported', 'the RA profile of this request does not serve Notary any more')
}

/** Throws Failure('forbidden') for who does not manage the profile of an order, also through a token that is limited. */
export async function requireManage(call: Calling, profileId: number): Promise<void> {
  const record = (await ownProfiles(call)).find(({ id }) => id === profileId)
  if (!record) throw new Failure('forbidden', 'this needs the capability manage')
  await call.door.raProfiles.requireManage(record.uuid)
}
