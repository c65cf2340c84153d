import { bits, explicit, integer, octets, oid, seq, set } from './der.ts'
import { encodeGeneralNames, type Identifier } from './identifier.ts'
import { encodeName, type Name } from './name.ts'
import { OID } from './oid.ts'
import type { Signer } from './signer.ts'

/** DER of a PKCS#10 request (RFC 2986 section 4) with the names as subjectAltName in an extensionRequest, signed by its own key. */
export async function writeCsr(
  draft: { subject: Name; identifiers: readonly Identifier[] },
  signer: Signer,
): Promise<Buffer> {
  const names = draft.identifiers.length
    ? [
        seq(
          oid(OID.extensionRequest),
          set(seq(seq(oid(OID.subjectAltName), octets(encodeGeneralNames(draft.identifiers))))),
        ),
      ]
    : []
  const info = seq(integer(0), encodeName(draft.subject), signer.publicKey.spki, explicit(0, Buffer.concat(names)))
  return seq(info, signer.algorithm, bits(await signer.sign(info)))
}
