import type { SignStatus } from '../../core/request/request.ts'

/** Where an order stands, for whoever waits for a certificate. */
export type OrderStatus = 'pending' | 'processing' | 'complete' | 'failed'

const standing = {
  draft: 'pending',
  requested: 'pending',
  signing: 'processing',
  signed: 'complete',
  denied: 'failed',
  expired: 'failed',
  canceled: 'failed',
  failed: 'failed',
} as const satisfies Record<SignStatus, OrderStatus>

export const orderStatus = (status: string): OrderStatus => standing[status as SignStatus] ?? 'failed'

/** The statuses of requests that an order's status stands for; undefined for what is none. */
export function statusesOf(status: string): string[] | undefined {
  const found = Object.entries(standing).filter(([, order]) => order === status)
  return found.length === 0 ? undefined : found.map(([name]) => name)
}

/** By whom it is issued and how it came: over ACME, from here or from a CA upstream; by an authority of ours; by one elsewhere. */
export function orderType({ authorityKind, protocol }: { authorityKind: string; protocol: string }): string {
  if (authorityKind === 'manual') return 'External CA'
  return authorityKind === 'acme' || protocol === 'acme' ? 'ACME' : 'Local PKI'
}
