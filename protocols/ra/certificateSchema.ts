import { z } from 'zod'
import { responseAttribute } from './attribute.ts'
import { group } from './groupView.ts'
import { keyEntry } from './keySchema.ts'
import { location } from './locationSchema.ts'
import { metadata } from './metadata.ts'
import { certificateStates } from './state.ts'

/** Answers of the contract, as strict clients read them: what they demand is never null. */

const when = z.iso.datetime()

export const validationStatus = z.enum([
  'not_checked',
  'failed',
  'inactive',
  'invalid',
  'valid',
  'revoked',
  'expiring',
  'expired',
])
export const complianceStatus = z.enum(['not_checked', 'ok', 'nok', 'na', 'failed'])

const named = z.object({ uuid: z.string(), name: z.string() })

export const simpleRaProfile = named.extend({ enabled: z.boolean(), authorityInstanceUuid: z.string() })

/** CertificateDto. */
export const certificateEntry = z
  .object({
    uuid: z.string(),
    commonName: z.string(),
    serialNumber: z.string().optional(),
    issuerCommonName: z.string().optional(),
    issuerDn: z.string().optional(),
    subjectDn: z.string(),
    notBefore: when.optional(),
    notAfter: when.optional(),
    publicKeyAlgorithm: z.string(),
    signatureAlgorithm: z.string(),
    hybridCertificate: z.boolean(),
    keySize: z.int(),
    state: z.enum(certificateStates),
    validationStatus,
    raProfile: simpleRaProfile.optional(),
    /** SHA-256. */
    fingerprint: z.string().optional(),
    groups: z.array(group),
    owner: z.string().optional(),
    ownerUuid: z.string().optional(),
    certificateType: z.enum(['X.509', 'SSH']),
    issuerSerialNumber: z.string().optional(),
    complianceStatus,
    issuerCertificateUuid: z.string().optional(),
    privateKeyAvailability: z.boolean(),
    trustedCa: z.boolean(),
    archived: z.boolean(),
  })
  .meta({ id: 'Certificate' })
export type CertificateEntry = z.output<typeof certificateEntry>

export const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const

const registration = z.object({
  state: z.enum(['active', 'expired', 'locked', 'closed']),
  expiresAt: when.optional(),
  failedAttempts: z.int(),
})

const alternativeNames = z.record(z.string(), z.array(z.string()))

/** CertificateDetailDto. */
export const certificateDetail = certificateEntry
  .extend({
    /** `registered` stands in no list: clients that do not know it register nothing. */
    state: z.enum([...certificateStates, 'registered']),
    extendedKeyUsage: z.array(z.string()),
    keyUsage: z.array(z.enum(keyUsageNames)),
    subjectType: z.enum(['endEntity', 'selfSignedEndEntity', 'intermediateCa', 'rootCa']),
    metadata: z.array(metadata),
    /** Base64 of the DER; empty while there is none. */
    certificateContent: z.string(),
    subjectAlternativeNames: alternativeNames,
    locations: z.array(location),
    nonCompliantRules: z.array(
      z.object({
        connectorName: z.string(),
        ruleName: z.string(),
        ruleDescription: z.string(),
        status: z.enum(['ok', 'nok', 'na', 'not_available']),
        attributes: z.array(responseAttribute),
      }),
    ),
    customAttributes: z.array(responseAttribute),
    key: keyEntry.optional(),
    certificateRequest: z
      .object({
        uuid: z.string(),
        certificateType: z.enum(['X.509', 'SSH']),
        certificateRequestFormat: z.enum(['pkcs10', 'crmf']),
        publicKeyAlgorithm: z.string(),
        signatureAlgorithm: z.string(),
        content: z.string(),
        commonName: z.string(),
        subjectDn: z.string(),
        subjectAlternativeNames: alternativeNames,
        attributes: z.array(responseAttribute),
        signatureAttributes: z.array(responseAttribute),
        altSignatureAttributes: z.array(responseAttribute),
        keyUuid: z.string().optional(),
        complianceStatus,
      })
      .optional(),
    sourceCertificateUuid: z.string().optional(),
    issueAttributes: z.array(responseAttribute),
    revokeAttributes: z.array(responseAttribute),
    relatedCertificates: z.array(certificateEntry),
    protocolInfo: z
      .object({
        protocol: z.enum(['acme', 'scep', 'cmp', 'est']),
        protocolProfileUuid: z.string().optional(),
        additionalProtocolUuid: z.string().optional(),
      })
      .optional(),
    qcStatements: z
      .object({
        qcCompliance: z.boolean(),
        qcSscd: z.boolean(),
        qcType: z.array(z.enum(['esign', 'eseal', 'web'])),
        qcCcLegislation: z.array(z.string()),
      })
      .optional(),
    registration: registration.optional(),
    /** Why it was rejected or failed, or what keeps it waiting: ours beside the contract. */
    statusMessage: z.string().optional(),
  })
  .meta({ id: 'CertificateDetail' })
export type CertificateDetail = z.output<typeof certificateDetail>

/** ClientCertificateDataResponseDto. */
export const dataResponse = z.object({ certificateData: z.string(), uuid: z.string() }).meta({ id: 'CertificateData' })
