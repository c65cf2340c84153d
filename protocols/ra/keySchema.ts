import { z } from 'zod'
import type { KeyPair, KeyState } from '../../src/core/key/keyPairView.ts'
import type { KeyProfile, Keystore } from '../../src/core/key/keyProfile.ts'
import { responseAttribute } from './attribute.ts'
import { derivedUuid } from './derivedUuid.ts'
import { group, groupView } from './groupView.ts'

const when = z.iso.datetime()
const named = { uuid: z.string(), name: z.string() }

const place = {
  description: z.string(),
  creationTime: when,
  tokenProfileUuid: z.string(),
  tokenProfileName: z.string(),
  tokenInstanceUuid: z.string(),
  tokenInstanceName: z.string(),
  owner: z.string().optional(),
  ownerUuid: z.string().optional(),
  groups: z.array(group),
}

/** The contract's: of these, the keystore holds public and private ones. */
export const keyTypes = ['Secret', 'Public', 'Private', 'Split'] as const
export const keyStates = [
  'pre-active',
  'active',
  'deactivated',
  'compromised',
  'destroyed',
  'compromisedDestroyed',
] as const satisfies readonly KeyState[]
const complianceStatus = z.enum(['not_checked', 'ok', 'nok', 'na', 'failed'])

const keyItem = z.object({
  ...named,
  keyWrapperUuid: z.string(),
  keyReferenceUuid: z.string(),
  ...place,
  associations: z.int(),
  type: z.enum(keyTypes),
  keyAlgorithm: z.enum(['RSA', 'ECDSA', 'Unknown']),
  format: z.enum(['SubjectPublicKeyInfo', 'PrivateKeyInfo']),
  length: z.int(),
  usage: z.array(z.enum(['sign', 'verify'])),
  enabled: z.boolean(),
  state: z.enum(keyStates),
  complianceStatus,
  /** Which key it is: P-256, RSA-3072, Ed25519 …: ours beside the contract. */
  keySpec: z.string(),
})

/** KeyDto. */
export const keyEntry = z
  .object({
    ...named,
    ...place,
    items: z.array(keyItem),
    associations: z.int(),
    complianceStatus,
  })
  .meta({ id: 'Key' })
export type KeyEntry = z.output<typeof keyEntry>

/** KeyDetailDto; the public key is ours beside the contract. */
export const keyDetail = keyEntry
  .extend({
    attributes: z.array(responseAttribute),
    customAttributes: z.array(responseAttribute),
    /** PEM. */
    publicKey: z.string(),
  })
  .meta({ id: 'KeyDetail' })

const keyAlgorithm = { RSA: 'RSA', EC: 'ECDSA', Ed25519: 'Unknown' } as const

export function keyView(key: KeyPair): KeyEntry {
  const shared = {
    description: key.description,
    creationTime: key.createdAt.toISOString(),
    tokenProfileUuid: key.profile.uuid,
    tokenProfileName: key.profile.name,
    tokenInstanceUuid: key.keystore,
    tokenInstanceName: 'local',
    ...(key.owner ? { owner: key.owner.name, ownerUuid: key.owner.uuid } : {}),
    groups: key.groups.map(groupView),
    associations: key.certificates,
    complianceStatus: key.compliance,
  }
  const item = (type: 'Public' | 'Private') => ({
    uuid: derivedUuid(`${key.uuid} ${type}`),
    name: key.name,
    keyWrapperUuid: key.uuid,
    keyReferenceUuid: key.uuid,
    ...shared,
    type,
    keyAlgorithm: keyAlgorithm[key.algorithm],
    format: type === 'Public' ? ('SubjectPublicKeyInfo' as const) : ('PrivateKeyInfo' as const),
    length: key.size,
    usage: [type === 'Public' ? ('verify' as const) : ('sign' as const)],
    enabled: key.enabled,
    state: key.state,
    keySpec: key.spec,
  })
  return { uuid: key.uuid, name: key.name, ...shared, items: [item('Private'), item('Public')] }
}

export const tokenInstance = z
  .object({
    ...named,
    status: z.enum(['Connected']),
    tokenProfiles: z.int(),
    kind: z.string(),
    /** Whose it is: ours beside the contract. */
    organization: z.string(),
  })
  .meta({ id: 'TokenInstance' })

export function tokenInstanceView({ uuid, name, organization, profiles }: Keystore): z.output<typeof tokenInstance> {
  return { uuid, name, status: 'Connected', tokenProfiles: profiles, kind: 'SOFT', organization }
}

export const tokenProfile = z
  .object({
    ...named,
    description: z.string(),
    tokenInstanceUuid: z.string(),
    tokenInstanceName: z.string(),
    tokenInstanceStatus: z.enum(['Connected']),
    enabled: z.boolean(),
    usages: z.array(z.enum(['sign', 'verify'])),
    /** Ours beside the contract. */
    keySpecs: z.array(z.string()),
  })
  .meta({ id: 'TokenProfile' })

export function tokenProfileView(profile: KeyProfile): z.output<typeof tokenProfile> {
  const { uuid, name, description, keystore, enabled, specs } = profile
  return {
    uuid,
    name,
    description,
    tokenInstanceUuid: keystore,
    tokenInstanceName: 'local',
    tokenInstanceStatus: 'Connected',
    enabled,
    usages: ['sign', 'verify'],
    keySpecs: [...specs],
  }
}
