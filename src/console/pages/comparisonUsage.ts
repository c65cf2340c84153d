import type { CertificateFields } from '../../pki/certificateReader.ts'
import type { Csr } from '../../pki/csr.ts'
import { PkiError } from '../../pki/error.ts'
import { decodeExtendedKeyUsage, decodeKeyUsage } from '../../pki/extensions.ts'
import { OID } from '../../pki/oid.ts'
import type { Compared, Line } from './comparison.ts'

/** What a certificate of a profile may be used for. */
export interface UsageWish {
  keyUsage: readonly string[]
  /** Dotted. */
  extendedKeyUsage: readonly string[]
}

const names = new Map<string, string>(Object.entries(OID).map(([name, oid]) => [oid, name]))

/** The standards' name of an object identifier, or its numbers. */
export const oidName = (oid: string): string => names.get(oid) ?? oid

const types = {
  server: 'for servers',
  client: 'for clients',
  dual_purpose: 'for servers and clients',
  registration_authority: 'for a registration authority',
  ca: 'of a CA',
  ocsp: 'of an OCSP responder',
  message: 'for enveloped messages',
} as const

/** Key usages and extended key usages, each one that is asked for or made on a line of its own. */
export function usageLines({ csr, profile, certificate, wish, detail }: Compared): Line[] {
  const made = certificate
    ? { keyUsage: certificate.keyUsage ?? [], extendedKeyUsage: certificate.extendedKeyUsage ?? [] }
    : wish
  const type = detail.wanted?.type as keyof typeof types | undefined
  const allowed = profile && type && profile.settings.certificate.type === type ? types[type] : undefined
  const one = (what: string, asked: readonly string[], has: readonly string[] | undefined): Line[] => {
    const all = [...new Set([...(has ?? []), ...asked])]
    return all.map((usage) => ({
      what,
      ...(asked.includes(usage) ? { asked: oidName(usage) } : {}),
      ...(allowed === undefined ? {} : { allowed }),
      ...(has?.includes(usage) ? { made: oidName(usage) } : {}),
      // What a CSR does not speak of is left to the profile.
      ...(has === undefined || has.includes(usage) ? {} : { mark: 'left out' as const }),
    }))
  }
  return [
    ...one('Key usage', wished(csr, OID.keyUsage, decodeKeyUsage), made?.keyUsage),
    ...one('Extended key usage', wished(csr, OID.extKeyUsage, decodeExtendedKeyUsage), made?.extendedKeyUsage),
  ]
}

function wished(csr: Csr | undefined, oid: string, decode: (value: Buffer) => string[]): string[] {
  const found = csr?.extensions.find((extension) => extension.oid === oid)
  if (!found) return []
  try {
    return decode(found.value)
  } catch (error) {
    if (error instanceof PkiError) return []
    throw error
  }
}

const spokenOf: ReadonlySet<string> = new Set([OID.subjectAltName, OID.keyUsage, OID.extKeyUsage, OID.tlsFeature])

/** Extensions that a CSR asks for beside those that have lines of their own. */
export function otherExtensions(
  { extensions }: Csr,
  certificate: CertificateFields | undefined,
  extra: 'refuse' | 'ignore' | undefined,
): Line[] {
  return extensions
    .filter(({ oid }) => !spokenOf.has(oid))
    .map(({ oid }): Line => {
      const own = oid === OID.basicConstraints || oid === OID.subjectKeyIdentifier
      const made = own || certificate?.extensions.some((extension) => extension.oid === oid)
      return {
        what: 'Extension',
        asked: oidName(oid),
        ...(own
          ? { allowed: 'made by the authority' }
          : extra
            ? { allowed: extra === 'refuse' ? 'refused' : 'left out' }
            : {}),
        ...(made ? { made: oidName(oid) } : { mark: 'left out' as const }),
      }
    })
}
