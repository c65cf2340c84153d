import type { OrderOutcome } from '../../src/core/enrolment/enrolment.ts'
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
  NEW: ['INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
  INITIALIZED: ['NEW', 'HISTORICAL', 'KEY_RECOVERY'],
  FAILED: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
  IN_PROCESS: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  GENERATED: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
  REVOKED: ['NEW', 'INITIALIZED', 'HISTORICAL', 'KEY_RECOVERY'],
  HISTORICAL: ['NEW', 'INITIALIZED', 'KEY_RECOVERY'],
  KEY_RECOVERY: ['NEW', 'INITIALIZED', 'HISTORICAL'],
  // NEW: by who approves it alone (endEntityApproval.ts).
  WAITING_FOR_ADD_APPROVAL: ['NEW', 'HISTORICAL'],
}

/** In which statuses the password orders a certificate; in a round of KEY_RECOVERY only for a key that had one. */
export const usable: ReadonlySet<EndEntityStatus> = new Set(['NEW', 'FAILED', 'KEY_RECOVERY'])

const whyNeverSet: Partial<Record<EndEntityStatus, string>> = {
  FAILED: 'says that an order came to nothing',
  IN_PROCESS: 'says that an order waits',
  GENERATED: 'says that there is a certificate',
  REVOKED: 'says that its certificate was revoked: revoke that, or delete the end entity',
  KEY_RECOVERY: 'is for one whose order does not wait',
  WAITING_FOR_ADD_APPROVAL: 'says that what was added or changed waits for somebody else',
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

/** What an end entity shows: that it waits, unless it was put aside or its deletion began; what was set, unless its password was used; then what became of that order. */
export function statusOf(
  { status: stored, awaits_approval: waits }: { status: string; awaits_approval: number },
  outcome: OrderOutcome | undefined,
): EndEntityStatus {
  if (waits === 1) return stored === 'HISTORICAL' || stored === 'REVOKED' ? stored : 'WAITING_FOR_ADD_APPROVAL'
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
