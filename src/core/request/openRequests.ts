import { sql } from 'kysely'

/**
 * Conditions that name the partial indexes over open requests (migrations/0001-core-requests.ts), to stand beside the
 * status asked for: neither database concludes from `status = ?` that such an index holds the row, and would read the
 * whole table.
 */
export const openSign = sql<boolean>`sign_requests.status in ('draft', 'requested', 'signing', 'failed')`
export const openRevoke = sql<boolean>`revoke_requests.status in ('requested', 'revoking')`
