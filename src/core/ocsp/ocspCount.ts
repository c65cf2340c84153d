import { BETWEEN } from '../../db/tally.ts'
import { type OcspError, ocspError } from '../../pki/ocspResponse.ts'
import type { OcspAnswer, SignedAnswer } from './ocsp.ts'
import type { KnownStatus } from './ocspStatus.ts'

type Made = 'kept' | 'fresh'

/** Made beforehand: a kept answer costs little more than the counting of it. */
const keys = {
  kept: namesOf('kept'),
  fresh: namesOf('fresh'),
} as const satisfies Record<Made, Record<KnownStatus['kind'] | 'several', string>>

function namesOf(made: Made) {
  const name = (says: string) => `ocsp${BETWEEN}${says}${BETWEEN}${made}`
  return { good: name('good'), revoked: name('revoked'), neverIssued: name('never_issued'), several: name('several') }
}

/** Under what an answer about these certificates is counted (src/db/tally.ts). */
export function countedAs(statuses: readonly KnownStatus[], made: Made): string {
  const [only] = statuses
  return keys[made][statuses.length === 1 && only ? only.kind : 'several']
}

/** The first time that an answer is given out which is kept from then on. */
export function asFresh(answer: SignedAnswer): SignedAnswer {
  const { der, signed, counted } = answer
  return { der, signed, counted: counted.replace(/kept$/, 'fresh') }
}

export function unsigned(error: OcspError): OcspAnswer {
  return { der: ocspError(error), counted: `ocsp${BETWEEN}${error}${BETWEEN}fresh` }
}
