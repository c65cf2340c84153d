import { readCertificate } from '../../src/pki/certificateReader.ts'
import * as distribution from '../../src/pki/distribution.ts'
import { PkiError } from '../../src/pki/error.ts'
import * as extensions from '../../src/pki/extensions.ts'
import { decodeGeneralNames } from '../../src/pki/identifier.ts'
import { decodeNameConstraints } from '../../src/pki/nameConstraints.ts'
import { decodeQcStatements } from '../../src/pki/qcStatements.ts'

const values = [
  extensions.decodeKeyUsage,
  extensions.decodeExtendedKeyUsage,
  extensions.decodeBasicConstraints,
  extensions.decodeSubjectKeyIdentifier,
  extensions.decodeAuthorityKeyIdentifier,
  extensions.decodePolicies,
  extensions.decodeTlsFeature,
  extensions.decodeCrlNumber,
  distribution.decodeCrlDistributionPoints,
  distribution.decodeCrlIssuers,
  distribution.decodeAuthorityInfoAccess,
  distribution.decodeIssuingDistributionPoint,
  decodeGeneralNames,
  decodeNameConstraints,
  decodeQcStatements,
]

/** Every decoder of an extension, over the value of every extension of a certificate: also where it is not its own. */
export const decoders = [
  (input: Buffer) => {
    for (const { value } of readCertificate(input).extensions)
      for (const decode of values) {
        try {
          decode(value)
        } catch (error) {
          if (!(error instanceof PkiError)) throw error
        }
      }
  },
]
