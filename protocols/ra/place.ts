import type { ServingProfile } from '../../src/core/enrolment/servingProfile.ts'
import { Failure } from '../../src/core/failure.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import { Unprocessable } from './errors.ts'
import type { Call } from './operation.ts'

export const PLACE = '/v2/operations/authorities/{authorityUuid}/raProfiles/{raProfileUuid}'

type InPlace = Pick<Call<'authorityUuid' | 'raProfileUuid'>, 'door' | 'params'>

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The profile that a path names, under the authority that it names: by uuid, or, for people with curl, by name. Throws Failure('notFound'). */
export async function placeOf({ door, params: { authorityUuid, raProfileUuid } }: InPlace): Promise<ServingProfile> {
  const ref = UUID.test(raProfileUuid) ? { uuid: raProfileUuid.toLowerCase() } : { name: raProfileUuid }
  const place = await door.serving(ref, 'ra')
  const { uuid, name } = place.authority
  if (uuid !== authorityUuid.toLowerCase() && name !== authorityUuid)
    throw new Failure('notFound', 'there is no such RA profile')
  return place
}

/** The certificate of a path, which must have been ordered over the profile of the same path. */
export async function recordIn(
  call: Pick<Call<'authorityUuid' | 'raProfileUuid' | 'certificateUuid'>, 'door' | 'params'>,
): Promise<{ place: ServingProfile; record: CertificateRecord }> {
  const place = await placeOf(call)
  const record = await call.door.list.record(call.params.certificateUuid)
  if (record.profile?.id !== place.profile.id)
    throw new Unprocessable([`Certificate belongs to another RA profile than ${place.profile.name}`])
  return { place, record }
}

/** As recordIn, for what may still be ordered, renewed or revoked: what is in the archive is brought back first. Throws Failure('conflict'). */
export async function activeRecordIn(call: Parameters<typeof recordIn>[0]): ReturnType<typeof recordIn> {
  const found = await recordIn(call)
  await call.door.inventory.refuseArchived(found.record.request.id)
  return found
}
