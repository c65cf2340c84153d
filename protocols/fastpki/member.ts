import type { Door } from '../../src/core/core.ts'
import { servingProfiles } from './authorityView.ts'
import type { Call } from './operation.ts'
import { fastpkiOptions } from './options.ts'

/**
 * The caller's door, which also shows what every member of an organization sees: its certificates of the RA profiles that serve this contract, but for those whose
 * options say no. For reading certificates alone.
 */
export async function asMember({ host, door, requester }: Pick<Call, 'host' | 'door' | 'requester'>): Promise<Door> {
  const serving = await servingProfiles({ door })
  const shown = serving.filter(({ protocols }) => fastpkiOptions.parse(protocols.fastpki).membersRead)
  return host.core.as({ ...requester, memberProfiles: shown.map(({ id }) => id) })
}
