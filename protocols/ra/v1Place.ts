import { Failure } from '../../src/core/failure.ts'
import type { EndEntityPlace } from './endEntity.ts'
import type { Call } from './operation.ts'

export const V1_PLACE = '/v1/operations/{raProfileName}'
export const V1_TAG = 'Client operations v1'

type InProfile = Pick<Call<'raProfileName'>, 'host' | 'door' | 'requester' | 'params'>

/** The profile that a path of v1 names, with who calls. Throws Failure('notFound'). */
export async function v1Place({ host, door, requester, params }: InProfile): Promise<EndEntityPlace> {
  const { profile } = await door.serving({ name: params.raProfileName }, 'ra')
  return { host, door, requester, profile }
}

/** What v1 answers to what was understood and cannot be done now, or ever: 400 with a message. */
export const cannot = (message: string): Failure => new Failure('malformed', message)
