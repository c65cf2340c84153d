import type { InventoryLine } from '../../src/core/inventory/inventoryLines.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import { type CertificateFacts, certificateFacts } from '../../src/pki/certificateFacts.ts'
import { readKeptRequest } from '../../src/pki/crmf.ts'
import { type Name, nameText } from '../../src/pki/name.ts'
import type { CertificateDetail, CertificateEntry, keyUsageNames } from './certificateSchema.ts'
import { groupView } from './groupView.ts'
import { stateOf } from './state.ts'

/** One line of an inventory. */
export function entryView(line: InventoryLine): CertificateEntry {
  const { record, owner, groups, privateKey, archived, compliance, validation } = line
  const { request, profile, authority, certificate } = record
  const facts = certificate && certificateFacts(certificate.der)
  return {
    uuid: request.uuid,
    ...(facts ? fromCertificate(facts) : fromRequest(record)),
    hybridCertificate: false,
    state: stateOf(record),
    validationStatus: validation,
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
    ...(certificate ? { fingerprint: certificate.fingerprint } : {}),
    groups: groups.map(groupView),
    ...(owner ? { owner: owner.name, ownerUuid: owner.uuid } : {}),
    certificateType: 'X.509',
    complianceStatus: compliance,
    privateKeyAvailability: privateKey,
    trustedCa: isTrusted(line, facts),
    archived,
  }
}

/** Strict clients want a value: what is no CA is not trusted either. */
function isTrusted({ foreign, trusted }: InventoryLine, facts: CertificateFacts | undefined): boolean {
  const isCa = facts?.subjectType === 'rootCa' || facts?.subjectType === 'intermediateCa'
  return isCa && (trusted || !foreign)
}

function fromCertificate(facts: CertificateFacts) {
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
  return name.flat().findLast(({ type }) => type === 'CN')?.value ?? ''
}

type KeyUsageName = (typeof keyUsageNames)[number]

/** The contract has the name that X.509 had before. */
export function keyUsageView(usages: CertificateFacts['keyUsage']): KeyUsageName[] {
  return usages.map((usage) => (usage === 'contentCommitment' ? 'nonRepudiation' : usage))
}

const alternativeNameKind = {
  dns: 'dNSName',
  ip: 'iPAddress',
  email: 'rfc822Name',
  uri: 'uniformResourceIdentifier',
} as const

export function wantedNames({ request }: CertificateRecord): Record<string, string[]> {
  const names: Record<string, string[]> = {}
  for (const { type, value } of request.wanted.identifiers) {
    const kind = alternativeNameKind[type]
    names[kind] = [...(names[kind] ?? []), value]
  }
  return names
}

export function qcPart(facts: CertificateFacts | undefined): Pick<CertificateDetail, 'qcStatements'> {
  if (!facts?.qcStatements) return {}
  const { compliance, sscd, types, legislation } = facts.qcStatements
  return {
    qcStatements: {
      qcCompliance: compliance,
      qcSscd: sscd,
      qcType: [...types],
      qcCcLegislation: [...legislation],
    },
  }
}
