import { children, expect, oid, readOid, seq, TAG, type Tlv } from './der.ts'
import { unsupported } from './error.ts'
import { OID } from './oid.ts'

/** Message digests of CMS, by the names of node:crypto. MD5 is none of them (RFC 8894 section 2.9). */
export type Digest = 'sha1' | 'sha224' | 'sha256' | 'sha384' | 'sha512'

/** What a signature made over a digest is called, by the type of its key: RFC 3370, RFC 5754. */
export const DIGESTS = {
  sha1: { oid: OID.sha1, rsa: OID.sha1WithRSAEncryption, ecdsa: OID.ecdsaWithSHA1 },
  sha224: { oid: OID.sha224, rsa: OID.sha224WithRSAEncryption, ecdsa: OID.ecdsaWithSHA224 },
  sha256: { oid: OID.sha256, rsa: OID.sha256WithRSAEncryption, ecdsa: OID.ecdsaWithSHA256 },
  sha384: { oid: OID.sha384, rsa: OID.sha384WithRSAEncryption, ecdsa: OID.ecdsaWithSHA384 },
  sha512: { oid: OID.sha512, rsa: OID.sha512WithRSAEncryption, ecdsa: OID.ecdsaWithSHA512 },
} satisfies Record<Digest, { oid: string; rsa: string; ecdsa: string }>

const byOid = new Map<string, Digest>()
for (const [digest, { oid }] of Object.entries(DIGESTS)) byOid.set(oid, digest as Digest)

/** Without parameters, as RFC 5754 section 2 asks. */
export const digestIdentifier = (digest: Digest): Buffer => seq(oid(DIGESTS[digest].oid))

/** The digest that an AlgorithmIdentifier names, whatever its parameters. Throws PkiError('malformed'), 'unsupported' for another, MD5 among them. */
export function readDigest(algorithm: Tlv | undefined): Digest {
  const [id] = children(expect(algorithm, TAG.seq, 'digest algorithm'), 2)
  const dotted = readOid(expect(id, TAG.oid, 'digest algorithm'))
  const digest = byOid.get(dotted)
  if (!digest) throw unsupported(`the digest ${dotted === OID.md5 ? 'MD5' : dotted} is not supported`)
  return digest
}
