import type { OrderOutcome } from '../../src/core/enrolment.ts'
import { Unprocessable } from './errors.ts'

/** The contract's statuses of an end entity. */
export const endEntityStatuses = [
  'NEW',
  'FAILED',
  'INITIALIZED',
  'IN_PROCESS',
  'GENERATED',
  'REVOKED',
  'HISTORICAL',
  'KEY_RECOVERY',
  'WAITING_FOR_ADD_APPROVAL',
] as const
export type EndEntityStatus = (typeof endEntityStatuses)[number]

/** Which statuses an edit may set, beside the one that there is. The others say what became of an order, or of a deletion (REVOKED). */
const moves: Readonly<Record<EndEntityStatus, readonly EndEntityStatus[]>> = {
  NEW: ['INITIALIZED', 'HISTORICAL'],
  INITIALIZED: ['NEW', 'HISTORICAL'],
  FAILED: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  IN_PROCESS: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  GENERATED: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  REVOKED: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  HISTORICAL: ['NEW', 'INITIALIZED'],
  // No end entity has these here: keys are not recovered over v1, and adding one needs no approval.
  KEY_RECOVERY: [],
  WAITING_FOR_ADD_APPROVAL: [],
}

/** In which statuses the password orders a certificate with a key that it has not been used for. */
export const usable: ReadonlySet<EndEntityStatus> = new Set(['NEW', 'FAILED'])

const whyNeverSet: Partial<Record<EndEntityStatus, string>> = {
  FAILED: 'says that an order came to nothing',
  IN_PROCESS: 'says that an order waits',
  GENERATED: 'says that there is a certificate',
  REVOKED: 'says that its certificate was revoked: revoke that, or delete the end entity',
  KEY_RECOVERY: 'is not supported: no keys are recovered here',
  WAITING_FOR_ADD_APPROVAL: 'is not supported: approvals are asked for when a certificate is ordered',
}

/** Throws Unprocessable for a move that an edit may not make. */
export function requireMove(from: EndEntityStatus, to: EndEntityStatus): void {
  if (from === to || moves[from].includes(to)) return
  const why = whyNeverSet[to]
  throw new Unprocessable([
    why === undefined
      ? `status: from ${from} an edit leads to ${moves[from].join(', ') || 'nothing'}, not to ${to}`
      : `status: ${to} cannot be set, it ${why}`,
  ])
}

/** What an end entity shows: what was set, unless its password was used; then what became of that order. */
export function statusOf(stored: string, outcome: OrderOutcome | undefined): EndEntityStatus {
  if (!outcome) return stored as EndEntityStatus
  switch (outcome.status) {
    case 'draft':
    case 'requested':
    case 'signing':
      return 'IN_PROCESS'
    case 'denied':
    case 'expired':
    case 'canceled':
    case 'failed':
      return 'FAILED'
    case 'signed':
      return outcome.certificate?.status === 'revoked' ? 'REVOKED' : 'GENERATED'
  }
}
