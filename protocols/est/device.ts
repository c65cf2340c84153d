import type { Identifier } from '../../src/pki/identifier.ts'
import type { Name } from '../../src/pki/name.ts'
import type { Device } from './client.ts'

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
