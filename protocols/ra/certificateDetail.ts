import type { Sighting } from '../../src/core/discovery/sighting.ts'
import { Failure } from '../../src/core/failure.ts'
import type { InventoryEntry } from '../../src/core/inventory/inventory.ts'
import type { InventoryLine } from '../../src/core/inventory/inventoryLines.ts'
import type { KeyPair } from '../../src/core/key/keyPairView.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { isCertReqMsg, readKeptRequest } from '../../src/pki/crmf.ts'
import { nameText } from '../../src/pki/name.ts'
import type { CertificateDetail } from './certificateSchema.ts'
import { commonNameOf, entryView, keyUsageView, qcPart, wantedNames } from './certificateView.ts'
import { signatureView } from './csrAttributes.ts'
import { customAttributeView } from './customAttribute.ts'
import { type FilledIn, readFilledIn, refsOf } from './filledIn.ts'
import { keyView } from './keySchema.ts'
import { inLocation, locationView } from './locationView.ts'
import { certificateMetadata } from './metadata.ts'
import type { Call } from './operation.ts'
import { protocolPart } from './protocolInfo.ts'

type Asking = Pick<Call, 'door' | 'host'>

/** All that is known of an order and its certificate. Throws Failure('notFound') alike for none and for one of another organization. */
export async function detailOf(call: Asking, uuid: string): Promise<CertificateDetail> {
  const { inventory, registration } = call.door
  const entry = await inventory.entry(uuid)
  const { id } = entry.item
  const related = (await inventory.relations(id)).map((relation) => relation.id)
  const issuers = entry.issuer === undefined ? [] : [entry.issuer]
  const lines = await inventory.lines([id, ...issuers, ...related])
  const line = lines.find(({ record }) => record.request.id === id)
  // It was deleted meanwhile.
  if (!line) throw new Failure('notFound', 'there is no such certificate')
  const { request, certificate } = line.record
  const above = certificate ? (await inventory.chain(id)).issuers[0]?.der : undefined
  const filledIn = await readFilledIn(call.host.db, refsOf(request))
  const sightings = certificate ? await call.door.discovery.sightings(id) : []
  const key = await keyOf(call, line)
  const byId = new Map(lines.map((one) => [one.record.request.id, one]))
  const issuer = entry.issuer === undefined ? undefined : byId.get(entry.issuer)
  return {
    ...detailView(line, entry, { filledIn, sightings, ...(key ? { key } : {}) }),
    ...(key ? { key: keyView(key) } : {}),
    ...(above ? { issuerSerialNumber: readCertificate(above).serial } : {}),
    ...(issuer ? { issuerCertificateUuid: issuer.record.request.uuid } : {}),
    ...(await protocolPart(call.door, line.record)),
    relatedCertificates: related.flatMap((other) => {
      const found = byId.get(other)
      return found ? [entryView(found)] : []
    }),
    ...registrationPart(line, await registration(id)),
  }
}

type Registration = Awaited<ReturnType<Call['door']['registration']>>

function registrationPart(
  { record }: InventoryLine,
  registration: Registration,
): Pick<CertificateDetail, 'registration'> & { state?: 'registered' } {
  if (!registration) return {}
  const { state, expiresAt, failedAttempts } = registration
  return {
    ...(record.request.status === 'draft' ? { state: 'registered' as const } : {}),
    registration: { state, ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}), failedAttempts },
  }
}

/** The key of the keystore that has signed its request, if one has. */
async function keyOf({ door }: Asking, { record }: InventoryLine): Promise<KeyPair | undefined> {
  const { request, certificate } = record
  const spkiHash = certificate?.spkiHash ?? (request.csr && readKeptRequest(request.csr).publicKey.spkiHash)
  return spkiHash === undefined
    ? undefined
    : door.keyPairs.ofCertificate({ spkiHash, organizationId: request.organizationId })
}

interface About {
  filledIn: FilledIn
  sightings: readonly Sighting[]
  key?: KeyPair
}

function detailView(
  line: InventoryLine,
  entry: InventoryEntry,
  { filledIn, sightings, key }: About,
): CertificateDetail {
  const { record } = line
  const { request, certificate, renews } = record
  const { facts, attributes, compliance, locations } = entry
  const held = certificate?.status === 'hold' ? 'on hold: not to be trusted until somebody lifts it' : undefined
  const statusMessage = held ?? request.reason ?? request.lastError
  const shown = entryView(line)
  return {
    ...shown,
    extendedKeyUsage: facts?.extendedKeyUsage ?? [],
    keyUsage: keyUsageView(facts?.keyUsage ?? []),
    subjectType: facts?.subjectType ?? 'endEntity',
    metadata: certificateMetadata({ certificate: { uuid: shown.uuid, name: shown.commonName }, entry, sightings }),
    certificateContent: certificate?.der.toString('base64') ?? '',
    subjectAlternativeNames: facts?.alternativeNames ?? wantedNames(record),
    locations: locations.map(({ location, ...where }) => ({
      ...locationView(location),
      certificates: [inLocation({ line, location, entry: where, csrAttributes: filledIn.csr })],
    })),
    nonCompliantRules: compliance.findings.map(({ by, check, detail }) => ({
      connectorName: by,
      ruleName: check,
      ruleDescription: detail,
      status: 'nok' as const,
      attributes: [],
    })),
    customAttributes: attributes.map((attribute) => customAttributeView(attribute)),
    ...requestPart(line, { filledIn, ...(key ? { key } : {}) }),
    ...(renews === undefined ? {} : { sourceCertificateUuid: renews }),
    issueAttributes: filledIn.issue,
    revokeAttributes: filledIn.revoke,
    relatedCertificates: [],
    ...qcPart(facts),
    ...(statusMessage === undefined ? {} : { statusMessage }),
  }
}

function requestPart({ record, compliance }: InventoryLine, { filledIn, key }: Pick<About, 'filledIn' | 'key'>) {
  const { request } = record
  if (!request.csr) return {}
  const csr = readKeptRequest(request.csr)
  return {
    certificateRequest: {
      uuid: request.uuid,
      certificateType: 'X.509' as const,
      certificateRequestFormat: isCertReqMsg(request.csr) ? ('crmf' as const) : ('pkcs10' as const),
      publicKeyAlgorithm: csr.publicKey.algorithm,
      signatureAlgorithm: csr.signatureAlgorithm,
      content: request.csr.toString('base64'),
      commonName: commonNameOf(csr.subject),
      subjectDn: nameText(csr.subject),
      subjectAlternativeNames: wantedNames(record),
      attributes: filledIn.csr,
      signatureAttributes: key ? signatureView(csr.signatureAlgorithm) : [],
      altSignatureAttributes: [],
      ...(key ? { keyUuid: key.uuid } : {}),
      complianceStatus: compliance,
    },
  } satisfies Pick<CertificateDetail, 'certificateRequest'>
}
