import type { Authority, Issuer } from '../core/authority.ts'
import type { Installation } from '../core/installation.ts'
import { loadKey } from '../core/key.ts'
import { assemble } from '../pki/certificate.ts'
import { writeCrl } from '../pki/crl.ts'
import { signerFor } from '../pki/signer.ts'

/** An authority whose key is sealed in the database: certificates and CRLs are signed in this process. */
export async function localAuthority(
  it: Installation,
  issuer: Issuer | undefined,
  keyId: number | null,
): Promise<Authority> {
  if (!issuer || keyId === null) return {}
  const signer = signerFor(await loadKey(it.db, it.vault, keyId))
  return {
    algorithm: signer.algorithm,
    sign: async ({ tbs }) => assemble(tbs, signer.algorithm, await signer.sign(tbs)),
    signCrl: (draft) => writeCrl({ ...draft, signer }),
  }
}
