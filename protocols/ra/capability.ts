import { z } from 'zod'
import type { Capability } from '../../src/core/identity/capability.ts'
import type { ScopeName } from '../../src/core/identity/tokenScope.ts'

const own = {
  read: true,
  create_cert: true,
  revoke_cert: true,
  export_private_key: true,
  approve: true,
  create_ca: true,
  delete_ca: true,
  manage: true,
} as const satisfies Record<Capability, true>

const ofTokens = { ...own, admin: true } as const satisfies Record<ScopeName, true>

/** What may be granted to a user or a role. */
export const capability = z.enum(Object.keys(own) as Capability[])

/** What a token may be limited to. */
export const scopeName = z.enum(Object.keys(ofTokens) as ScopeName[])
