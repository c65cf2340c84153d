import { createHash } from 'node:crypto'
import { Failure } from '../core/failure.ts'
import { type CertificateFields, readCertificate } from '../pki/certificateReader.ts'
import { PkiError } from '../pki/error.ts'
import type { Identifier } from '../pki/identifier.ts'
import type { Name } from '../pki/name.ts'
import { clientPathFinder } from '../pki/path.ts'
import type { Host } from '../protocol.ts'
import type { TrustAnchor } from './trustAnchor.ts'
import { standingOf } from './trustAnchorCrl.ts'

/** A device with somebody else's certificate. */
export interface Device {
  certificate: CertificateFields
  /** SHA-256 of the DER, lower-case hex. */
  fingerprint: string
  anchor: TrustAnchor
}

/** `refused`: it is no certificate, or revoked; else it is only not trusted. */
export type Recognised = { device: Device } | { problem: string; refused: boolean }

/**
 * Whose certificate this is, by the anchors: its path is validated and, where an anchor has CRLs, looked up in them. That its holder has the key is for whoever
 * calls. `chain`: what came with it, DER. Throws Failure('unavailable') while a CRL that is needed cannot be had.
 */
export async function recognise(
  host: Host,
  { der, chain }: { der: Buffer; chain: readonly Buffer[] },
  anchors: readonly TrustAnchor[],
): Promise<Recognised> {
  const certificate = readShown(der)
  if ('problem' in certificate) return certificate
  const find = clientPathFinder(certificate, { others: chain, at: host.clock() })
  for (const anchor of anchors) {
    const found = find(anchor.certificates)
    if ('problem' in found) continue
    if (await isRevoked(host, anchor, found.path)) return { problem: 'is revoked', refused: true }
    return { device: { certificate, fingerprint: createHash('sha256').update(der).digest('hex'), anchor } }
  }
  // Of several anchors the last word is as good as any.
  const found = find(anchors.flatMap(({ certificates }) => certificates))
  const why = 'problem' in found ? found.problem : 'it is not trusted'
  return { problem: `is not taken: ${why}`, refused: false }
}

function readShown(der: Buffer): CertificateFields | { problem: string; refused: true } {
  try {
    return readCertificate(der)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    return { problem: `cannot be read: ${error.message}`, refused: true }
  }
}

async function isRevoked(host: Host, anchor: TrustAnchor, path: CertificateFields[]): Promise<boolean> {
  if (anchor.crlUrls.length === 0) return false
  const standing = await standingOf(host, anchor.crlUrls, path)
  if (standing === 'revoked') return true
  if (standing === 'good' || anchor.withoutCrl === 'accept') return false
  const detail = `whether the certificate was revoked by ${anchor.name} cannot be told now: ask again`
  throw new Failure('unavailable', detail, { retryAfter: 60 })
}

/**
 * Whether what a device asks for is what its manufacturer's certificate stands for. By `ownNames` each name asked for, and each attribute of the subject, stands in
 * it; an attribute that repeats a name counts as that.
 */
export function entitles(
  { anchor, certificate }: Device,
  { subject, identifiers }: { subject: Name; identifiers: readonly Identifier[] },
): boolean {
  if (anchor.entitles !== 'ownNames') return anchor.entitles === 'everything'
  const attributes = new Set(certificate.subject.flat().map(({ type, value }) => `${type}=${folded(value)}`))
  const commonNames = new Set(
    certificate.subject.flat().flatMap(({ type, value }) => (type === 'CN' ? [folded(value)] : [])),
  )
  const names = new Set(certificate.identifiers.map(identifierKey))
  const asked = new Set(identifiers.map(({ value }) => folded(value)))
  const ownName = (identifier: Identifier) =>
    names.has(identifierKey(identifier)) || (identifier.type === 'dns' && commonNames.has(folded(identifier.value)))
  const ownAttribute = (type: string, value: string) =>
    attributes.has(`${type}=${folded(value)}`) || (type === 'CN' && asked.has(folded(value)))
  const all = subject.flat()
  return (
    identifiers.length + all.length > 0 &&
    identifiers.every(ownName) &&
    all.every(({ type, value }) => ownAttribute(type, value))
  )
}

const identifierKey = ({ type, value }: Identifier): string => `${type}:${folded(value)}`

function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
}
