import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { children, expect, readOid, readString, readTlv, TAG } from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'

/** The profile as the template that a CSR names has it; without one, or with one that means nothing here, as it is. */
export function profileFor({ door, profile, options }: Exchange, csr: Csr): RaProfile {
  const name = templateOf(csr)
  if (name === undefined || !Object.hasOwn(options.templates, name)) return profile
  return door.variant(profile, options.templates[name] ?? '')
}

/** certificateTemplateName, a string, or certificateTemplate, whose first field is an OID (MS-WCCE section 2.2.2.7.7). */
function templateOf({ extensions }: Csr): string | undefined {
  const extensionOf = (wanted: string) => extensions.find(({ oid }) => oid === wanted)?.value
  const name = extensionOf(OID.microsoftCertificateTemplateName)
  const template = extensionOf(OID.microsoftCertificateTemplate)
  try {
    if (name) return readString(readTlv(name))
    return template && readOid(expect(children(readTlv(template), 4)[0], TAG.oid, 'template'))
  } catch (cause) {
    if (!(cause instanceof PkiError)) throw cause
    throw new Refusal('badRequest', `the template in the request cannot be read: ${cause.message}`, { cause })
  }
}
