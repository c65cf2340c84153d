import { isValidDnsName } from '../../src/pki/identifier.ts'
import type { AcmeOptions, ChallengeType } from './options.ts'

/** Whether one name contains the other, by whole labels (RFC 9444 sections 2 and 7.2); no name contains itself. */
export function isBelow(name: string, ancestor: string): boolean {
  return name.length > ancestor.length + 1 && name.endsWith(`.${ancestor}`)
}

/** All names that contain this one, nearest first. */
export function ancestorsOf(name: string): string[] {
  const labels = name.split('.')
  return labels.slice(1).map((_, i) => labels.slice(i + 1).join('.'))
}

/** An `ancestorDomain` in lower case, or what is wrong with it. */
export function readAncestor(text: string, name: string): { ancestor: string } | { detail: string } {
  const ancestor = text.toLowerCase()
  if (!isValidDnsName(ancestor, { wildcard: false })) return { detail: 'its ancestorDomain is no host name' }
  if (!isBelow(name, ancestor)) return { detail: 'its ancestorDomain does not contain it' }
  return { ancestor }
}

/** Whether this kind of proof, for a name, also counts for all names below. One made by a host says nothing about other hosts. */
export function provesSubdomains(type: ChallengeType, { subdomainAuthorization }: AcmeOptions): boolean {
  switch (subdomainAuthorization) {
    case 'off':
      return false
    case 'dns':
      return type.startsWith('dns-')
    case 'any':
      return true
  }
}
