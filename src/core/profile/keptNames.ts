import { readBareCertificate } from '../../pki/certificateIdentifier.ts'
import type { Csr } from '../../pki/csr.ts'
import type { Identifier } from '../../pki/identifier.ts'
import { decodeName, type Name, sameName } from '../../pki/name.ts'
import type { Certificate } from '../certificate.ts'
import type { WantedCertificate } from '../request/request.ts'
import type { RaProfile } from './profile.ts'
import { subjectOf } from './subject.ts'

/**
 * Whether a certificate to be names whom an earlier one names: the same identifiers in any order, and the same subject by value (RFC 5280 section 7.1). Which
 * of its identifiers stands as the common name is no difference. One that names nobody keeps nothing. Throws PkiError for a certificate that cannot be read.
 */
export function keepsNames(
  { der, identifiers }: Pick<Certificate, 'der' | 'identifiers'>,
  wanted: Pick<WantedCertificate, 'subject' | 'identifiers'>,
): boolean {
  const before = identifierKeys(identifiers)
  const after = identifierKeys(wanted.identifiers)
  if (before.size !== after.size || ![...after].every((key) => before.has(key))) return false
  if (after.size === 0 && wanted.subject.length === 0) return false
  const held = decodeName(readBareCertificate(der).subject)
  return sameName(beyond(held, identifiers), beyond(wanted.subject, wanted.identifiers))
}

/** As keepsNames, of what a profile would certify of a CSR and these identifiers. */
export function wouldKeepNames(
  { settings }: RaProfile,
  certificate: Certificate,
  asked: { csr: Pick<Csr, 'subject'>; identifiers: readonly Identifier[] },
): boolean {
  const subject = subjectOf(settings.certificate, asked.csr, asked.identifiers)
  return keepsNames(certificate, { subject, identifiers: asked.identifiers })
}

/** One text for an identifier: the same for the same. */
export function identifierKey({ type, value }: Identifier): string {
  return `${type}:${value}`
}

function identifierKeys(identifiers: readonly Identifier[]): Set<string> {
  return new Set(identifiers.map(identifierKey))
}

/** A subject without the common names that repeat an identifier. */
function beyond(subject: Name, identifiers: readonly Identifier[]): Name {
  const values = new Set(identifiers.map(({ value }) => value.toLowerCase()))
  return subject
    .map((rdn) => rdn.filter(({ type, value }) => type !== 'CN' || !values.has(value.toLowerCase())))
    .filter((rdn) => rdn.length > 0)
}
