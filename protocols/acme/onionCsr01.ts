import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import {
  children,
  context,
  expect,
  readBits,
  readOid,
  readSmallInteger,
  readTlv,
  TAG,
  type Tlv,
} from '../../src/pki/der.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { OID } from '../../src/pki/oid.ts'
import type { PublicKeyInfo } from '../../src/pki/publicKey.ts'
import { AcmeError } from './errors.ts'
import { isOnion, readOnion } from './onionName.ts'
import { failed, ValidationFailure, type ValidationResult } from './outcome.ts'

/** What the client must have signed, RFC 9799 section 3.2. */
export interface OnionProof {
  /** Without "*.". */
  name: string
  /** DER of the CSR that the challenge was answered with. */
  csr: Buffer
  nonce: Buffer
  /** When the nonce was made, and now: epoch milliseconds. */
  nonceAt: number
  now: number
}

const CA_NONCE = '2.23.140.41'
const APPLICANT_NONCE = '2.23.140.42'
/** Appendix B.2.b of the Baseline Requirements. */
const MAX_AGE_MS = 30 * 86_400_000
/** 64 bits. How random they are, nobody can see. */
const MIN_NONCE_OCTETS = 8
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** The nonce of an authorization's challenge: the octets of its token. */
export function onionNonce(token: string): Buffer {
  return Buffer.from(token, 'base64url')
}

/** Never throws. Nothing is asked of the Tor network: the CSR is the proof. */
export function validateOnionCsr01(proof: OnionProof): ValidationResult {
  try {
    check(proof)
    return { ok: true }
  } catch (error) {
    if (error instanceof PkiError)
      return failed(new ValidationFailure('badCSR', `the CSR cannot be read: ${error.message}`))
    return failed(error)
  }
}

function check({ name, csr, nonce, nonceAt, now }: OnionProof): void {
  const onion = readOnion(name)
  if ('fault' in onion) throw new ValidationFailure('malformed', `${name} ${onion.fault}`)
  if (now - nonceAt > MAX_AGE_MS)
    throw new ValidationFailure('unauthorized', 'the nonce is more than 30 days old: order anew to get another')
  const { tbs, spki, attributes, signature } = read(csr)
  if (!spki.equals(Buffer.concat([ED25519_SPKI, onion.publicKey])))
    throw new ValidationFailure('unauthorized', `the public key of the CSR is not that of ${onion.address}`)
  if (!verify(null, tbs, onionPublicKey(onion.publicKey), signature))
    throw new ValidationFailure('unauthorized', 'the signature of the CSR is wrong')
  if (!attributes.get(CA_NONCE)?.equals(nonce))
    throw new ValidationFailure(
      'unauthorized',
      'caSigningNonce of the CSR is not the nonce of this challenge, as octets',
    )
  const own = attributes.get(APPLICANT_NONCE)
  if (!own || own.length < MIN_NONCE_OCTETS)
    throw new ValidationFailure('unauthorized', 'the CSR needs an applicantSigningNonce of at least 64 bits')
}

/** Section 3.2: the key of a hidden service is not the key of its certificate. Throws AcmeError('badCSR'). */
export function refuseOnionKey({ spki }: PublicKeyInfo, identifiers: readonly Identifier[]): void {
  for (const { value } of identifiers) {
    const onion = isOnion(value) ? readOnion(value) : undefined
    if (onion && 'publicKey' in onion && spki.equals(Buffer.concat([ED25519_SPKI, onion.publicKey])))
      throw new AcmeError(
        'badCSR',
        `the CSR has the key of ${onion.address} itself: make another one (RFC 9799 section 3.2)`,
      )
  }
}

/** As node:crypto takes it; 32 octets of Ed25519. */
export function onionPublicKey(octets: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, octets]), format: 'der', type: 'spki' })
}

/** A PKCS #10 request (RFC 2986). Its subject means nothing here, and MUST NOT be judged. Throws PkiError. */
function read(der: Buffer) {
  const [info, algorithm, signature, ...rest] = children(expect(readTlv(der), TAG.seq, 'CertificationRequest'), 4)
  const [version, subject, spki, attributes, ...more] = children(expect(info, TAG.seq, 'CertificationRequestInfo'), 5)
  expect(subject, TAG.seq, 'subject')
  const [oid, ...parameters] = children(expect(algorithm, TAG.seq, 'signatureAlgorithm'), 2)
  const { bytes, unused } = readBits(expect(signature, TAG.bits, 'signature'))
  const good =
    rest.length + more.length + parameters.length + unused === 0 &&
    readSmallInteger(expect(version, TAG.integer, 'version')) === 0 &&
    readOid(expect(oid, TAG.oid, 'signatureAlgorithm')) === OID.ed25519
  if (!good) throw new PkiError('malformed', 'it is no certification request signed with Ed25519')
  return {
    tbs: expect(info, TAG.seq, 'CertificationRequestInfo').der,
    spki: expect(spki, TAG.seq, 'subjectPublicKeyInfo').der,
    attributes: readNonces(expect(attributes, context(0), 'attributes')),
    signature: bytes,
  }
}

/** Both are SINGLE VALUE. Throws PkiError. */
function readNonces(set: Tlv): Map<string, Buffer> {
  const nonces = new Map<string, Buffer>()
  for (const attribute of children(set, 64)) {
    const [type, values, ...rest] = children(expect(attribute, TAG.seq, 'attribute'), 3)
    const oid = readOid(expect(type, TAG.oid, 'type of an attribute'))
    if (oid !== CA_NONCE && oid !== APPLICANT_NONCE) continue
    const [value, ...others] = children(expect(values, TAG.set, `values of attribute ${oid}`), 2)
    if (rest.length + others.length > 0 || nonces.has(oid))
      throw new PkiError('malformed', `attribute ${oid} has not one value`)
    nonces.set(oid, expect(value, TAG.octets, `attribute ${oid}`).value)
  }
  return nonces
}
