import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { bits, bool, explicit, implicit, integer, nullValue, octets, oid, seq, set } from '../../src/pki/der.ts'
import { encodeName, type Name } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { pemDecode } from '../../src/pki/pem.ts'

/** Runs openssl and gives its standard output. */
export function openssl(args: string[], input?: Buffer | string): Buffer {
  return execFileSync('openssl', args, { stdio: ['pipe', 'pipe', 'pipe'], ...(input === undefined ? {} : { input }) })
}

/** A CSR by openssl, as DER. `keyArgs`: what follows -newkey. */
export function opensslCsr(keyArgs: string[], subject: string, extra: string[] = []): Buffer {
  const pem = openssl([
    'req',
    '-new',
    '-newkey',
    ...keyArgs,
    '-nodes',
    '-keyout',
    '/dev/null',
    '-subj',
    subject,
    ...extra,
  ])
  const [block] = pemDecode(pem.toString())
  if (!block) throw new Error('openssl made no CSR')
  return block.der
}

export const ecKey = (namedCurve = 'P-256'): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey

export const attribute = (type: string, ...values: Buffer[]): Buffer => seq(oid(type), set(...values))

export const extension = (type: string, value: Buffer, critical?: boolean): Buffer =>
  seq(oid(type), ...(critical === undefined ? [] : [bool(critical)]), octets(value))

/** The attribute extensionRequest around encoded extensions. */
export const extensionRequest = (...extensions: Buffer[]): Buffer => attribute(OID.extensionRequest, seq(...extensions))

export interface CsrParts {
  key?: KeyObject
  version?: Buffer
  subject?: Name | Buffer
  spki?: Buffer
  attributes?: Buffer[] | 'absent'
  /** After the attributes. */
  extra?: Buffer
  algorithm?: Buffer
  /** Makes the signature over the CertificationRequestInfo. */
  sign?: (tbs: Buffer) => Buffer
}

/** A CSR with any part replaced; what is not given is right, and the signature fits. The key is P-256 unless given. */
export function buildCsr(parts: CsrParts = {}): Buffer {
  const key = parts.key ?? ecKey()
  const subject = Buffer.isBuffer(parts.subject) ? parts.subject : encodeName(parts.subject ?? [])
  const spki = parts.spki ?? createPublicKey(key).export({ type: 'spki', format: 'der' })
  const attributes = parts.attributes === 'absent' ? [] : [implicit(0, Buffer.concat(parts.attributes ?? []), true)]
  const tbs = seq(parts.version ?? integer(0), subject, spki, ...attributes, ...(parts.extra ? [parts.extra] : []))
  const algorithm = parts.algorithm ?? seq(oid(OID.ecdsaWithSHA256))
  return seq(tbs, algorithm, bits((parts.sign ?? ((bytes) => sign('sha256', bytes, key)))(tbs)))
}

/** AlgorithmIdentifier of RSASSA-PSS, RFC 4055 section 3.1. */
export function pssAlgorithm(hash: string, saltLength: number, mgfHash = hash): Buffer {
  const algorithm = (id: string) => seq(oid(id), nullValue())
  const fields = [algorithm(hash), seq(oid(OID.mgf1), algorithm(mgfHash)), integer(saltLength)]
  return seq(oid(OID.rsassaPss), seq(...fields.map((field, i) => explicit(i, field))))
}
