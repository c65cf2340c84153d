import type { Authority, Issuer } from '../core/authority/authority.ts'
import { assemble } from '../pki/certificate.ts'
import { writeCrlParts } from '../pki/crl.ts'
import { writeOcspResponse } from '../pki/ocspResponse.ts'
import type { Signer } from '../pki/signer.ts'

/** An authority whose key is sealed in the database: certificates and CRLs are signed in this process. */
export function localAuthority(issuer: Issuer | undefined, signer: Signer | undefined): Authority {
  if (!issuer || !signer) return {}
  return {
    algorithm: signer.algorithm,
    sign: async ({ tbs }) => assemble(tbs, signer.algorithm, await signer.sign(tbs)),
    signCrl: (draft) => writeCrlParts({ ...draft, signer }),
    signOcsp: async (draft) => writeOcspResponse({ ...draft, signer }),
  }
}
