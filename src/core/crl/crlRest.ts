import type { SignedCrl } from '../core.ts'

/** Shorter ones cost little more than the revocation that asks for them: a few milliseconds. */
const SHORT = 1 << 17
/** What is made in a second takes about a twentieth of one of CPU. */
const OCTETS_A_SECOND = 2 << 20
const LONGEST = 60_000

/**
 * Whether a long CRL was made so lately that the next revocation waits for its turn: it is given out once more, so that
 * whoever revokes certificates of his own and asks for the CRL in a loop does not have it made each time. After its rest, of
 * half a second for each MiB and of a minute at most, the next one who asks gets one that knows of all. OCSP does not wait.
 */
export function rests({ thisUpdate, parts }: Pick<SignedCrl, 'thisUpdate' | 'parts'>, now: Date): boolean {
  const age = now.getTime() - thisUpdate.getTime()
  return age >= 0 && age < restOf(parts)
}

function restOf(parts: readonly Buffer[]): number {
  let octets = 0
  for (const { length } of parts) octets += length
  return octets <= SHORT ? 0 : Math.min((octets / OCTETS_A_SECOND) * 1000, LONGEST)
}
