import type { CertificateFields } from '../../pki/certificateReader.ts'
import { reasonCodes } from '../../pki/crl.ts'
import { type CrlFields, readCrl, verifyCrl } from '../../pki/crlReader.ts'
import { nameText, sameName } from '../../pki/name.ts'
import { pemDecode } from '../../pki/pem.ts'
import { asMalformed } from '../asMalformed.ts'
import { Failure } from '../failure.ts'

/** A clock elsewhere may be ahead by this. */
const skew = 300_000
/** Numbers of our own follow: as many as this fit behind the highest that is taken (RFC 5280 section 5.2.3: 20 octets). */
const room = 1n << 40n
const highest = (1n << 159n) - room

/**
 * A CRL that an authority of ours signed elsewhere, as DER or PEM, read and checked: by its issuer and its key, complete and of all reasons. Throws
 * Failure('malformed') for any other, one that is not signed by the authority, or one from the future.
 */
export function readForeignCrl(file: Buffer, issuer: CertificateFields, now: Date): CrlFields {
  const crl = asMalformed(() => readCrl(derOf(file)))
  const refuse = (detail: string): never => {
    throw new Failure('malformed', detail)
  }
  if (!crl.issuerDer.equals(issuer.subjectDer) && !sameName(crl.issuer, issuer.subject))
    refuse(`this CRL is one of ${nameText(crl.issuer)}, not of ${nameText(issuer.subject)}`)
  if (crl.deltaBase !== undefined) refuse('this is a delta CRL: the complete one is needed')
  if (crl.idp?.indirect) refuse('this is an indirect CRL, which speaks of certificates of others too')
  if (crl.idp?.onlySomeReasons) refuse('this CRL speaks of some reasons only: one of all reasons is needed')
  if (issuer.keyUsage && !issuer.keyUsage.includes('cRLSign'))
    refuse('the certificate of this authority does not let it sign CRLs (keyUsage)')
  if (crl.aki && issuer.ski && !crl.aki.equals(issuer.ski))
    refuse('this CRL was signed by another key of the authority')
  if (!asMalformed(() => verifyCrl(crl, issuer.publicKey))) refuse('the signature of this CRL is not by the authority')
  if (crl.thisUpdate.getTime() > now.getTime() + skew)
    refuse(`this CRL is of ${crl.thisUpdate.toISOString()}, which has not come yet: look at the clock`)
  if (crl.number !== undefined) checkCrlNumber(crl.number)
  // Only a delta CRL may say so, and ours, which repeat the entry, would be refused for it (RFC 5280 section 5.3.1).
  const lifted = crl.entries.find(({ reason }) => reason === reasonCodes.removeFromCRL)
  if (lifted) refuse(`the entry of serial number ${lifted.serial} says removeFromCRL, in a complete CRL`)
  return crl
}

/** Throws Failure('malformed') for a number that leaves no room for ours. */
export function checkCrlNumber(number: bigint): void {
  if (number < 0n || number > highest)
    throw new Failure('malformed', `a CRL number is not negative and at most ${highest}, so that others can follow`)
}

/** Whether it says nothing of some certificates: then what others say is not taken back by it. */
export const isPartial = ({ idp }: CrlFields): boolean =>
  idp?.onlyUserCertificates === true || idp?.onlyCaCertificates === true || (idp?.urls?.length ?? 0) > 0

function derOf(file: Buffer): Buffer {
  if (file[0] === 0x30) return file
  const blocks = asMalformed(() => pemDecode(file.toString('latin1')))
  const [crl, ...more] = blocks.filter(({ label }) => label === 'X509 CRL')
  if (!crl || more.length > 0) throw new Failure('malformed', 'the file is no CRL: one is needed, as DER or as PEM')
  return crl.der
}
