import type { Issuer } from '../../src/core/authority/authority.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { readIssuerAndSerial } from '../../src/pki/certificateIdentifier.ts'
import { writeCertsOnly } from '../../src/pki/certsOnly.ts'
import { readTlv } from '../../src/pki/der.ts'
import { decodeName, type Name, sameName } from '../../src/pki/name.ts'
import type { Outcome } from './certRep.ts'
import { readEnveloped } from './envelope.ts'
import { Refusal } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { PkiMessage } from './message.ts'
import { knownSigner } from './signer.ts'
import { success } from './success.ts'

/** GetCert (RFC 8894 section 4.5): certificates of this profile's authority, for who has one of them: what is in them is not for everybody. */
export async function getCert(exchange: Exchange, message: PkiMessage): Promise<Outcome> {
  const { certificate } = await named(exchange, message)
  const { certificate: own } = await knownSigner(exchange, message)
  const stands = own?.status === 'issued' && own.notAfter > exchange.now
  if (!stands || own.authorityId !== exchange.profile.authorityId)
    throw new Refusal('badRequest', 'GetCert must be signed with a certificate of this authority that stands')
  if (!certificate) throw new Refusal('badCertId', 'there is no such certificate')
  return success(exchange, message, writeCertsOnly([certificate.der]))
}

/** GetCRL (section 4.6): the CRL that this certificate would stand in, alone and in `crls`. CRLs are for everybody. */
export async function getCrl(exchange: Exchange, message: PkiMessage): Promise<Outcome> {
  const { issuer, certificate } = await named(exchange, message)
  const authority = exchange.profile.authorityId
  const of = certificate ? { certificate: certificate.id } : {}
  const { der } = await exchange.door.crl({ authority, issuer: issuer.id, ...of })
  return success(exchange, message, writeCertsOnly([], [der]))
}

/** The certificate that the message names by its issuer and serial number, and the authority's certificate that has this name. */
async function named(
  exchange: Exchange,
  message: PkiMessage,
): Promise<{ issuer: Issuer; certificate: Certificate | undefined }> {
  const { door, profile } = exchange
  const wanted = await readWanted(exchange, message)
  const { active, earlier, next } = await door.authorityChain(profile.authorityId)
  const issuers = [active, ...earlier, next].filter(
    (issuer) => issuer && sameName(issuer.certificate.subject, wanted.issuer),
  )
  const certificate = await door.findCertificate({ serial: wanted.serial, authority: profile.authorityId })
  const issuer = issuers.find((each) => each?.id === certificate?.authorityCertificateId) ?? issuers[0]
  if (!issuer) throw new Refusal('badCertId', 'the authority of this profile does not have this name')
  return { issuer, certificate: certificate?.authorityCertificateId === issuer.id ? certificate : undefined }
}

function readWanted(exchange: Exchange, message: PkiMessage): Promise<{ issuer: Name; serial: string }> {
  return readEnveloped(exchange, message, 'IssuerAndSerialNumber', (content) => {
    const { issuer, serial } = readIssuerAndSerial(readTlv(content))
    return { issuer: decodeName(issuer), serial: hexOf(serial) }
  })
}

/** As certificates have it here: without the octet that only says that the number is positive. */
function hexOf(serial: Buffer): string {
  return serial[0] === 0 && serial.length > 1 ? serial.subarray(1).toString('hex') : serial.toString('hex')
}
