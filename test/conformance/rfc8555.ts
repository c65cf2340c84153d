import type { Requirement } from './requirement.ts'
import { accounts } from './rfc8555Accounts.ts'
import { issuance } from './rfc8555Issuance.ts'
import { transport } from './rfc8555Transport.ts'

/** What RFC 8555 demands of a server, by section. */
export const rfc8555: readonly Requirement[] = [...transport, ...accounts, ...issuance]
