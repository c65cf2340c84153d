import { Failure } from '../../src/core/failure.ts'
import type { KeyProfile, Keystore } from '../../src/core/key/keyProfile.ts'
import type { KeySpec } from '../../src/core/key.ts'
import type { Call } from './operation.ts'
import type { AttributeDefinition } from './options.ts'

export const keySpecs = [
  'P-256',
  'P-384',
  'P-521',
  'RSA-2048',
  'RSA-3072',
  'RSA-4096',
  'Ed25519',
] as const satisfies readonly KeySpec[]

/** The attribute by which clients choose a kind of key, or several of them. */
export function specDefinition(choices: readonly KeySpec[], many: 'one' | 'several'): AttributeDefinition {
  return {
    name: many === 'one' ? 'keySpec' : 'keySpecs',
    label: many === 'one' ? 'Kind of key' : 'Kinds of keys',
    description: many === 'one' ? `Without it ${choices[0]}.` : 'Which keys may be made.',
    contentType: 'string',
    required: many === 'several',
    choices: [...choices],
    multiSelect: many === 'several',
    constraints: [],
  }
}

type InStore = Pick<Call<'tokenInstanceUuid'>, 'door' | 'params'>

/** The keystore of a path. Throws Failure('notFound'). */
export async function storeIn({ door, params }: InStore): Promise<Keystore> {
  const found = (await door.keyPairs.keystores()).find(({ uuid }) => uuid === params.tokenInstanceUuid)
  if (!found) throw new Failure('notFound', 'there is no such token instance')
  return found
}

/** The key profile of a path, in the keystore of the same path. Throws Failure('notFound'). */
export async function profileIn({
  door,
  params,
}: Pick<Call<'tokenInstanceUuid' | 'tokenProfileUuid'>, 'door' | 'params'>): Promise<KeyProfile> {
  const profile = await door.keyPairs.profile(params.tokenProfileUuid)
  if (profile.keystore !== params.tokenInstanceUuid) throw new Failure('notFound', 'there is no such key profile')
  return profile
}
