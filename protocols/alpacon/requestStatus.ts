import type { RevokeStatus, SignStatus } from '../../src/core/request/request.ts'
import { Invalid } from './errors.ts'

/** A request without its CSR has been asked for; one on which nobody decided in time was not granted. */
const signShown = {
  draft: 'requested',
  requested: 'requested',
  signing: 'signing',
  signed: 'signed',
  denied: 'denied',
  expired: 'denied',
  canceled: 'canceled',
  failed: 'failed',
} as const satisfies Record<SignStatus, string>

const revokeShown = {
  requested: 'requested',
  revoking: 'revoking',
  revoked: 'revoked',
  denied: 'denied',
  expired: 'denied',
  canceled: 'canceled',
  failed: 'failed',
} as const satisfies Record<RevokeStatus, string>

/** As the help of the client calls them. */
const synonyms = new Map([
  ['processing', 'signing'],
  ['issued', 'signed'],
])

const shown = { sign: signShown, revoke: revokeShown }

export function signStatus(status: string): string {
  return signShown[status as SignStatus]
}

export function revokeStatus(status: string): string {
  return revokeShown[status as RevokeStatus]
}

/** Which statuses of the core a filter means; undefined for none. Throws Invalid for one that there is not. */
export function statusesOf(kind: 'sign' | 'revoke', asked: string): string[] | undefined {
  if (asked === '') return undefined
  const wanted = kind === 'sign' ? (synonyms.get(asked) ?? asked) : asked
  const meant = Object.entries(shown[kind]).filter(([, status]) => status === wanted)
  if (meant.length > 0) return meant.map(([status]) => status)
  const all = [...new Set(Object.values(shown[kind]))].join(', ')
  throw new Invalid({ status: [`Select a valid choice: ${all}.`] })
}
