import { readCertificate } from '../../pki/certificateReader.ts'
import { lintCertificate } from '../../pki/lint.ts'
import type { Certificate } from '../certificate.ts'
import type { Finding, SignRequest } from '../request/request.ts'
import type { KnownChain } from './inventoryIssuers.ts'

/** ok: no rule was broken; nok: one was, and it says which; not_checked: nothing of ours has looked at it. */
export type ComplianceStatus = 'not_checked' | 'ok' | 'nok'

export interface Compliance {
  status: ComplianceStatus
  findings: Finding[]
}

/**
 * What policies, rules and the lint have to say: the findings that are kept with the request, and for a certificate of ours those of the lint at the time when it was
 * made. What was uploaded or discovered came by no policy.
 */
export function complianceOf(
  request: Pick<SignRequest, 'status' | 'findings' | 'wanted'>,
  certificate: Certificate | undefined,
  chain: KnownChain | undefined,
): Compliance {
  const [issuer] = chain?.issuers ?? []
  const lint = certificate?.source === 'managed' && issuer ? lintOf(request, certificate, issuer.fields) : []
  const findings = [...request.findings, ...lint]
  if (findings.length > 0) return { status: 'nok', findings }
  const looked = request.status !== 'draft' && (!certificate || certificate.source === 'managed')
  return { status: looked ? 'ok' : 'not_checked', findings }
}

function lintOf(
  { wanted }: Pick<SignRequest, 'wanted'>,
  { der }: Certificate,
  issuer: ReturnType<typeof readCertificate>,
): Finding[] {
  const { tbs, notBefore } = readCertificate(der)
  return lintCertificate(tbs, { type: wanted.type, issuer, now: notBefore }).map(({ check, detail, source }) => ({
    by: 'lint',
    check,
    detail: `${detail} (${source})`,
  }))
}
