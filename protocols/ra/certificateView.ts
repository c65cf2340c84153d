import type { CertificateRecord } from '../../src/core/certificateRecord.ts'
import { certificateFacts } from '../../src/pki/certificateFacts.ts'
import { readKeptRequest } from '../../src/pki/crmf.ts'
import { type Name, nameText } from '../../src/pki/name.ts'
import type { CertificateDetail, CertificateEntry } from './certificateSchema.ts'
import { stateOf } from './state.ts'

/** One line of an inventory, as far as the order and its certificate tell it. */
export function certificateView(record: CertificateRecord): CertificateEntry {
  const { request, profile, authority } = record
  return {
    uuid: request.uuid,
    ...(record.certificate ? fromCertificate(record.certificate.der) : fromRequest(record)),
    hybridCertificate: false,
    state: stateOf(record),
    validationStatus: 'not_checked',
    ...(profile
      ? {
          raProfile: {
            uuid: profile.uuid,
            name: profile.name,
            enabled: profile.enabled,
            authorityInstanceUuid: authority.uuid,
          },
        }
      : {}),
    ...(record.certificate ? { fingerprint: record.certificate.fingerprint } : {}),
    groups: [],
    certificateType: 'X.509',
    complianceStatus: request.findings.length > 0 ? 'nok' : 'ok',
    privateKeyAvailability: false,
    trustedCa: false,
    archived: false,
  }
}

function fromCertificate(der: Buffer) {
  const facts = certificateFacts(der)
  return {
    commonName: facts.commonName ?? '',
    serialNumber: facts.serial,
    issuerCommonName: facts.issuerCommonName ?? '',
    issuerDn: facts.issuer,
    subjectDn: facts.subject,
    notBefore: facts.notBefore.toISOString(),
    notAfter: facts.notAfter.toISOString(),
    publicKeyAlgorithm: facts.publicKeyAlgorithm,
    signatureAlgorithm: facts.signatureAlgorithm,
    keySize: facts.keySize,
  }
}

/** Before there is a certificate: what it would be. */
function fromRequest({ request }: CertificateRecord) {
  const csr = request.csr ? readKeptRequest(request.csr) : undefined
  return {
    commonName: commonNameOf(request.wanted.subject),
    subjectDn: nameText(request.wanted.subject),
    publicKeyAlgorithm: csr?.publicKey.algorithm ?? '',
    signatureAlgorithm: csr?.signatureAlgorithm ?? '',
    keySize: csr?.publicKey.size ?? 0,
  }
}

export function commonNameOf(name: Name): string {
  return /(?:^|,)CN=((?:\\.|[^,+])*)/.exec(nameText(name))?.[1]?.replace(/\\(.)/g, '$1') ?? ''
}

/** All that is known of an order and its certificate. */
export function certificateDetailView(record: CertificateRecord): CertificateDetail {
  const { request, certificate, renews } = record
  const facts = certificate && certificateFacts(certificate.der)
  const { findings, reason, lastError } = request
  const statusMessage = reason ?? lastError
  return {
    ...certificateView(record),
    extendedKeyUsage: facts?.extendedKeyUsage ?? [],
    keyUsage: facts?.keyUsage ?? [],
    subjectType: facts?.subjectType ?? 'endEntity',
    metadata: [],
    certificateContent: certificate?.der.toString('base64') ?? '',
    subjectAlternativeNames: facts?.alternativeNames ?? wantedNames(record),
    locations: [],
    nonCompliantRules: findings.map(({ by, check, detail }) => ({
      connectorName: by,
      ruleName: check,
      ruleDescription: detail,
      status: 'nok' as const,
      attributes: [],
    })),
    customAttributes: [],
    ...requestPart(record),
    ...(renews === undefined ? {} : { sourceCertificateUuid: renews }),
    issueAttributes: [],
    revokeAttributes: [],
    relatedCertificates: [],
    ...protocolPart(record),
    ...(facts?.qcStatements ? { qcStatements: qcPart(facts.qcStatements) } : {}),
    ...(statusMessage === undefined ? {} : { statusMessage }),
  }
}

const alternativeNameKind = {
  dns: 'dNSName',
  ip: 'iPAddress',
  email: 'rfc822Name',
  uri: 'uniformResourceIdentifier',
} as const

function wantedNames({ request }: CertificateRecord): Record<string, string[]> {
  const names: Record<string, string[]> = {}
  for (const { type, value } of request.wanted.identifiers) {
    const kind = alternativeNameKind[type]
    names[kind] = [...(names[kind] ?? []), value]
  }
  return names
}

function requestPart(record: CertificateRecord): Pick<CertificateDetail, 'certificateRequest'> {
  const { request } = record
  if (!request.csr) return {}
  const csr = readKeptRequest(request.csr)
  return {
    certificateRequest: {
      uuid: request.uuid,
      certificateType: 'X.509',
      certificateRequestFormat: csr.signatureAlgorithm === 'raVerified' ? 'crmf' : 'pkcs10',
      publicKeyAlgorithm: csr.publicKey.algorithm,
      signatureAlgorithm: csr.signatureAlgorithm,
      content: request.csr.toString('base64'),
      commonName: commonNameOf(csr.subject),
      subjectDn: nameText(csr.subject),
      subjectAlternativeNames: wantedNames(record),
      attributes: [],
      signatureAttributes: [],
      altSignatureAttributes: [],
      complianceStatus: 'not_checked',
    },
  }
}

function protocolPart({ request }: CertificateRecord): Pick<CertificateDetail, 'protocolInfo'> {
  const { protocol } = request
  if (protocol !== 'acme' && protocol !== 'scep' && protocol !== 'est') return {}
  return { protocolInfo: { protocol } }
}

function qcPart(statements: NonNullable<ReturnType<typeof certificateFacts>['qcStatements']>) {
  return {
    qcCompliance: statements.compliance,
    qcSscd: statements.sscd,
    qcType: [...statements.types],
    qcCcLegislation: [...statements.legislation],
  }
}
