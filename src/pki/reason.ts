/** CRLReason by name, RFC 5280 section 5.3.1. */
export const reasonCodes = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
  aACompromise: 10,
} as const
export type RevocationReason = keyof typeof reasonCodes

const NAMES = new Map<number, RevocationReason>(
  Object.entries(reasonCodes).map(([name, code]) => [code, name as RevocationReason]),
)

/** The name of a CRLReason; undefined for a number that has none. */
export const reasonName = (code: number): RevocationReason | undefined => NAMES.get(code)
