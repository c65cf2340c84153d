import { PkiError } from './error.ts'
import { type Check, type LintContext, readCandidate } from './lintCandidate.ts'
import { extensionChecks } from './lintExtensions.ts'
import { fieldChecks } from './lintFields.ts'
import { nameChecks } from './lintNames.ts'
import { revocationChecks } from './lintRevocation.ts'
import { usageChecks } from './lintUsage.ts'

export type { LintContext } from './lintCandidate.ts'

/** One thing wrong with a certificate-to-be. An `error` must not be signed. */
export interface LintFinding {
  /** Stable name of the check. */
  check: string
  severity: 'error' | 'warning'
  detail: string
  /** Document and section that the rule comes from. */
  source: string
}

/** All checks, in the order in which findings are reported. Names are unique. */
export const lintChecks: readonly Check[] = [
  ...fieldChecks,
  ...nameChecks,
  ...usageChecks,
  ...extensionChecks,
  ...revocationChecks,
]

/**
 * Checks the bytes about to be signed, read back, so that what is signed is what is checked. `tbs` is a DER TBSCertificate.
 * Never throws for any bytes: what is no TBSCertificate is the finding `readable`. Empty when all is well.
 */
export function lintCertificate(tbs: Buffer, context: LintContext): LintFinding[] {
  const findings: LintFinding[] = []
  try {
    const candidate = readCandidate(tbs, context)
    for (const { check, severity, source, test } of lintChecks) {
      const detail = test(candidate)
      if (detail) findings.push({ check, severity, detail, source })
    }
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    findings.push({ check: 'readable', severity: 'error', detail: error.message, source: 'RFC 5280 4.1' })
  }
  return findings
}
