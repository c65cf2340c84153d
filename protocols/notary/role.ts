import type { UserView } from '../../src/core/admin.ts'
import type { Capability } from '../../src/core/identity/capabilityNames.ts'

/** The contract's numbers: administrator, certificate manager, certificate requestor, read only. */
export type Role = 0 | 1 | 2 | 3

export const ADMINISTRATOR = 0
export const REQUESTOR = 2

/** Whoever administers the organization is 0; each other role is a role of the core, with what it is granted when it is made. */
export const coreRoles = {
  1: {
    name: 'notary-certificate-manager',
    capabilities: ['read', 'create_cert', 'revoke_cert', 'approve', 'manage', 'create_ca'],
  },
  2: { name: 'notary-certificate-requestor', capabilities: ['create_cert'] },
  3: { name: 'notary-read-only', capabilities: ['read'] },
} as const satisfies Record<Exclude<Role, 0>, { name: string; capabilities: readonly Capability[] }>

/** Undefined for a user who has no part in this contract. */
export function roleOf({ superuser, admin, roles }: UserView): Role | undefined {
  if (superuser || admin) return ADMINISTRATOR
  return ([1, 2, 3] as const).find((role) => roles.includes(coreRoles[role].name))
}
