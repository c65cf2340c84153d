import { type CertificateFields, readCertificate } from './certificateReader.ts'
import { malformed, PkiError } from './error.ts'
import { sameName } from './name.ts'
import { verifySignature } from './signer.ts'

/**
 * Whether `child` was signed by the key of `issuer`, and `issuer` may sign certificates (RFC 5280 section 6.1.4, k and n): names, key
 * identifiers, cA, keyCertSign, signature. Validity, path length, name constraints and revocation are not looked at.
 * Throws PkiError('unsupported') for a key or an algorithm that we do not serve.
 */
export function verifyIssuedBy(child: CertificateFields, issuer: CertificateFields): boolean {
  return (
    mayHaveIssued(child, issuer) &&
    verifySignature(child.signatureAlgorithm, issuer.publicKey, child.tbs, child.signature)
  )
}

function mayHaveIssued(child: CertificateFields, issuer: CertificateFields): boolean {
  const named = child.issuerDer.equals(issuer.subjectDer) || sameName(child.issuer, issuer.subject)
  const identified = !child.aki || !issuer.ski || child.aki.equals(issuer.ski)
  return named && identified && issuer.isCa && (issuer.keyUsage?.includes('keyCertSign') ?? true)
}

const MAX_CHAIN = 16

/**
 * Puts an uploaded chain in order: the leaf, then each certificate's issuer, up to a self-issued one if it is there. Repetitions fall out.
 * Throws PkiError('malformed') when a certificate is no certificate or does not belong to the chain, or there are more than 16;
 * PkiError('badSignature') when names connect and signatures do not.
 */
export function orderChain(leaf: Buffer, others: readonly Buffer[]): Buffer[] {
  if (others.length > MAX_CHAIN) throw malformed(`a chain of more than ${MAX_CHAIN} certificates`)
  const distinct = new Map(others.filter((der) => !der.equals(leaf)).map((der) => [der.toString('latin1'), der]))
  const left = new Set([...distinct.values()].map(readCertificate))
  const chain = [readCertificate(leaf)]
  for (let child = chain[0]; child && left.size; ) {
    const next = issuerAmong(left, child)
    if (next) {
      left.delete(next)
      chain.push(next)
    }
    child = next
  }
  if (left.size) throw malformed("a certificate of the chain is nobody's issuer in it")
  return chain.map(({ der }) => der)
}

function issuerAmong(candidates: Iterable<CertificateFields>, child: CertificateFields): CertificateFields | undefined {
  const named = [...candidates].filter((candidate) => mayHaveIssued(child, candidate))
  if (named.length === 0 || child.issuerDer.equals(child.subjectDer)) return undefined
  const found = named.find((candidate) => verifyIssuedBy(child, candidate))
  if (!found)
    throw new PkiError(
      'badSignature',
      'a certificate of the chain is not signed by the one that it names as its issuer',
    )
  return found
}
